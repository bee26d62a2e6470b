/** The typed interface of the add-on; no other file loads it. */
import { createRequire } from 'node:module';

/** How to load a driver. */
export interface DriverOptions {
  /** How many ring buffers there are; CPU n writes to ring floor(n / cpusPerRing). */
  readonly rings: number;
  /** Size of each ring: a power of two, a multiple of the page. */
  readonly ringBytes: number;
  readonly cpusPerRing: number;
  /** Processes outside containers too, and their connections. */
  readonly allScopes: boolean;
  /** Connections with a loopback peer too. */
  readonly loopback: boolean;
  /** Connections that are not established yet, or never were, too. */
  readonly pending: boolean;
  /** false: arguments never leave the kernel. */
  readonly arguments: boolean;
  /** Some cgroup v1 controller has a hierarchy of its own. */
  readonly cgroupV1: boolean;
}

/** How to load the BPF programs. */
export interface ProbeOptions extends DriverOptions {
  /** Path of a BPF object to load; '' for the first one built into the add-on and taken by the kernel. */
  readonly object: string;
  /** Path of a file with the kernel's types, as far as the object needs them; '' if the kernel has its own. */
  readonly btf: string;
  /** Folder of the root of the host's cgroup2 hierarchy, for the programs for UDP; '': they are left out. */
  readonly cgroupRoot: string;
  /** Milliseconds in which a peer of an unconnected UDP socket is reported once; 0: never. */
  readonly udpWindow: number;
  /** Bound UDP sockets without a peer are listed by scans. */
  readonly udpListeners: boolean;
  /** Have the kernel measure the run time of BPF programs: some ns per run, of every program on the node. */
  readonly runTime: boolean;
}

/** Counts of one program of a driver since it was loaded. */
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
  /** Runs left out by the kernel because the program was already running on that CPU, and not made up for. */
  readonly missed: number;
  /** 0 without `runTime`, like `runNs`. */
  readonly runs: number;
  readonly runNs: number;
}

/** Bytes of records on their way from the kernel, over all ring buffers. */
export interface RingFill {
  /** Written and not read yet. */
  readonly waiting: number;
  /** The same of the fullest ring. */
  readonly fullest: number;
  /** Of all rings together. */
  readonly capacity: number;
}

/** A refusal by the kernel or libbpf. */
export interface ProbeError extends Error {
  readonly operation:
    'open' | 'load' | 'attach' | 'ring' | 'scan' | 'stats' | 'insert' | 'remove' | 'module' | 'clock';
  /** The program, the map, the file or the request to the kernel module. */
  readonly subject: string;
  /** By name, such as EPERM, or LIBBPF_ERRNO__FORMAT of libbpf's own. */
  readonly errno: string;
  /**
   * libbpf's last lines; for a refused program they are the verifier's. For an object or a kernel module not made for
   * this add-on (ENOEXEC) one line with the reason.
   */
  readonly log: string;
}

/** The BPF object in use. */
export interface LoadedObject {
  /** The oldest kernel it is made for, like 5.12. Objects for older kernels need less, and have less. */
  readonly oldestKernel: string;
  /** The kernel's refusal of the one for later kernels; undefined if it took it, or another one was asked for. */
  readonly refusal: ProbeError | undefined;
}

/** A program detached from its event by somebody else, or replaced there. */
export interface LostLink {
  readonly program: string;
  /** Why it can't be attached again, by name; undefined: it is attached again. */
  readonly errno: string | undefined;
}

/** `scan_sockets` goes by descriptors; `list_sockets` lists owned sockets by the kernel's tables. */
export type ScanProgram = 'scan_processes' | 'scan_sockets' | 'list_sockets';

/** No records yet: see `Probe.readScan`. */
export const NOTHING_YET = -1;
/** Most bytes handed out by the kernel in one read of an iterator. */
export const SCAN_READ_BYTES = 64 * 1024;

/**
 * A driver in the kernel. Constructing loads it; every method and the constructor may throw a ProbeError. The loading
 * process is never reported.
 */
