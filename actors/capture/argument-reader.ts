import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Publication } from '../telemetry/publication.js';

/** A file of a process to be read, as `native/argument-reader.c` takes it. */
export interface ReadRequest {
  readonly pid: number;
  /** A living thread; its own pid mostly. */
  readonly tid: number;
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** CLOCK_BOOTTIME in ticks of 10 ms; 0: any process of the pid. */
  readonly startTicks: number;
}

/** `ended`: the process is gone, or another one has the pid. `lost`: it could not be read. */
export type ReadAnswer = { readonly bytes: Buffer; readonly isCut: boolean } | 'ended' | 'lost';

/** Contents of answers: the arguments behind argv[0], or the line of stat followed by the lines of status. */
export const ReadWhat = { arguments: 1, status: 2 } as const;

export interface ArgumentReaderOptions {
  /** Path of `dist/argument-reader`, as built by `native/Makefile`. */
  readonly program: string;
  /** Where the host's procfs is mounted. */
  readonly folder: string;
  /** Called when a problem comes up, with a sentence for the log. */
  readonly onProblem: (message: string) => void;
  /** ms without an answer before a helper is given up; 250 if not given. */
  readonly deadlineMs?: number;
}

/** Losses since the start, by cause; the causes are labels of the loss ledger. */
export interface ReaderCounts {
  /** Requests given up because the process held up the helper. */
  readonly blocked: number;
  /** Requests not made, since the process or its container held up helpers before. */
  readonly avoided: number;
  /** Requests not made for want of a helper: it does not start, or too many are held up. */
  readonly no_reader: number;
  /** Requests that failed: by hidepid, a security policy, or memory backed by a file. */
  readonly unreadable: number;
}

const DEADLINE_MS = 250;
/** Helpers given up and not gone yet: each may wait in the kernel for ever. */
const MOST_LEFT_BEHIND = 4;
/** Of them, helpers held up by one container. */
const MOST_LEFT_BEHIND_EACH = 2;
/** ms of slow reads in one scan, in all and by one container. */
const MOST_WAITED_MS = 10_000;
const MOST_WAITED_EACH_MS = 1000;
/** ms from which on a read counts as slow. */
const SLOW_MS = 10;
/** Processes remembered for having held up a helper. */
const MOST_REMEMBERED = 4096;

const REQUEST_BYTES = 24;
const ANSWER_BYTES = 20;
const ESRCH = 3;
/** Every procfs shows it, unless mounted with hidepid or under a security policy. */
const INIT: ReadRequest = { pid: 1, tid: 1, container: 0, startTicks: 0 };

/**
 * Reads files of processes, such as their arguments, through a helper process: the processes can hold up the reader.
 * Without an answer in time the helper is killed and replaced. One in an endless wait of the kernel does not die of
 * that, and is left behind. Bounded are their number and the time of a scan for slow reads. Nothing is thrown.
 */
export class ArgumentReader {
  readonly #options: ArgumentReaderOptions;
  readonly #deadlineMs: number;
  #helper: Helper | undefined;
  /** Helpers left behind, with the container at fault. */
  readonly #leftBehind = new Map<Helper, number>();
  /** Keys of processes at fault, the oldest first. */
  readonly #remembered = new Set<string>();
  /** ms waited in this scan, by container. */
  readonly #waited = new Map<number, number>();
  #waitedInAll = 0;
  /** The end of all requests so far. */
  #lastRead: Promise<unknown> = Promise.resolve();
  #isUsable = true;
  /** Whether processes of others can be read at all; undefined: not known yet. */
  #isHidden: boolean | undefined;
  #isClosed = false;
  #replaced = 0;
  readonly #counts = { blocked: 0, avoided: 0, no_reader: 0, unreadable: 0 };

