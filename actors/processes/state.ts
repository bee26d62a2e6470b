import type { Audience, Fact, ScanFact } from '../capture/facts.js';
import { exit_record, process_record, ProcessFlag, RecordFlag, RecordType } from '../capture/layout.js';
import {
  outermostContainer,
  processArguments,
  processLineage,
  processComm,
  processPath,
} from '../capture/process-record.js';
import { TWO_32, type Records } from '../capture/records.js';
import type { Sliced } from '../capture/slices.js';
import { Refusals, type Refusal } from '../shares/refusals.js';
import { Shares } from '../shares/shares.js';
import { seededHash } from './keyed-hash.js';
import { signalId, type ProcessSignal } from './signal.js';
import { SignalThrottle } from './throttle.js';

/** A tick of USER_HZ, ns. */
const TICK_NS = 1e7;

/** What an endpoint says of the process that listens. */
export interface Originator {
  readonly name: string;
  readonly path: string;
  readonly args: string;
}

interface Process extends Originator {
  /** Stands for path and arguments if there was no room for them: then they and the name are empty. */
  readonly digest?: number;
  /** Number of the program that it executes, shared with its forks; 0: not known. */
  readonly image: number;
  /** CLOCK_BOOTTIME, ns. With the pid it names a process for good, since pids are used again. */
  readonly startTime: number;
  /** Which image of the process it is, as in its record; 0: unknown. */
  readonly execId: number;
  readonly container: number;
  /** The container whose shares it takes: that one, or the outermost around it. */
  readonly sharer: number;
  /** When a scan saw it, CLOCK_BOOTTIME in ns; 0 if it was seen to start. */
  readonly scanned: number;
  /** When it was seen to exec, CLOCK_BOOTTIME in ns; 0 if only a scan or its listening showed it. */
  readonly executed: number;
  /** Its arguments could not be read. */
  readonly isArgsLost: boolean;
  /** A signal has told of it. One that only listens has not started anything. */
  readonly told: boolean;
}

/**
 * Characters of the names, paths and arguments of all processes: 256 for each of 32,768, and no more than 16 MiB
 * however long the arguments are. A process whose text had no room is still known, by its digest.
 */
const MOST_TEXT = 8 * 1024 * 1024;
/**
 * Characters of all distinct originators, names, paths and arguments together, at most 16 MiB. A container may add
 * to them while it has no more than is free (A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds for
 * shared-memory packet switches", IEEE/ACM ToN 6(2), 1998): reports name them by numbers, so that none can be dropped.
 */
const MOST_ORIGINATOR_TEXT = 8 * 1024 * 1024;
/** Of each originator beside its own characters, about: its objects and its places in the tables. */
const ORIGINATOR_OVERHEAD = 128;
/** Bits of a hash's upper half that a digest has. */
const DIGEST_HIGH = 2 ** 21 - 1;
/** Before a run has started. */
const NO_SEED = '0'.repeat(15);
/**
 * Characters of what is kept of processes that have ended, names, paths and arguments together: a daemon that forked
 * and listens from there is known by them.
 */
const MOST_ENDED_TEXT = 1024 * 1024;
/** Originators to look at before a pause. */
const SLICE_ORIGINATORS = 16_384;

/** Exits remembered while a scan goes on, at most; and how much longer, ns, than the parts of the scan need them. */
const MOST_EXITS = 65_536;
const EXIT_MARGIN_NS = 1e9;

/** The end of a process during a scan that may still list it. */
interface Exit {
  /** CLOCK_BOOTTIME, ns. */
  readonly time: number;
  readonly startTime: number;
  readonly told: boolean;
}

/** How full the table is, and what was not told. All counts are of the whole run. */
export interface Statistics {
  /** Processes remembered now. */
  readonly processes: number;
  /** Characters of their names, paths and arguments. */
  readonly text: number;
  /** Ends of processes remembered for the scan under way, which may still list them. */
  readonly exits: number;
  /** Processes forgotten for want of room. */
  readonly evicted: number;
  /** Times that an originator was told as unknown for want of room. */
  readonly nameless: number;
  /** Signals that the throttle held back. */
  readonly throttled: number;
  /** Keys that the throttle forgot too early for want of room. */
  readonly throttleForgotten: number;
}

