import type { Audience, Fact, ScanFact } from '../capture/facts.js';
import { exit_record, process_record, ProcessFlag, RecordType } from '../capture/layout.js';
import { processLineage } from '../capture/process-record.js';
import type { Records } from '../capture/records.js';
import type { Sliced } from '../capture/slices.js';
import type { Refusal } from '../shares/refusals.js';
import { Originators, type Originator } from './originators.js';
import { ProcessTable } from './process-table.js';
import { isSameImage, isSameStart, readProcess, type Process } from './process.js';
import { ScanExits, type Exit } from './scan-exits.js';
import { signalId, type ProcessSignal } from './signal.js';
import { SignalThrottle } from './throttle.js';

export type { Originator };

/** How full the table is, and how much went unreported. All counts are of the whole run. */
export interface ProcessCounts {
  /** Processes remembered now. */
  readonly processes: number;
  /** Characters of their names, paths and arguments. */
  readonly text: number;
  /** Ends of processes remembered for the scan under way, which may still list them. */
  readonly exits: number;
  /** Processes forgotten for want of room. */
  readonly evicted: number;
  /** Times that an originator was reported as unknown for want of room. */
  readonly nameless: number;
  /** Signals held back by the throttle. */
  readonly throttled: number;
  /** Keys forgotten by the throttle too early, for want of room. */
  readonly throttleForgotten: number;
}

/**
 * Folds facts to the running processes and to the signals that report them.
 *
 * Every exec becomes a signal, and every process that was running before becomes one, once. The kernel's record is
 * complete, so the table only serves to know the reported ones, and the processes that listen on ports.
 */
export class ProcessState {
  readonly #isThrottled: boolean;
  readonly #table: ProcessTable;
  readonly #originators = new Originators();
  readonly #exits = new ScanExits();
  #seed = '';
  /** Made anew by each start fact. */
  #throttle: SignalThrottle | undefined;
  #hasScanned = false;
  #epoch = 0;
  #signals = 0;
  #nameless = 0;
  /** Pids and start times of ended processes. They go with the next fact: till then others may ask. */
  #ended: (readonly [pid: number, startTime: number])[] = [];

  /**
   * @param capacity processes to remember at most; beyond it the one known longest is forgotten
   * @param isThrottled whether there is a bound to how often the same is reported
   */
  constructor(capacity: number, isThrottled = true) {
    this.#table = new ProcessTable(capacity);
    this.#isThrottled = isThrottled;
  }

  get counts(): ProcessCounts {
    return {
      processes: this.#table.size,
      text: this.#table.text,
      exits: this.#exits.size,
      evicted: this.#table.evicted,
      nameless: this.#nameless,
      throttled: this.#throttle?.suppressed ?? 0,
      throttleForgotten: this.#throttle?.forgotten ?? 0,
    };
  }

  /** Pids of the processes now, and of those ended in the latest fact. */
  pids(): number[] {
    return this.#table.pids();
  }

  /** The process known by this pid. */
  process(pid: number): Process | undefined {
    return this.#table.get(pid);
  }

  /** End of the window in which more signals like a process's are held back; undefined: the next one is reported. */
  heldUntil(process: Process, time: number): number | undefined {
    return this.#throttle?.heldUntil(process, time);
  }

