import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { recordedSpan, type RecordedSpan } from '../capture/replayer.js';
import type { StateSettings } from '../capture/facts.js';
import { EventRelay } from '../inspection/event-relay.js';
import { isVisible, recordedTime, Schedule, unixTime, type PlayerCommand } from '../inspection/player.js';
import {
  PROTOCOL,
  type HelloMessage,
  type Message,
  type ReplayMessage,
  type SnapshotMessage,
} from '../inspection/protocol.js';
import { Views } from '../inspection/view-routes.js';
import type { Failure } from '../telemetry/failures.js';
import type { Log } from '../telemetry/log.js';
import { ReplayPass } from './replay-pass.js';

/** Time of folding before the event loop goes on, ms. */
const TURN_MS = 10;
/** From one message about the replay to the next while it plays, and from one sample of the counts to the next, ms. */
const REPORT_MS = 250;
const SAMPLE_MS = 1000;

export interface ReplayPlayerOptions {
  /** A recording. */
  readonly file: string;
  /** Settings in place of recorded ones. */
  readonly settings: Partial<StateSettings>;
  /** Version of this Collector, for recordings without one. */
  readonly version: string;
  /** Called once if the recording ends early: by its failure, or undefined if it has no end. */
  readonly onCut: (failure: Failure | undefined) => void;
  readonly log: Log;
  /** For all passes but the first, to say nothing twice. */
  readonly silentLog: Log;
}

/**
 * Plays a recording for watchers, in the place of a running Collector: its facts are folded when they are due, from the
 * first watcher on. A seek folds without waiting, backwards from the start again.
 */
export class ReplayPlayer {
  /** Views of the state at the replayed time. */
  readonly views = new Views();
  /** Events as they are folded, but for those of a seek. */
  readonly events = new EventRelay();
  readonly #options: ReplayPlayerOptions;
  readonly #span: RecordedSpan;
  readonly #schedule: Schedule;
  readonly #watchers = new Set<(message: Message) => void>();
  #pass: ReplayPass;
  /** The latest time to seek to, not yet begun. */
  #target: number | undefined;
  #isBegun = false;
  #isSeeking = false;
  #steps = 0;
  #wake: () => void = () => undefined;
  #reports: NodeJS.Timeout | undefined;
  #lastReport = '';
  #lastSample = -Infinity;
  #isCutTold = false;

