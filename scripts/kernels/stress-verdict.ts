import { sectionsOf, type Verdict } from './verdict.js';

/** Most kilobytes that a hundred insertions and removals may leave behind: the noise of a machine at rest. */
const MOST_KB_LEFT = 512;
/** Lines of the kernel's about a module that Debian has not signed. */
export const HARMLESS =
  /loading out-of-tree module|module verification failed|invalid for parameter `layout'/;
/** Reports of the kernel's checks, and of faults. */
export const ALARMING =
  /WARN|BUG|Oops|Call Trace|general protection|Poison|Redzone|Object (already|freed)|rcu.*stall|lockdep|leak/i;

/** Holds the output of stress.sh against what every trial has to say. */
export function judgeStress(output: string): Verdict {
  const sections = sectionsOf(output);
  const verdict = judgeTrials(sections, ['refusals', 'arguments', 'shares', 'storm', 'hostile', 'cycles']);
  const faults = [...verdict.faults];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) faults.push(what);
  };
  if (!sections.has('end')) return verdict;
  const [before, after] = [...(sections.get('memory') ?? '').matchAll(/^(?:\w+: .*)$/gm)].map(([line]) =>
    amounts(line),
  );
  const left = before === undefined || after === undefined ? NaN : lost(before, after);
  expect(left <= MOST_KB_LEFT, `${left} KiB are gone after 100 insertions and removals`);
  expect((sections.get('modules') ?? '').trim() === '', `still inserted: ${sections.get('modules')?.trim()}`);
  const lines = (sections.get('dmesg') ?? '').split('\n').filter((line) => !HARMLESS.test(line));
  for (const line of lines.filter((line) => ALARMING.test(line)).slice(0, 3)) faults.push(line.trim());
  return {
    ...verdict,
    faults,
    untried: ['lockdep, kmemleak and KASAN (Debian has no image with them)'],
  };
}

/** Holds the output of tracepoints.sh against what it has to say. */
export function judgeTracepoints(output: string): Verdict {
  return judgeTrials(sectionsOf(output), ['switches']);
}

function judgeTrials(sections: ReadonlyMap<string, string>, trials: readonly string[]): Verdict {
  const faults = sections.has('end')
    ? trials
        .map((trial) => ({ trial, text: (sections.get(trial) ?? '').trim() }))
        .filter(({ text }) => !text.endsWith('exit code 0'))
        .map(({ trial, text }) => `${trial}: ${text.split('\n').slice(-2).join(' ') || '?'}`)
    : [`the machine stopped in ${[...sections.keys()].at(-1) ?? 'its boot'}`];
  return {
    release: sections.get('kernel')?.trim() ?? 'did not boot',
    records: { process_exec: 0, process_exit: 0, socket_state: 0, udp: 0 },
    verified: 0,
    faults,
    untried: [],
  };
}

/** By their names in /proc/meminfo, KiB. */
function amounts(line: string): ReadonlyMap<string, number> {
  return new Map([...line.matchAll(/(\w+): (\d+) kB/g)].map(([, name, count]) => [name!, Number(count)]));
}

function lost(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return free(before) - free(after);
}

function free(amounts: ReadonlyMap<string, number>): number {
  return (amounts.get('MemFree') ?? NaN) + (amounts.get('Listed') ?? NaN);
}
