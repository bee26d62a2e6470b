/** The only door to the add-on: what the kernel side offers to TypeScript, typed. */
import { createRequire } from 'node:module';

/** How to load the BPF programs. */
export interface ProbeOptions {
  /** Path of a BPF object to load; '' for the first of those built into the add-on that the kernel takes. */
  readonly object: string;
  /** Path of a file with the kernel's types, as far as the object needs them; '' if the kernel has its own. */
  readonly btf: string;
  /** How many ring buffers there are; CPU n writes to ring floor(n / cpusPerRing). */
  readonly rings: number;
  /** Size of each ring: a power of two, a multiple of the page. */
  readonly ringBytes: number;
  readonly cpusPerRing: number;
  /** Processes outside containers too, and their connections. */
  readonly allScopes: boolean;
  /** Connections with a loopback peer too. */
  readonly loopback: boolean;
  /** Connections too that are not established yet, and those that never were. */
  readonly pending: boolean;
  /** false: arguments never leave the kernel. */
  readonly arguments: boolean;
  /** Some cgroup v1 controller has a hierarchy of its own. */
  readonly cgroupV1: boolean;
  /** Folder of the root of the host's cgroup2 hierarchy, for the programs that watch UDP; '': they are left out. */
  readonly cgroupRoot: string;
  /** Milliseconds in which a peer of a UDP socket that is not connected is told of once; 0: it is never told of. */
  readonly udpWindow: number;
  /** Bound UDP sockets without a peer are listed by scans. */
  readonly udpListeners: boolean;
  /** Have the kernel measure the run time of BPF programs: some ns per run, of every program on the node. */
  readonly runTime: boolean;
}

/** Counts of one BPF program since it was loaded. */
export interface ProgramStats {
  readonly program: string;
  /** Records written. */
  readonly events: number;
  /** Records lost because the ring was full. */
  readonly lost: number;
  /** Of containers, but not to be reported: host helpers passing through, loopback peers. */
  readonly skipped: number;
  /** Records that could not be built. */
  readonly failed: number;
  /** Records left out since their container had more in a ring than was free. */
  readonly overShare: number;
  /** One of these containers, by its number; 0: the host, or none. */
  readonly container: number;
  /** Runs that the kernel left out because the program was already running on that CPU, and nothing made up for. */
  readonly missed: number;
  /** 0 without `runTime`, like `runNs`. */
  readonly runs: number;
  readonly runNs: number;
}

/** What the kernel or libbpf refused. */
export interface ProbeError extends Error {
  readonly operation: 'open' | 'load' | 'attach' | 'ring' | 'scan' | 'stats' | 'insert' | 'clock';
  /** The program, the map or the file. */
  readonly subject: string;
  /** By name, such as EPERM, or LIBBPF_ERRNO__FORMAT for those of libbpf's own. */
  readonly errno: string;
  /**
   * libbpf's last lines; for a refused program they are the verifier's. For an object that is not made for this add-on
   * (ENOEXEC) one line that says why.
   */
  readonly log: string;
}

/** Which BPF object runs. */
export interface LoadedObject {
  /** The oldest kernel that it is made for, such as 5.12. Each needs less than those for later kernels, and has less. */
  readonly oldestKernel: string;
  /** What the kernel refused of the one for later kernels; undefined if it took it, or another one was asked for. */
  readonly refusal: ProbeError | undefined;
}

/** A program that somebody else has detached from its event, or replaced there. */
export interface LostLink {
  readonly program: string;
  /** Why it can't be attached again, by name; undefined: it is attached again. */
  readonly errno: string | undefined;
}

/** `scan_sockets` goes by descriptors; `list_sockets` by the kernel's tables of TCP sockets, to list those with an owner. */
export type ScanProgram = 'scan_processes' | 'scan_sockets' | 'list_sockets';

/** What the kernel hands out in one read of an iterator, at most. */
/** No records yet: see `Probe.readScan`. */
export const NOTHING_YET = -1;
export const SCAN_READ_BYTES = 64 * 1024;

/**
 * The BPF programs in the kernel. Constructing loads them; every method and the constructor may throw a ProbeError. The
 * process that loads them is never told of.
 */