  /** Containers whose processes had no room, each once in a run and table. */
  takeRefusals(): Refusal[] {
    return [...this.#table.takeRefusals(), ...this.#originators.takeRefusals()];
  }

  /** The signals made by a fact, in the order of its records. */
  fold(fact: Fact): ProcessSignal[] {
    const signals: ProcessSignal[] = [];
    this.#forgetEnded();
    switch (fact.kind) {
      case 'start':
        this.#seed = fact.seed;
        this.#table.seed(fact.seed);
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
    const id = process.digest === undefined ? this.#originators.idOf(process, process.sharer) : 0;
    if (id === 0) this.#nameless++;
    return id;
  }

  /** Whether there is little room left for originators, so that `keepOriginators` is worth its time. */
  get isShortOfOriginators(): boolean {
    return this.#originators.isShort;
  }

  /**
   * Forgets all originators but the `used` numbers; the other numbers may come again. Run it to its end before
   * anything else is folded.
   */
  keepOriginators(used: ReadonlySet<number>): Sliced<void> {
    return this.#originators.keep(used);
  }

  /** @param id as `originatorId` gave it, not 0 */
  originator(id: number): Originator {
    return this.#originators.get(id);
  }

  /** Whether the arguments of a scanned process are known, from its exec or an earlier scan, and need no reading. */
  knowsArguments(records: Records, at: number): boolean {
    const known = this.#table.get(records.pid(at));
    return known?.digest === undefined && known?.isArgsLost === false && isSameImage(known, records, at);
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
    if (part === 'first') this.#exits.begin();
    let listed = 0;
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (records.type(at) === RecordType.process) this.#scanned(records, at, audience, signals);
      listed = records.time(at);
    }
    if (part === undefined || part === 'last') {
      this.#exits.end();
      this.#hasScanned = true;
    } else if (listed > 0) this.#exits.forgetBefore(listed);
  }

  #exec(records: Records, at: number, signals: ProcessSignal[]): void {
    const before = this.#table.get(records.pid(at));
    const process = { ...readProcess(records, at, 0, true), executed: records.time(at) };
    // The ring may bring an exec only after a scan has listed its process.
    const isScanned = before?.isReported === true && records.time(at) <= before.scanned;
    if (isScanned && this.#table.isSame(before, process)) return;
    this.#table.set(records.pid(at), process);
    this.#table.images.note(process, true);
    if (this.#throttle?.admits(process, records.time(at)) === false) return;
    signals.push(this.#signal(records, at, process, records.time(at), false));
  }

  #scanned(records: Records, at: number, audience: Audience, signals: ProcessSignal[]): void {
    const before = this.#table.get(records.pid(at));
    if ((records.flags(at) & ProcessFlag.helper) !== 0 && !isKnown(before, records, at)) return;
    const isReported = audience !== 'none';
    if (this.#isOutdated(records, at, before, audience)) return;
    const process = readProcess(records, at, records.time(at), isReported, before);
    if (audience !== 'fresh' && before?.isReported === true && this.#table.isSame(before, process)) {
      // Nothing new to report, but maybe the arguments, which could not be read before.
      if (before.isArgsLost && !process.isArgsLost) this.#learn(records.pid(at), process);
      return;
    }
    if (this.#exitOf(records, at) === undefined) this.#learn(records.pid(at), process);
    if (!isReported) return;
    // A fresh audience gets every process. A later scan makes up for lost execs, and lists forks too.
    const isThrottled = this.#hasScanned && audience !== 'fresh';
    if (isThrottled && this.#throttle?.admits(process, records.time(at)) === false) return;
    signals.push(this.#signal(records, at, process, process.startTime, true));
  }

  /**
   * Whether a scanned process has changed since it was listed: the pid went to another process, it has run another
   * program, or it has ended. One that ended unreported still counts as unchanged for the
   * same audience, so it is reported.
   */
  #isOutdated(records: Records, at: number, before: Process | undefined, audience: Audience): boolean {
    const startTime = records.u64(at + process_record.start_time);
    if (before !== undefined) {
      if (!isSameStart(before.startTime, startTime)) {
        if (before.startTime > startTime) return true;
      } else if (before.executed > records.time(at)) return true;
    }
    const exit = this.#exitOf(records, at);
    return exit !== undefined && (exit.isReported || audience !== 'same');
  }

  #exitOf(records: Records, at: number): Exit | undefined {
    return this.#exits.find(records.pid(at), records.u64(at + process_record.start_time));
  }

  /** A process came into the container with its image, so no exec reports it there: it counts as scanned by then. */
  #arrived(records: Records, at: number, signals: ProcessSignal[]): void {
    const time = records.time(at);
    const before = this.#table.get(records.pid(at));
    const process = readProcess(records, at, time, true, before);
    if (before?.isReported === true && this.#table.isSame(before, process)) return;
    this.#learn(records.pid(at), process);
    if (this.#throttle?.admits(process, time) === false) return;
    signals.push(this.#signal(records, at, process, time, true));
  }

  /**
   * A process is about to listen. A known one stays as known: its memory may say something else by now. An unreported
   * fork is taken for the process it came from.
   */
  #listens(records: Records, at: number): void {
    const pid = records.pid(at);
    const before = this.#table.get(pid);
    const startTime = records.u64(at + process_record.start_time);
    const image = records.u64(at + process_record.image);
    const isKnown = before !== undefined && isSameStart(before.startTime, startTime);
    if (isKnown && (image === 0 || before.image === 0 || before.image === image)) return;
    const listening = readProcess(records, at, 0, isKnown && before.isReported, before);
    const origin =
      image === 0 ? this.#nearestAncestor(records, at, listening.path) : this.#table.images.get(image);
    const { name, path, args, isArgsLost } = origin ?? listening;
    this.#table.set(pid, { ...listening, name, path, args, isArgsLost });
  }

  /** The nearest ancestor known to execute the same file as the process of the record at `at`. */
  #nearestAncestor(records: Records, at: number, path: string): Process | undefined {
    const parent = records.u32[(at + process_record.ppid) >> 2]!;
    const pids = [parent, ...processLineage(records, at).map(({ pid }) => pid)];
    return pids.map((pid) => this.#table.get(pid)).find((process) => process?.path === path);
  }

  #identity(container: number, pid: number, startTime: number, image: number): Process | undefined {
    const process = this.#table.get(pid);
    if (process === undefined) return this.#table.images.get(image);
    // A scan may list a process with a program whose exec is not read yet.
    const isExecuted = image === 0 || process.image === 0 || process.image === image;
    const isSame =
      startTime === 0 ? process.container === container : isSameStart(process.startTime, startTime);
    return isSame && isExecuted ? process : this.#table.images.get(image);
  }

  #exit(records: Records, at: number): void {
    const pid = records.pid(at);
    const startTime = records.u64(at + exit_record.start_time);
    this.#ended.push([pid, startTime]);
    if (!this.#exits.isScanning) return;
    const process = this.#table.get(pid);
    const isReported =
      process !== undefined && isSameStart(process.startTime, startTime) && process.isReported;
    this.#exits.add(pid, { time: records.time(at), startTime, isReported });
  }

  #forgetEnded(): void {
    for (const [pid, startTime] of this.#ended) this.#table.end(pid, startTime);
    this.#ended = [];
  }

  /** Remembers a scanned process. */
  #learn(pid: number, process: Process): void {
    this.#table.set(pid, process);
    this.#table.images.note(process, false);
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

/** Whether a process that looks like a host helper is known: then it is none, for helpers are never recorded. */
function isKnown(before: Process | undefined, records: Records, at: number): boolean {
  return (
    before !== undefined &&
    before.container === records.container(at) &&
    isSameStart(before.startTime, records.u64(at + process_record.start_time))
  );
}