  constructor(options: ArgumentReaderOptions) {
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  get counts(): ReaderCounts {
    return this.#counts;
  }

  /** Helpers given up so far. */
  get replaced(): number {
    return this.#replaced;
  }

  /** Helpers given up and still there, in an endless wait of the kernel. */
  get leftBehind(): number {
    return this.#leftBehind.size;
  }

  get publication(): Publication {
    const losses = () =>
      Object.entries(this.#counts).map(([cause, count]) => ({ stage: 'arguments', cause, count }));
    return {
      losses,
      readers: () => ({ replaced: this.#replaced, leftBehind: this.#leftBehind.size }),
      procfs: () => ({
        procfs_could_not_read_cmdline: losses().reduce((sum, { count }) => sum + count, 0),
      }),
    };
  }

  /** Starts the allowance of another scan, and tries again to start a helper. */
  begin(): void {
    this.#waited.clear();
    this.#waitedInAll = 0;
    this.#isUsable = true;
  }

  /** The answers to requests, in their order. */
  async read(what: keyof typeof ReadWhat, requests: readonly ReadRequest[]): Promise<ReadAnswer[]> {
    const answers = this.#lastRead.then(async () => {
      this.#isHidden ??= await this.#areHidden();
      return this.#readAll(what, requests);
    });
    this.#lastRead = answers;
    return answers;
  }

  /** Ends the helper; open requests are lost. */
  close(): void {
    this.#isClosed = true;
    this.#helper?.end();
    this.#helper = undefined;
  }

  async #areHidden(): Promise<boolean> {
    const before = { ...this.#counts };
    const [init] = await this.#readAll('arguments', [INIT]);
    Object.assign(this.#counts, before); // nobody misses these arguments
    if (init !== 'ended') return false;
    this.#options.onProblem(
      `${this.#options.folder} hides the processes of other users: arguments of running processes are missing. ` +
        'Remedy: mount it without hidepid, and let no security policy forbid to read it',
    );
    return true;
  }

  async #readAll(what: keyof typeof ReadWhat, requests: readonly ReadRequest[]): Promise<ReadAnswer[]> {
    const answers = requests.map((): ReadAnswer => 'lost');
    let left = requests.map((request, place) => ({ request, place }));
    while (left.length > 0) {
      const wanted = left.filter(({ request }) => !this.#isAvoided(what, request));
      this.#counts.avoided += left.length - wanted.length;
      if (wanted.length === 0) break;
      const helper = this.#startedHelper();
      if (helper === undefined) {
        this.#counts.no_reader += wanted.length;
        break;
      }
      const ended = await helper.ask(
        ReadWhat[what],
        wanted.map(({ request }) => request),
        {
          deadline: (request) => Math.min(this.#deadlineMs, this.#allowance(what, request)),
          onAnswer: (position, answer) => {
            const { request, place } = wanted[position]!;
            answers[place] = this.#judged(request, answer);
          },
        },
      );
      if (ended.how !== 'answered') this.#giveUp(helper, what, wanted[ended.answers]!.request, ended);
      left = wanted.slice(ended.answers + 1);
    }
    return answers;
  }

  /** ms left in this scan to read a process. Containers share no limit for its status, the proof of its presence. */
  #allowance(what: keyof typeof ReadWhat, { container }: ReadRequest): number {
    const left = MOST_WAITED_MS - this.#waitedInAll;
    return what === 'status'
      ? left
      : Math.min(left, MOST_WAITED_EACH_MS - (this.#waited.get(container) ?? 0));
  }

  #isAvoided(what: keyof typeof ReadWhat, request: ReadRequest): boolean {
    // Timers may come early: what they leave of the allowance is too little for a helper.
    if (this.#remembered.has(keyOf(what, request)) || this.#allowance(what, request) < SLOW_MS) return true;
    if (what === 'status') return false;
    let held = 0;
    for (const container of this.#leftBehind.values()) if (container === request.container) held++;
    return held >= MOST_LEFT_BEHIND_EACH;
  }

  #judged(request: ReadRequest, { error, micros, bytes, isCut }: ArgumentAnswer): ReadAnswer {
    if (micros >= SLOW_MS * 1000) this.#noteWait(request, micros / 1000);
    if (error === 0) return { bytes, isCut };
    if (error === ESRCH && this.#isHidden !== true) return 'ended';
    this.#counts.unreadable++;
    return 'lost';
  }

  #noteWait({ container }: ReadRequest, ms: number): void {
    this.#waited.set(container, (this.#waited.get(container) ?? 0) + ms);
    this.#waitedInAll += ms;
  }

  #giveUp(
    helper: Helper,
    what: keyof typeof ReadWhat,
    request: ReadRequest,
    { how, waited, answers }: Ended,
  ): void {
    this.#helper = undefined;
    if (this.#isClosed) return;
    if (how === 'died') {
      // Of something else than the process; but never one helper for each request.
      this.#counts.no_reader++;
      if (answers === 0) this.#isUsable = false;
      return;
    }
    this.#replaced++;
    this.#counts.blocked++;
    this.#noteWait(request, waited);
    this.#remembered.add(keyOf(what, request));
    if (this.#remembered.size > MOST_REMEMBERED)
      this.#remembered.delete(this.#remembered.values().next().value!);
    this.#leftBehind.set(helper, request.container);
    void helper.gone.then(() => this.#leftBehind.delete(helper));
    this.#options.onProblem(
      `Process ${request.pid} holds up the reading of its arguments, and is reported without them: its memory is ` +
        'locked, or lies in a file system that does not answer',
    );
  }

  #startedHelper(): Helper | undefined {
    if (this.#isClosed || !this.#isUsable) return undefined;
    if (this.#helper !== undefined) return this.#helper;
    if (this.#leftBehind.size >= MOST_LEFT_BEHIND) {
      this.#isUsable = false;
      this.#options.onProblem(
        `${MOST_LEFT_BEHIND} helpers wait for memory of processes that hold them up: no more arguments are read ` +
          'before one of them is gone. Remedy: end those processes, or bring back the file systems that they wait for',
      );
      return undefined;
    }
    const { program, folder, onProblem } = this.#options;
    this.#helper = new Helper(program, folder, (reason) =>
      onProblem(
        `${program} does not start (${reason}): arguments of running processes are missing. Remedy: give Collector ` +
          'the whole of its dist folder, executable, and room for another process',
      ),
    );
    return this.#helper;
  }
}

function keyOf(what: string, { pid, startTicks }: ReadRequest): string {
  return `${what} ${pid} ${startTicks}`;
}

interface ArgumentAnswer {
  /** errno; 0: none. */
  readonly error: number;
  /** µs in the helper. */
  readonly micros: number;
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

/** How a series of requests ended: after so many answers. */
interface Ended {
  readonly how: 'answered' | 'timeout' | 'died';
  readonly answers: number;
  /** ms waited for the next answer. */
  readonly waited: number;
}

interface Series {
  readonly requests: readonly ReadRequest[];
  readonly deadline: (request: ReadRequest) => number;
  readonly onAnswer: (position: number, answer: ArgumentAnswer) => void;
  readonly end: (ended: Ended) => void;
  answers: number;
  /** When the last answer came, ms. */
  since: number;
}

/** One process of `native/argument-reader.c`. */
class Helper {
  /** Fulfilled when the process has ended, or was never there. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #series: Series | undefined;
  #timer: NodeJS.Timeout | undefined;
  #received: Buffer = Buffer.alloc(0);
  #isGone = false;

  /** @param onRefused called with the reason if the process does not start */
  constructor(program: string, folder: string, onRefused: (reason: string) => void) {
    // Without an environment. Descriptors of Node's and BPF's close on exec.
    this.#child = spawn(program, [folder], { env: {}, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] });
    // Without room for the pipes there are none.
    const { stdin, stdout } = this.#child as Partial<ChildProcessByStdio<Writable, Readable, null>>;
    this.gone = new Promise((resolve) => {
      const end = () => {
        this.#isGone = true;
        resolve();
        this.#end('died');
      };
      this.#child.once('close', end);
      this.#child.once('error', (error: NodeJS.ErrnoException) => {
        onRefused(error.code ?? error.message);
        end();
      });
    });
    stdin?.on('error', () => undefined); // it has ended: see `close`
    stdout?.on('error', () => undefined);
    stdout?.on('data', (bytes: Buffer) => this.#take(bytes));
    // Nobody has to wait for it to end a run.
    this.#child.unref();
    for (const pipe of [stdin, stdout]) (pipe as Partial<{ unref(): void }> | undefined)?.unref?.();
    this.#isGone = stdin === undefined || stdout === undefined;
  }

  /** One series at a time. */
  async ask(
    what: number,
    requests: readonly ReadRequest[],
    { deadline, onAnswer }: Pick<Series, 'deadline' | 'onAnswer'>,
  ): Promise<Ended> {
    return new Promise((resolve) => {
      this.#series = { requests, deadline, onAnswer, end: resolve, answers: 0, since: performance.now() };
      if (this.#isGone) {
        this.#end('died');
        return;
      }
      const bytes = Buffer.alloc(requests.length * REQUEST_BYTES);
      requests.forEach(({ pid, tid, startTicks }, i) => {
        bytes.writeUInt32LE(pid, i * REQUEST_BYTES);
        bytes.writeUInt32LE(tid, i * REQUEST_BYTES + 4);
        bytes.writeUInt32LE(what, i * REQUEST_BYTES + 8);
        bytes.writeBigUInt64LE(BigInt(startTicks), i * REQUEST_BYTES + 16);
      });
      this.#child.stdin.write(bytes);
      this.#startTimer();
    });
  }

  /** Kills it, and waits for nothing. */
  end(): void {
    this.#child.kill('SIGKILL');
    if (!this.#isGone) {
      this.#child.stdin.destroy();
      this.#child.stdout.destroy();
    }
    this.#end('died');
  }

  #take(bytes: Buffer): void {
    let received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#series !== undefined && received.length >= ANSWER_BYTES) {
      const end = ANSWER_BYTES + received.readUInt32LE(8);
      if (received.length < end) break;
      const series = this.#series;
      const answer: ArgumentAnswer = {
        error: received.readUInt32LE(4),
        isCut: received.readUInt32LE(12) !== 0,
        micros: received.readUInt32LE(16),
        bytes: received.subarray(ANSWER_BYTES, end),
      };
      received = received.subarray(end);
      series.onAnswer(series.answers++, answer);
      series.since = performance.now();
      if (series.answers === series.requests.length) this.#end('answered');
      else this.#startTimer();
    }
    this.#received = received;
  }

  #startTimer(): void {
    clearTimeout(this.#timer);
    const series = this.#series!;
    const { answers } = series;
    this.#timer = setTimeout(
      () => {
        // After a long turn of the event loop the answer may be there, and not be read yet.
        setImmediate(() => {
          if (this.#series !== series || series.answers > answers) return;
          this.#end('timeout');
          this.end();
        });
      },
      Math.max(1, series.deadline(series.requests[answers]!)),
    );
  }

  #end(how: Ended['how']): void {
    clearTimeout(this.#timer);
    const series = this.#series;
    if (series === undefined) return;
    this.#series = undefined;
    series.end({ how, answers: series.answers, waited: performance.now() - series.since });
  }
}
