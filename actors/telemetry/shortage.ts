/**
 * Resources a system call lacked for now, by the name of its error. Each shortage passes by itself when others give
 * something back, so the failed operation is tried again.
 */
const resources = {
  EMFILE: 'descriptors of this process',
  ENFILE: 'descriptors of the node',
  ENOMEM: 'memory',
  ENOBUFS: 'network buffers',
  EAGAIN: 'processes, threads or locked memory',
  EINTR: 'time without a signal',
} as const;

export type ShortageCode = keyof typeof resources;

/** The scarce resource in words. */
export function resourceOf(code: ShortageCode): string {
  return resources[code];
}

/** The shortage behind an error or its cause: Node's errors have it in `code`, the add-on's in `errno`. */
export function shortageOf(error: unknown): ShortageCode | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno, cause } = error as { code?: unknown; errno?: unknown; cause?: unknown };
  return [code, errno].find(isShortage) ?? shortageOf(cause);
}

function isShortage(code: unknown): code is ShortageCode {
  return typeof code === 'string' && Object.hasOwn(resources, code);
}

/** Counts operations not possible for now, and warns of them. */
export class Shortages {
  /** By the error's name. */
  readonly counts = new Map<ShortageCode, number>();
  readonly #warn: (message: string) => void;

  /** @param warn a throttled writer */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /**
   * Notes a shortage, if an error is one.
   * @param what the failed operation as a noun: `a scan`, for example
   * @returns false if it is none
   */
  note(error: unknown, what: string): boolean {
    const code = shortageOf(error);
    if (code === undefined) return false;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.#warn(`Too few ${resourceOf(code)} for ${what} (${code}): it is tried again. ${remedyOf(code)}`);
    return true;
  }
}

/** One sentence: the way to get more of it. */
export function remedyOf(code: ShortageCode): string {
  switch (code) {
    case 'EMFILE':
      return (
        'Raise the limit of open files of the collector container (LimitNOFILE of the container runtime, ulimit -n), or ' +
        'close connections that idle on its HTTP ports.'
      );
    case 'ENFILE':
      return 'Raise fs.file-max of the node (sysctl), or end what holds most files ("lsof").';
    case 'ENOMEM':
      return (
        'Raise the memory limit of the collector container (resources.limits.memory), or lower what its buffers take with ' +
        'ROX_COLLECTOR_SINSP_TOTAL_BUFFER_SIZE.'
      );
    case 'ENOBUFS':
      return 'Raise net.core.optmem_max of the node (sysctl), or its memory.';
    case 'EAGAIN':
      return (
        "Raise the pids limit of the collector container (kubelet's podPidsLimit, pids.max of its cgroup) and its limits of " +
        'processes (ulimit -u) and locked memory (ulimit -l).'
      );
    case 'EINTR':
      return 'Find out what sends signals to Collector.';
  }
}
