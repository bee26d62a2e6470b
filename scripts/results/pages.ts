import type { Result } from './result.js';

/** The Markdown of a result's data. */
export type Renderer = (data: never) => string;

/** A place in a page for a result: two HTML comments, invisible there. */
const PLACE = /(<!-- result: ([a-z-]+) -->\n)[\s\S]*?(<!-- \/result -->)/g;

/**
 * Puts results into their places in a page.
 * @throws Error for a place without a renderer or a result, by its name
 */
export function fillPage(
  page: string,
  renderers: Readonly<Record<string, Renderer>>,
  results: (name: string) => Result | undefined,
): string {
  return page.replace(PLACE, (_, start: string, name: string, end: string) => {
    const render = renderers[name];
    const result = results(name);
    if (render === undefined)
      throw new Error(`No renderer for '${name}' (allowed: ${Object.keys(renderers).join(', ')})`);
    if (result === undefined) throw new Error(`No result '${name}' in docs/results`);
    return `${start}\n${render(result.data as never).trim()}\n\n${source(result)}\n\n${end}`;
  });
}

/** @returns the names of the results with a place in a page */
export function placesOf(page: string): string[] {
  return [...page.matchAll(PLACE)].map(([, , name]) => name!);
}

/** How to repeat a result, and of which code and machine it is. */
function source({ command, commit, date, machine }: Result): string {
  const { kernel, cpus, node, memory } = machine;
  return `_\`${command}\`, ${date}, commit ${commit}; ${cpus} processors, ${memory} GiB, Linux ${kernel}, Node ${node}._`;
}
