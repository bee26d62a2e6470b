import type { Renderer } from './pages.js';

/** By the name of the saved result. */
export const renderers: Readonly<Record<string, Renderer>> = {};
