import type { Result } from './result.js';

/** What a place shows. */
export interface Renderer {
  /** Names of the results whose data `render` takes, in this order. */
  readonly of: readonly string[];
  /** Markdown. */
  readonly render: (...data: never[]) => string;
}

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
    const renderer = renderers[name];
    if (renderer === undefined)
      throw new Error(`No renderer for '${name}' (allowed: ${Object.keys(renderers).join(', ')})`);
    const shown = renderer.of.map((of) => {
      const result = results(of);
      if (result === undefined) throw new Error(`No result '${of}' in docs/results`);
      return result;
    });
    const text = renderer.render(...shown.map(({ data }) => data as never)).trim();
    return `${start}\n${text}\n\n${shown.length === 1 ? source(shown[0]!) : sources(shown)}\n\n${end}`;
  });
}

/** @returns the names of the places in a page */
export function placesOf(page: string): string[] {
  return [...page.matchAll(PLACE)].map(([, , name]) => name!);
}

/** How several results can be repeated, in short: each is shown with its source in its own page. */
function sources(results: readonly Result[]): string {
  const commands = results.map(({ command }) => `\`${command.split(' -- ')[0]}\``).join(', ');
  const days = results.map(({ date }) => date).sort();
  return `_${commands}, ${[...new Set([days[0], days.at(-1)])].join(' to ')}._`;
}

/** How to repeat a result, and of which code and machine it is. */
function source({ command, commit, date, machine }: Result): string {
  const { kernel, cpus, node, memory } = machine;
  return `_\`${command}\`, ${date}, commit ${commit}; ${cpus} processors, ${memory} GiB, Linux ${kernel}, Node ${node}._`;
}