  /** @throws Failure REPLAY_UNREADABLE */
  constructor(options: ReplayPlayerOptions) {
    this.#options = options;
    this.#pass = this.#newPass(options.log);
    this.events.attach(this.#pass.pipeline.events);
    this.#span = recordedSpan(options.file);
    this.#schedule = new Schedule(this.#span.start, this.#span.end);
  }

  /** State at the replayed time; another one after a seek backwards. */
  get pass(): ReplayPass {
    return this.#pass;
  }

  /** Everything a new watcher has to know. */
  present(): readonly Message[] {
    return [this.#hello(), this.#status(), ...this.#pass.actors.present(), ...this.#samples()];
  }

  /** Begins to tell a watcher of everything new. @returns ends it */
  watch(watcher: (message: Message) => void): () => void {
    this.#watchers.add(watcher);
    if (!this.#isBegun) this.command({ action: 'play' });
    this.#reports ??= setInterval(() => this.#report(), REPORT_MS).unref();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#reports);
      this.#reports = undefined;
    };
  }

  command(command: PlayerCommand): void {
    const now = performance.now();
    this.#isBegun = true;
    switch (command.action) {
      case 'play':
        this.#schedule.play(now);
        break;
      case 'pause':
        this.#schedule.pause(now);
        break;
      case 'speed':
        this.#schedule.setSpeed(command.value, now);
        break;
      case 'step':
        this.#schedule.pause(now);
        this.#steps++;
        break;
      case 'seek':
        this.#target = recordedTime(command.value, this.#pass.epoch);
    }
    this.#wake();
    this.#report();
  }

  /** Plays until `stop` aborts; the end of the recording stays to be looked at. */
  async run(stop: AbortSignal): Promise<void> {
    stop.addEventListener('abort', () => this.#wake());
    while (!stop.aborted) {
      if (this.#target !== undefined) await this.#seek(stop);
      else if (this.#steps > 0) await this.#step(stop);
      else if (this.#wait() > 0) await this.#sleep(this.#wait());
      else await this.#play();
    }
    this.#pass.close();
  }

  /** ms until the next fact is due. */
  #wait(): number {
    const { next, due } = this.#pass;
    return next === undefined ? Infinity : this.#schedule.wait(due, performance.now());
  }

  /** Waits at most a while: a timer for days would fire at once. */
  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, SAMPLE_MS));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  /** Folds what is due. If that is more than there is time for, the schedule waits for it. */
  async #play(): Promise<void> {
    const end = performance.now() + TURN_MS;
    do await this.#fold();
    while (this.#wait() === 0 && performance.now() < end);
    const { next, due } = this.#pass;
    if (next !== undefined && this.#wait() === 0) this.#schedule.jump(due, performance.now());
    await nextTurn();
  }

  /** Goes on to the next fact with anything to be seen. */
  async #step(stop: AbortSignal): Promise<void> {
    this.#steps--;
    let turn = performance.now() + TURN_MS;
    for (let isSeen = false; !isSeen && this.#pass.next !== undefined;) {
      if (performance.now() > turn) {
        await nextTurn();
        if (this.#isSuperseded(stop)) return;
        turn = performance.now() + TURN_MS;
      }
      const { next, due } = this.#pass;
      isSeen = isVisible(next);
      this.#schedule.jump(due, performance.now());
      await this.#fold();
    }
    this.#lastSample = -Infinity;
    this.#report();
  }

  async #seek(stop: AbortSignal): Promise<void> {
    const target = this.#target!;
    this.#target = undefined;
    this.#isSeeking = true;
    this.events.attach(undefined);
    if (target < this.#pass.time) {
      this.#pass.close();
      this.#pass = this.#newPass(this.#options.silentLog);
    }
    let turn = performance.now() + TURN_MS;
    while (this.#pass.next !== undefined && this.#pass.due <= target) {
      await this.#fold();
      if (performance.now() < turn) continue;
      this.#schedule.jump(this.#pass.due, performance.now());
      await nextTurn();
      if (this.#isSuperseded(stop)) return;
      turn = performance.now() + TURN_MS;
    }
    this.#schedule.jump(target, performance.now());
    this.#isSeeking = false;
    this.events.attach(this.#pass.pipeline.events);
    this.#lastSample = -Infinity;
    for (const message of this.present()) this.#tell(message);
  }

  #isSuperseded({ aborted }: AbortSignal): boolean {
    return this.#target !== undefined || aborted;
  }

  async #fold(): Promise<void> {
    const { next } = this.#pass;
    const work = this.#pass.fold();
    while (work.next().done !== true) await nextTurn();
    if (next?.kind === 'lifecycle' && !this.#isSeeking)
      for (const message of next.messages) this.#tell(message);
    if (this.#pass.next === undefined) this.#noteEnd();
  }

  #noteEnd(): void {
    const { failure, hasEnd } = this.#pass;
    if (!this.#isCutTold && !hasEnd) this.#options.onCut(failure);
    this.#isCutTold = true;
  }

  /** Tells where the replay is, if that has changed, and once a second the counts of the parts. */
  #report(): void {
    if (this.#watchers.size === 0) return;
    const status = this.#status();
    const text = JSON.stringify(status);
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    this.#tell(status);
    const now = performance.now();
    if (this.#isSeeking || now - this.#lastSample < SAMPLE_MS) return;
    this.#lastSample = now;
    for (const sample of this.#samples()) this.#tell(sample);
  }

  #tell(message: Message): void {
    for (const watcher of this.#watchers) watcher(message);
  }

  /** The recorded run's own introduction, as a replay. */
  #hello(): HelloMessage {
    const { file, version } = this.#options;
    const unknown = { version, node: path.basename(file), release: 'of unknown release' };
    const recorded = this.#pass.actors.hello ?? unknown;
    return { ...unknown, ...recorded, type: 'hello', time: this.#time, protocol: PROTOCOL, mode: 'replay' };
  }

  #status(): ReplayMessage {
    const { speed, isPaused: paused } = this.#schedule;
    return {
      type: 'replay',
      start: this.#unix(this.#span.start),
      end: this.#unix(this.#span.end),
      time: this.#time,
      speed,
      paused,
      over: this.#pass.next === undefined && !this.#isSeeking,
    };
  }

  /** The counts of the parts alive. */
  #samples(): readonly SnapshotMessage[] {
    const time = this.#time;
    return this.#pass.parts().map((part) => ({ type: 'snapshot', time, ...part }));
  }

  /** The replayed time, Unix time in ms. */
  get #time(): number {
    return this.#unix(this.#schedule.dueAt(performance.now()));
  }

  #unix(time: number): number {
    return unixTime(time, this.#pass.epoch);
  }

  #newPass(log: Log): ReplayPass {
    const { file, settings } = this.#options;
    const pass = new ReplayPass(file, settings, log);
    // A recording has nothing of Sensor's queues and streams.
    this.views.offer(pass.pipeline.viewSources(undefined));
    return pass;
  }
}
