import { ALARMING, HARMLESS } from './stress-verdict.js';
import { sectionsOf, type Verdict } from './verdict.js';

const PASSED = /Self-check passed/;
const GONE = /^module: none$/m;
const ENDED = /^exit code 0$/m;
const FAILED = /^exit code 1$/m;

/** What each trial of insertion.sh has to say. */
const trials: Readonly<Record<string, readonly RegExp[]>> = {
  run: [
    ENDED,
    PASSED,
    /Inserting kernel module/,
    /Removed the kernel module collector\./,
    /lost: 0/,
    /"exit one"/,
    GONE,
  ],
  killed: [/^module: 0 users$/m],
  successor: [/Removed the kernel module collector that an earlier/, PASSED, /^module: [1-9]/m],
  waiting: [
    /in use by node \(pid \d+\): waiting/,
    // Stopped while it waits: it leaves the module to the first.
    /^exit code 0\nmodule: [1-9]/m,
    /Self-check passed[^]*^module: [1-9]\d* users\nexit code 0\nmodule: none$/m,
  ],
  load: [
    /exit code 0[^]*exit code 137[^]*exit code 0/,
    /Removed the kernel module collector that an earlier/,
    GONE,
  ],
  check: [ENDED, /core_bpf would/, /Inserting/, /Removed the kernel module collector\./, GONE],
  otherlayout: [FAILED, /Failed to setup Kernel module/, /Cause: .*layout 9999/, GONE],
  foreignfile: [FAILED, /Cause: .*is not one of this Collector's modules/, GONE],
  otherrelease: [
    FAILED,
    /Exec format error/,
    /Failed to insert/,
    /Cause: .*ENOEXEC; it was built for the kernel 0/,
    GONE,
  ],
  foreignmodule: [
    FAILED,
    /File exists/,
    /Cause: .*named collector \(version 2\.2\.0\)/,
    /^module: 0 users$/m,
  ],
  lockdown: [FAILED, /Operation not permitted/, /Cause: .*lockdown=integrity/, GONE],
};
/** No hook of Collector's may be lost in any of them. */
const NEVER = /Somebody detached/;

/** Holds the output of insertion.sh against what every trial has to say. */
export function judgeInsertion(output: string): Verdict {
  const sections = sectionsOf(output);
  const release = sections.get('kernel')?.trim() ?? 'did not boot';
  const records = { process_exec: 0, process_exit: 0, socket_state: 0, udp: 0 };
  const verdict = { release, object: 'module', records, verified: 0, untried: [] };
  if (!sections.has('end')) return { ...verdict, faults: ['the machine did not run to its end'] };
  const faults = Object.entries(trials).flatMap(([trial, expected]) => {
    const text = sections.get(trial) ?? '';
    const unsaid = expected
      .filter((pattern) => !pattern.test(text))
      .map(({ source }) => `${trial}: no ${source}`);
    return NEVER.test(text) ? [...unsaid, `${trial}: ${NEVER.source}`] : unsaid;
  });
  const lines = (sections.get('dmesg') ?? '').split('\n').filter((line) => !HARMLESS.test(line));
  return { ...verdict, faults: [...faults, ...lines.filter((line) => ALARMING.test(line)).slice(0, 3)] };
}