export interface Driver {
  /** Attaches all programs, or none; but BPF programs for UDP are left out if they are refused. */
  attach(): void;
  /** Ends events; written records can still be drained. */
  detach(): void;
  /**
   * Looks at each attached program, and attaches it again if somebody else has detached or replaced it.
   * @returns the programs attached again: once after success, and at each call while it fails
   */
  restoreLinks(): LostLink[];
  /**
   * While on, the children of this process are the self-check: their events are written as `RecordType.selfCheck` and
   * as nothing else, in any scope, anywhere, with any peer.
   */
  selfCheck(on: boolean): void;
  /**
   * Starts to deliver: `onRecords(length, time)` is called with whole records, oldest first, in `buffer[0, length)`,
   * overwritten by the next call; all are older than `time` (CLOCK_BOOTTIME, ns). The buffer has to hold the largest
   * record (RECORD_CAPACITY) at least. `onError` is called when reading the rings fails.
   */
  start(
    buffer: Uint8Array<ArrayBuffer>,
    onRecords: (length: number, time: number) => void,
    onError: (error: ProbeError) => void,
  ): void;
  /**
   * After `start`: calls a function each time somebody sets the system's clock: after the delivery of all records
   * from before `time` (CLOCK_BOOTTIME, ns), and before any later one. `epoch` is Addon.clock()'s from then on.
   * Slewing by NTP is no set.
   * @throws ProbeError of the operation `clock`
   */
  watchClock(onSet: (time: number, epoch: number) => void): void;
  /**
   * Delivers, before it returns, the records from before `until` (CLOCK_BOOTTIME, ns; default: now), oldest first,
   * about `budget` bytes of them at most (default: all). Returns the number of bytes.
   */
  drain(until?: number, budget?: number): number;
  /** Takes all waiting records out of the rings without delivering them, and returns their number. */
  discard(): number;
  /** While on, nothing is delivered but by `drain`: records stay in the rings, and are lost when these are full. */
  hold(on: boolean): void;
  stats(): ProgramStats[];
  rings(): RingFill;
  /**
   * Detaches and unloads; a kernel module stays inserted, without a trace of this process. Nothing is delivered any
   * more; all other methods throw. May be called again.
   */
  close(): void;
}

/** The BPF programs in the kernel. */
export interface Probe extends Driver {
  object(): LoadedObject;
  /** Why UDP sockets are not seen to connect and to end; undefined if they are, or this was not asked for. */
  udpRefusal(): ProbeError | undefined;
  /** The same of the peers of unconnected UDP sockets. */
  datagramRefusal(): ProbeError | undefined;
  /**
   * Lists processes or sockets, as records in memory of their own. Synchronous, and never waits for a process:
   * records of processes with arguments come without them (`RecordFlag.argsLost`). If the kernel refuses one of these
   * programs there is none of them, and this throws the refusal; events come all the same.
   */
  scan(program: ScanProgram): Uint8Array<ArrayBuffer>;
  /** Begins to do the same in parts. Each program has one scan at a time: beginning the next gives up the rest. */
  beginScan(program: ScanProgram): void;
  /**
   * Puts some of the records into `buffer`, from a byte on. Returns the number of bytes; 0: there are no more;
   * NOTHING_YET: it has worked for half a second, as long as it may in one call, and found none. There has to be room
   * for SCAN_READ_BYTES.
   */
  readScan(program: ScanProgram, buffer: Uint8Array<ArrayBuffer>, from: number): number;
}

interface Addon {
  readonly Probe: new (options: ProbeOptions) => Probe;
  /**
   * The inserted kernel module, opened for this process alone: EBUSY while another one has it. A module of another
   * version is refused before it does anything: ENOEXEC, with the reason in `log`.
   */
  readonly Module: new (options: DriverOptions) => Driver;
  /** CLOCK_BOOTTIME in ns, and its difference to Unix time in ns, to be added. */
  clock(): { readonly time: number; readonly epoch: number };
  /**
   * Inserts the kernel module in a file, without parameters; returns when it has started.
   * @throws ProbeError of the operation `insert`, with the path as its subject
   */
  insertModule(path: string): void;
  /**
   * Removes a kernel module by its name, without waiting for its users: EAGAIN while there are any.
   * @throws ProbeError of the operation `remove`, with the name as its subject
   */
  removeModule(name: string): void;
  /** Lets a crash of this process leave a core dump. Returns its most bytes: the hard limit. */
  allowCoreDump(): number;
  /**
   * Takes all capabilities for good from every thread of this process, but for the numbers in `kept`. Until then,
   * this thread has all the process may have: loading the add-on makes them effective.
   * @returns the number of threads with theirs still, because they block all signals
   */
  dropCapabilities(kept: readonly number[]): number;
  /** Possible CPUs of this kernel; ring and scratch memory is made for all of them. */
  readonly possibleCpus: number;
}

/**
 * Loads the add-on from `path`, `dist/collector.node` as built by `native/Makefile`.
 * @throws Error if it is missing or was built for another platform
 */
export function loadAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon;
}

/** Whether an error came from the add-on, with the details of a refusal by the kernel. */
export function isProbeError(error: unknown): error is ProbeError {
  return error instanceof Error && 'operation' in error && 'errno' in error;
}

export type { Addon };
