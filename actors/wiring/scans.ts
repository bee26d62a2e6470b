import type { CaptureOptions } from '../capture/actor.js';
import { ArgumentReader } from '../capture/argument-reader.js';
import type { Addon, Probe } from '../capture/driver.js';
import type { HostFacts } from '../capture/host.js';
import type { ProcfsProblems } from '../capture/procfs/problems.js';
import { chooseScanner, type ScannerChoice } from '../capture/scanner-choice.js';
import { ContainerNames } from '../containers/cgroup-path.js';
import type { Settings } from '../settings/table.js';
import type { RunContext } from './context.js';
import { visibility } from './visibility.js';

/** Chooses the scanner for this host. @param probe the BPF programs; undefined: the driver is a kernel module */
export function scannerFor(
  addon: Addon,
  probe: Probe | undefined,
  { hostPids }: HostFacts,
  problems: ProcfsProblems,
  { settings, log }: RunContext,
): ScannerChoice {
  const choice = chooseScanner({
    probe,
    hostPids,
    hostRoot: settings.hostRoot,
    procfs: {
      ...visibility(settings),
      names: new ContainerNames(),
      now: () => addon.clock().time,
      onUnreadable: (message) => log.warning(message),
      problems,
    },
  });
  log[choice.kind === 'partial' ? 'warning' : 'info'](choice.why);
  return choice;
}

/**
 * Makes the reader for the arguments of scanned processes; undefined if they are not wanted, or out of reach, after a
 * warning.
 * @param program path of `dist/argument-reader`
 */
export function argumentReaderFor(
  { kind, procfs }: ScannerChoice,
  program: string,
  { settings, log }: RunContext,
): ArgumentReader | undefined {
  if (settings.noProcessArguments) return undefined;
  if (procfs === undefined) {
    if (kind === 'partial') return undefined; // warned of already
    log.warning(
      "No mount shows the host's processes, so that arguments of processes that run already are missing. Remedy: mount the " +
        "host's /proc below COLLECTOR_HOST_ROOT",
    );
    return undefined;
  }
  return new ArgumentReader({ program, folder: procfs, onProblem: log.throttled('warning') });
}

/**
 * A single scan at the start is of use with the iterators only: they arrange for an event at the end of every scanned
 * socket. Sockets scanned by procfs would never be seen to end.
 */
export function whenToScrape(scanner: ScannerChoice['kind'], settings: Settings): CaptureOptions['scrape'] {
  if (scanner === 'partial') return 'never';
  if (!settings.scrapeDisabled) return 'every tick';
  return scanner === 'iterators' ? 'at start' : 'never';
}
