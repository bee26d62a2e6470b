import { render as compare } from '../compare/proof-report.js';
import { render as faults } from '../faults/report.js';
import { render as fleet } from '../fleet/report.js';
import { render as overhead } from '../overhead/report.js';
import { render as scale } from '../scale/report.js';
import type { Renderer } from './pages.js';
import { summary } from './summary.js';

/** By the name of a place: most of them show one result, by its name. */
export const renderers: Readonly<Record<string, Renderer>> = {
  compare: { of: ['compare'], render: compare },
  faults: { of: ['faults'], render: faults },
  fleet: { of: ['fleet'], render: fleet },
  overhead: { of: ['overhead'], render: overhead },
  scale: { of: ['scale'], render: scale },
  summary: { of: ['overhead', 'scale', 'faults'], render: summary },
};
