import { render as compare } from '../compare/proof-report.js';
import { render as faults } from '../faults/report.js';
import { render as fleet } from '../fleet/report.js';
import { render as overhead } from '../overhead/report.js';
import { render as scale } from '../scale/report.js';
import type { Renderer } from './pages.js';

/** By the name of the saved result. */
export const renderers: Readonly<Record<string, Renderer>> = { compare, faults, fleet, overhead, scale };