export interface Probe {
  /** Attaches all programs, or none; but those that watch UDP are left out if they are refused. */
  attach(): void;
  object(): LoadedObject;
  /** Why UDP sockets are not seen to connect and to end; undefined if they are, or this was not asked for. */
  udpRefusal(): ProbeError | undefined;
  /** The same of the peers of UDP sockets that are not connected. */
  datagramRefusal(): ProbeError | undefined;
  /** Ends events; what was written can still be drained. */
  detach(): void;
  /**
   * Looks at each attached program, and attaches again those that somebody else has detached or replaced.
   * @returns those programs: once when that went well, and at each call while it fails
   */
  restoreLinks(): LostLink[];
  /**
   * While on, the children of this process are the self-check: what they do is written as `RecordType.selfCheck` and
   * not as anything else, whatever the scope, wherever they run and whoever their peer is.
   */
  selfCheck(on: boolean): void;
  /**
   * Starts to deliver: `onRecords(length, time)` is called with whole records, oldest first, in `buffer[0, length)`,
   * which the next call overwrites; all are older than `time` (CLOCK_BOOTTIME, ns). The buffer has to hold the largest
   * record (RECORD_CAPACITY) at least. `onError` is called when reading the rings fails.
   */
  start(
    buffer: Uint8Array<ArrayBuffer>,
    onRecords: (length: number, time: number) => void,
    onError: (error: ProbeError) => void,
  ): void;
  /**
   * After `start`: calls a function each time that somebody sets the system's clock, when all records from before that
   * `time` (CLOCK_BOOTTIME, ns) were delivered, and none from after it; `epoch` is that of Addon.clock() from then on.
   * Slewing by NTP is no set.
   * @throws ProbeError of the operation `clock`
   */
  watchClock(onSet: (time: number, epoch: number) => void): void;
  /**
   * Delivers, before it returns, the records that were written before `until` (CLOCK_BOOTTIME, ns; default: now),
   * oldest first, about `budget` bytes of them at most (default: all), and returns how many bytes there were.
   */
  drain(until?: number, budget?: number): number;
  /** Takes all records that wait out of the rings without delivering them, and returns how many. */
  discard(): number;
  /** While on, nothing is delivered but by `drain`: records stay in the rings, and are lost when those are full. */
  hold(on: boolean): void;
  stats(): ProgramStats[];
  /**
   * What runs now: process records or socket records, in memory of their own. Synchronous, and never waits for a
   * process: records of processes that have arguments come without them (`RecordFlag.argsLost`). A kernel that
   * refuses one of these programs has none of them, and says here what it refused it with; events come all the same.
   */
  scan(program: ScanProgram): Uint8Array<ArrayBuffer>;
  /** Begins to do the same in parts. Each program has one at a time: beginning the next gives up what was not read. */
  beginScan(program: ScanProgram): void;
  /**
   * Puts some of the records into `buffer`, from a byte on, and returns how many bytes; 0: there are no more; NOTHING_YET:
   * it has worked for as long as it may in one call, half a second, and found none. There has to be room for
   * SCAN_READ_BYTES.
   */
  readScan(program: ScanProgram, buffer: Uint8Array<ArrayBuffer>, from: number): number;
  /** Detaches and unloads. Nothing is delivered any more; all other methods throw. */
  close(): void;
}

interface Addon {
  readonly Probe: new (options: ProbeOptions) => Probe;
  /** CLOCK_BOOTTIME in ns, and what to add to it for Unix time in ns. */
  clock(): { readonly time: number; readonly epoch: number };
  /**
   * Inserts the kernel module in a file, without parameters; returns when it has started.
   * @throws ProbeError of the operation `insert`, whose subject is the path
   */
  insertModule(path: string): void;
  /** Lets a crash of this process leave a core dump of so many bytes at most, which it returns: the hard limit. */
  allowCoreDump(): number;
  /**
   * Takes all capabilities for good from every thread of this process, but those whose numbers are in `kept`. Until
   * then, this thread has all that the process may have: loading the add-on makes them effective.
   * @returns threads that still have theirs, because they block all signals
   */
  dropCapabilities(kept: readonly number[]): number;
  /** CPUs that this kernel could ever have; ring and scratch memory is made for all of them. */
  readonly possibleCpus: number;
}

/**
 * Loads the add-on from `path`, `dist/collector.node` as built by `native/Makefile`.
 * @throws Error if it is missing or was built for another platform
 */
export function loadAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon;
}

/** Whether an error came from the add-on with the details of what the kernel refused. */
export function isProbeError(error: unknown): error is ProbeError {
  return error instanceof Error && 'operation' in error && 'errno' in error;
}

export type { Addon };