/**
 * Folds facts to the processes that run and to the signals that tell of them.
 *
 * Every exec becomes a signal, and every process that was running before becomes one, once. The kernel's record says
 * all there is to say, so the table is only needed to know what was told already, and who listens on a port.
 */
export class ProcessState {
  readonly #isThrottled: boolean;
  readonly #processes = new Map<number, Process>();
  /** The same by the containers whose shares they take, and those with a text. */
  readonly #shares: Shares<number>;
  readonly #textShares = new Shares<number>(MOST_TEXT);
  readonly #refusals = {
    processes: new Refusals('processes'),
    texts: new Refusals('the arguments of processes'),
    originators: new Refusals('the names of processes that listen'),
  };
  /** Made anew by each start fact. */
  #hash = seededHash(NO_SEED);
  readonly #digestWords = new Uint32Array(2);
  /** By image, the process that executed it: its forks are known by that, whatever they call themselves. */
  readonly #images = new Map<number, Process>();
  /** Those among `#images` that have ended, the first one first, and how long their text is. */
  readonly #endedImages = new Map<number, Process>();
  #endedText = 0;
  /** By their numbers; those that nobody uses are undefined, and their numbers stand in `#freeOriginators`. */
  readonly #originators: (Originator | undefined)[] = [undefined];
  /** By their numbers, the containers whose processes brought them first, which they are accounted to. */
  readonly #originatorSharers: number[] = [0];
  readonly #originatorIds = new Map<string, number>();
  readonly #freeOriginators: number[] = [];
  #seed = '';
  /** Made anew by each start fact. */
  #throttle: SignalThrottle | undefined;
  #hasScanned = false;
  #epoch = 0;
  #signals = 0;
  #originatorText = 0;
  readonly #originatorTextOf = new Map<number, number>();
  /** An originator was refused since unused ones were forgotten. */
  #isOriginatorRefused = false;
  /** Beyond it, originators in use are looked for. */
  #enoughOriginatorText = enoughText(0);
  #evicted = 0;
  #nameless = 0;
  /** Pids of processes that have ended, and when they started. They go with the next fact: till then others may ask. */
  #ended: (readonly [pid: number, startTime: number])[] = [];
  /** Processes that ended since the scan of processes under way began, by pid, the oldest first; undefined: there is none. */
  #exits: Map<number, Exit> | undefined;

  /**
   * @param capacity processes that are remembered at most; beyond it the one known longest is forgotten
   * @param isThrottled whether there is a bound to how often the same is told
   */
  constructor(capacity: number, isThrottled = true) {
    this.#shares = new Shares(capacity);
    this.#isThrottled = isThrottled;
  }

  get statistics(): Statistics {
    return {
      processes: this.#processes.size,
      text: this.#textShares.used,
      exits: this.#exits?.size ?? 0,
      evicted: this.#evicted,
      nameless: this.#nameless,
      throttled: this.#throttle?.suppressed ?? 0,
      throttleForgotten: this.#throttle?.forgotten ?? 0,
    };
  }

  /** Containers whose processes had no room, each once in a run and table. */
  takeRefusals(): Refusal[] {
    const { processes, texts, originators } = this.#refusals;
    return [processes, texts, originators].flatMap((refusals) => refusals.take());
  }

  /** The signals that follow from a fact, in the order of its records. */
  fold(fact: Fact): ProcessSignal[] {
    const signals: ProcessSignal[] = [];
    this.#forgetEnded();
    switch (fact.kind) {
      case 'start':
        this.#seed = fact.seed;
        this.#hash = seededHash(fact.seed);
        this.#throttle = this.#isThrottled ? new SignalThrottle(fact.seed) : undefined;
        this.#epoch = fact.epoch;
        break;
      case 'tick':
      case 'clock':
        this.#epoch = fact.epoch;
        break;
      case 'records':
        this.#foldEvents(fact.records, signals);
        break;
      case 'scan':
        if (fact.of === 'processes') this.#foldScan(fact, signals);
    }
    return signals;
  }

  /**
   * A number for the name, path and arguments of a process, the same for equal ones; 0 if the process is not known.
   * Describe it with `originator`. Parameters as in `OriginatorOf`.
   */
  originatorId(container: number, pid: number, startTime = 0, image = 0): number {
    const process = this.#identity(container, pid, startTime, image);
    if (process === undefined) return 0;
    if (process.digest !== undefined) {
      this.#nameless++;
      return 0;
    }
    const key = originatorKey(process);
    const known = this.#originatorIds.get(key);
    if (known !== undefined) return known;
    const size = originatorSize(key);
    const { sharer } = process;
    const taken = (this.#originatorTextOf.get(sharer) ?? 0) + size;
    if (taken > MOST_ORIGINATOR_TEXT - this.#originatorText) {
      this.#nameless++;
      this.#isOriginatorRefused = true;
      this.#refusals.originators.note(sharer);
      return 0;
    }
    this.#originatorText += size;
    this.#originatorTextOf.set(sharer, taken);
    const { name, path, args } = process;
    const id = this.#freeOriginators.pop() ?? this.#originators.length;
    this.#originators[id] = { name, path, args };
    this.#originatorSharers[id] = sharer;
    this.#originatorIds.set(key, id);
    return id;
  }

  /** Whether there is little room left for originators, so that `keepOriginators` is worth its time. */
  get isShortOfOriginators(): boolean {
    return this.#isOriginatorRefused || this.#originatorText > this.#enoughOriginatorText;
  }

  /**
   * Forgets all originators but those whose numbers are `used`; the numbers of the others may come again. Run it to its
   * end before anything else is folded.
   */
  *keepOriginators(used: ReadonlySet<number>): Sliced<void> {
    let left = SLICE_ORIGINATORS;
    for (const [key, id] of this.#originatorIds) {
      if (left-- === 0) {
        yield;
        left = SLICE_ORIGINATORS;
      }
      if (used.has(id)) continue;
      this.#releaseOriginator(key, id);
    }
    this.#isOriginatorRefused = false;
    this.#enoughOriginatorText = enoughText(this.#originatorText);
  }

  #releaseOriginator(key: string, id: number): void {
    const sharer = this.#originatorSharers[id]!;
    const size = originatorSize(key);
    const left = this.#originatorTextOf.get(sharer)! - size;
    if (left > 0) this.#originatorTextOf.set(sharer, left);
    else this.#originatorTextOf.delete(sharer);
    this.#originatorText -= size;
    this.#originatorIds.delete(key);
    this.#originators[id] = undefined;
    this.#freeOriginators.push(id);
  }

  /** @param id as `originatorId` gave it, not 0 */
  originator(id: number): Originator {
    return this.#originators[id]!;
  }

  #foldEvents(records: Records, signals: ProcessSignal[]): void {
    for (let at = 0; at < records.length; at += records.size(at)) {
      switch (records.type(at)) {
        case RecordType.exec:
          this.#exec(records, at, signals);
          break;
        case RecordType.process:
          if ((records.flags(at) & ProcessFlag.arrived) !== 0) this.#arrived(records, at, signals);
          else this.#listens(records, at);
          break;
        case RecordType.exit:
          this.#exit(records, at);
      }
    }
  }

  #foldScan({ part, audience, records }: ScanFact, signals: ProcessSignal[]): void {
    if (part === 'first') this.#exits = new Map();
    let listed = 0;
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (records.type(at) === RecordType.process) this.#found(records, at, audience, signals);
      listed = records.time(at);
    }
    if (part === undefined || part === 'last') {
      this.#exits = undefined;
      this.#hasScanned = true;
    } else if (listed > 0) this.#forgetExits(listed - EXIT_MARGIN_NS);
  }

  /** What ended before a moment is listed by no later part. */
  #forgetExits(before: number): void {
    if (this.#exits === undefined) return;
    for (const [pid, { time }] of this.#exits) {
      if (time >= before) return;
      this.#exits.delete(pid);
    }
  }

  #exec(records: Records, at: number, signals: ProcessSignal[]): void {
    const before = this.#processes.get(records.pid(at));
    const process = { ...read(records, at, 0, true), executed: records.time(at) };
    // A scan reads what runs at its moment, the ring may tell of the same exec only later.
    if (before?.told === true && records.time(at) <= before.scanned && this.#isSame(before, process)) return;
    this.#remember(records.pid(at), process);
    this.#noteImage(process, true);
    if (this.#throttle?.admits(process, records.time(at)) === false) return;
    signals.push(this.#signal(records, at, process, records.time(at), false));
  }

  #found(records: Records, at: number, audience: Audience, signals: ProcessSignal[]): void {
    const before = this.#processes.get(records.pid(at));
    if ((records.flags(at) & ProcessFlag.helper) !== 0 && !isKnown(before, records, at)) return;
    const isTold = audience !== 'none';
    if (this.#isOutdated(records, at, before, audience)) return;
    const process = read(records, at, records.time(at), isTold, before);
    if (audience !== 'fresh' && before?.told === true && this.#isSame(before, process)) {
      // Nothing new to tell, but maybe the arguments, which could not be read before.
      if (before.isArgsLost && !process.isArgsLost) this.#learn(records.pid(at), process);
      return;
    }
    if (this.#exitOf(records, at) === undefined) this.#learn(records.pid(at), process);
    if (!isTold) return;
    // Whoever is new hears of every process. A later scan makes up for lost execs, and finds forks too.
    const isThrottled = this.#hasScanned && audience !== 'fresh';
    if (isThrottled && this.#throttle?.admits(process, records.time(at)) === false) return;
    signals.push(this.#signal(records, at, process, process.startTime, true));
  }

  /**
   * Whether what a scan has listed is no more so: since then the pid went to another process, this one has run another
   * program, or it has ended. One that ended and was never told is told all the same.
   */
  #isOutdated(records: Records, at: number, before: Process | undefined, audience: Audience): boolean {
    const startTime = records.u64(at + process_record.start_time);
    if (before !== undefined) {
      if (!isSameStart(before.startTime, startTime)) {
        if (before.startTime > startTime) return true;
      } else if (before.executed > records.time(at)) return true;
    }
    const exit = this.#exitOf(records, at);
    return exit !== undefined && (exit.told || audience !== 'same');
  }

  #exitOf(records: Records, at: number): Exit | undefined {
    const exit = this.#exits?.get(records.pid(at));
    return exit !== undefined && isSameStart(exit.startTime, records.u64(at + process_record.start_time))
      ? exit
      : undefined;
  }

  /** It came into the container with the image that it has, so that no exec tells of it there: it was found at that time. */
  #arrived(records: Records, at: number, signals: ProcessSignal[]): void {
    const time = records.time(at);
    const before = this.#processes.get(records.pid(at));
    const process = read(records, at, time, true, before);
    if (before?.told === true && this.#isSame(before, process)) return;
    this.#learn(records.pid(at), process);
    if (this.#throttle?.admits(process, time) === false) return;
    signals.push(this.#signal(records, at, process, time, true));
  }

  /**
   * A process is about to listen. Who is known stays as known: its memory may say something else by now. One that came
   * from another by fork alone, which nothing told of, is what that was told as.
   */
  #listens(records: Records, at: number): void {
    const pid = records.pid(at);
    const before = this.#processes.get(pid);
    const startTime = records.u64(at + process_record.start_time);
    const image = records.u64(at + process_record.image);
    const isKnown = before !== undefined && isSameStart(before.startTime, startTime);
    if (isKnown && (image === 0 || before.image === 0 || before.image === image)) return;
    const found = read(records, at, 0, isKnown && before.told, before);
    const origin = image === 0 ? this.#nearestAncestor(records, at, found.path) : this.#images.get(image);
    const { name, path, args, isArgsLost } = origin ?? found;
    this.#remember(pid, { ...found, name, path, args, isArgsLost });
  }

  /** The nearest ancestor that is known to execute the same file as the process of the record at `at`. */
  #nearestAncestor(records: Records, at: number, path: string): Process | undefined {
    const parent = records.u32[(at + process_record.ppid) >> 2]!;
    const pids = [parent, ...processLineage(records, at).map(({ pid }) => pid)];
    return pids.map((pid) => this.#processes.get(pid)).find((process) => process?.path === path);
  }

  #identity(container: number, pid: number, startTime: number, image: number): Process | undefined {
    const process = this.#processes.get(pid);
    if (process === undefined) return this.#images.get(image);
    // A scan may list a process with a program whose exec is not read yet.
    const isExecuted = image === 0 || process.image === 0 || process.image === image;
    const isSame =
      startTime === 0 ? process.container === container : isSameStart(process.startTime, startTime);
    return isSame && isExecuted ? process : this.#images.get(image);
  }

  #exit(records: Records, at: number): void {
    const pid = records.pid(at);
    const startTime = records.u64(at + exit_record.start_time);
    this.#ended.push([pid, startTime]);
    if (this.#exits === undefined) return;
    const process = this.#processes.get(pid);
    const told = process !== undefined && isSameStart(process.startTime, startTime) && process.told;
    this.#exits.delete(pid);
    this.#exits.set(pid, { time: records.time(at), startTime, told });
    if (this.#exits.size > MOST_EXITS) this.#exits.delete(this.#exits.keys().next().value!);
  }

  /**
   * Whether the arguments of a process that a scan has listed are known from its exec, or an earlier scan: nobody
   * needs to read them again.
   */
  knowsArguments(records: Records, at: number): boolean {
    const known = this.#processes.get(records.pid(at));
    return known?.digest === undefined && known?.isArgsLost === false && isSame(known, records, at);
  }

  #forgetEnded(): void {
    for (const [pid, startTime] of this.#ended) {
      const process = this.#processes.get(pid);
      if (process === undefined || !isSameStart(process.startTime, startTime)) continue;
      this.#forget(pid, process.sharer);
      this.#retire(process);
    }
    this.#ended = [];
  }

  /** Remembers a process that a scan has found. */
  #learn(pid: number, process: Process): void {
    this.#remember(pid, process);
    this.#noteImage(process, false);
  }

  /** Keeps what a process executed for the sake of forks that go on, as far as there is room. */
  #retire(process: Process): void {
    const ended = this.#endedImages;
    if (process.image === 0 || this.#images.get(process.image) !== process) return;
    ended.set(process.image, process);
    this.#endedText += textSize(process);
    for (const [image, oldest] of ended) {
      if (this.#endedText <= MOST_ENDED_TEXT) break;
      ended.delete(image);
      this.#images.delete(image);
      this.#endedText -= textSize(oldest);
    }
  }

  /** @param isExec it executed its image itself, and is no fork of another process that did */
  #noteImage(process: Process, isExec: boolean): void {
    const { image } = process;
    const known = this.#images.get(image);
    const isOthers = known?.path === process.path && !isSameStart(known.startTime, process.startTime);
    if (image === 0 || (isOthers && !isExec)) return;
    if (known !== undefined && this.#endedImages.delete(image)) this.#endedText -= textSize(known);
    this.#images.set(image, process);
  }

  #remember(pid: number, process: Process): void {
    const before = this.#processes.get(pid);
    if (before !== undefined) this.#forget(pid, before.sharer);
    if (before !== undefined && before.image !== process.image) this.#retire(before);
    this.#processes.set(pid, process);
    this.#shares.add(process.sharer, pid, 1);
    this.#textShares.add(process.sharer, pid, textSize(process));
    for (let excess; (excess = this.#shares.excess()) !== undefined;) {
      const evicted = this.#processes.get(excess.member)!;
      this.#forget(excess.member, excess.owner);
      this.#retire(evicted);
      this.#evicted++;
      this.#refusals.processes.note(excess.owner);
    }
    for (let excess; (excess = this.#textShares.excess()) !== undefined;) {
      this.#dropText(excess.member);
      this.#textShares.remove(excess.owner, excess.member);
      this.#refusals.texts.note(excess.owner);
    }
  }

  #forget(pid: number, sharer: number): void {
    this.#processes.delete(pid);
    this.#shares.remove(sharer, pid);
    this.#textShares.remove(sharer, pid);
  }

  #dropText(pid: number): void {
    const process = this.#processes.get(pid)!;
    const digest = this.#digest(process);
    const bare = { ...process, name: '', path: '', args: '', digest };
    this.#processes.set(pid, bare);
    if (this.#images.get(process.image) === process) this.#images.set(process.image, bare);
  }

  /** Stands for path and arguments: 53 bits of a hash that nobody can choose texts for. */
  #digest({ digest, path, args }: Process): number {
    if (digest !== undefined) return digest;
    const hash = this.#hash;
    hash.start();
    hash.text(path);
    hash.text(args);
    hash.end(this.#digestWords);
    const [low, high] = this.#digestWords as unknown as [number, number];
    return low + (high & DIGEST_HIGH) * TWO_32;
  }

  /** Whether both are one image of one process. */
  #isSame(a: Process, b: Process): boolean {
    if (a.container !== b.container || !isSameStart(a.startTime, b.startTime)) return false;
    const haveIds = a.execId !== 0 && b.execId !== 0;
    if (haveIds && a.execId !== b.execId) return false;
    const areArgsLost = a.isArgsLost || b.isArgsLost;
    if (a.digest !== undefined || b.digest !== undefined)
      return haveIds || areArgsLost || this.#digest(a) === this.#digest(b);
    return a.path === b.path && (a.args === b.args || areArgsLost);
  }

  #signal(records: Records, at: number, process: Process, time: number, scraped: boolean): ProcessSignal {
    const { u32 } = records;
    return {
      record: at,
      id: signalId(this.#seed, this.#signals++),
      container: process.container,
      sharer: process.sharer,
      time: Math.floor((time + this.#epoch) / 1000),
      name: process.name,
      path: process.path,
      args: process.args,
      pid: records.pid(at),
      uid: u32[(at + process_record.uid) >> 2]!,
      gid: u32[(at + process_record.gid) >> 2]!,
      scraped,
      lineage: processLineage(records, at),
    };
  }
}

/** Characters that are kept of a process. */
function textSize({ name, path, args }: Originator): number {
  return name.length + path.length + args.length;
}

/** Halfway from `used` to the point where a single container is refused, which is at half of all room, or else to its end. */
function enoughText(used: number): number {
  const half = MOST_ORIGINATOR_TEXT / 2;
  return (used + (used < half ? half : MOST_ORIGINATOR_TEXT)) / 2;
}

function originatorSize(key: string): number {
  return key.length + ORIGINATOR_OVERHEAD;
}

function originatorKey({ name, path, args }: Originator): string {
  return `${name}\0${path}\0${args}`;
}

/**
 * Whether a record is of a known process and the image that it had: by the kernel's count of its execs, or by the
 * path where procfs does not tell that.
 */
function isSame(known: Process, records: Records, at: number): boolean {
  const startTime = records.u64(at + process_record.start_time);
  if (!isSameStart(known.startTime, startTime)) return false;
  const execId = records.u32[(at + process_record.exec_id) >> 2]!;
  return known.execId === 0 || execId === 0
    ? known.path === processPath(records, at)
    : known.execId === execId;
}

/**
 * @param before what is known of the pid. If it is the same image, all of it stays as it was first told: name, path and
 *   arguments are those of the exec, and what the process writes over them later changes nothing.
 */
function read(records: Records, at: number, scanned: number, told: boolean, before?: Process): Process {
  const path = processPath(records, at);
  const startTime = records.u64(at + process_record.start_time);
  const isLost = (records.flags(at) & RecordFlag.argsLost) !== 0;
  // What had no room is read anew.
  const isKept = before !== undefined && before.digest === undefined;
  const known = isKept && isSame(before, records, at) ? before : undefined;
  const read = known === undefined || known.isArgsLost;
  return {
    startTime,
    execId: records.u32[(at + process_record.exec_id) >> 2]!,
    image: records.u64(at + process_record.image),
    container: records.container(at),
    sharer: outermostContainer(records, at),
    scanned,
    told,
    name: known?.name ?? (processComm(records, at) || path),
    path: known?.path ?? path,
    args: read ? processArguments(records, at) : known.args,
    isArgsLost: read && isLost,
    executed: before !== undefined && isSameStart(before.startTime, startTime) ? before.executed : 0,
  };
}

/** Whether anything is known of a process that looks like a host helper: then it is none, for nothing tells of those. */
function isKnown(before: Process | undefined, records: Records, at: number): boolean {
  return (
    before !== undefined &&
    before.container === records.container(at) &&
    isSameStart(before.startTime, records.u64(at + process_record.start_time))
  );
}

/**
 * Whether two start times of one pid are those of one process. Procfs tells only in which tick it was, and so gives
 * whole ticks, which the kernel's own times hardly ever are; no pid is used twice within a tick.
 */
function isSameStart(a: number, b: number): boolean {
  if (a === b) return true;
  return (a % TICK_NS === 0 || b % TICK_NS === 0) && Math.floor(a / TICK_NS) === Math.floor(b / TICK_NS);
}
