import { createActor, fromPromise, type AnyActorLogic } from 'xstate';
import { Inspection } from '../../actors/inspection/actor.js';
import { collecting, type RunningParts } from '../../machines/collecting.js';
import { lifecycle, type Effects, type LifecycleEvent } from '../../machines/lifecycle.js';
import type { StreamUpdate } from '../../machines/stream.js';

/** A run of all machines with effects of a spec, and its inspection. */
export class TestRun {
  readonly inspection: Inspection;
  /** Errors of the inspection. */
  readonly errors: unknown[] = [];
  readonly #settle = new Map<
    string,
    { resolve: (value: unknown) => void; reject: (error: unknown) => void }
  >();
  readonly #life;
  /** Times that the parts were sampled. */
  samples = 0;
  /** Counts of the part `capture`. */
  counts: Readonly<Record<string, unknown>> = { facts: { records: 3 } };
  #update: (update: StreamUpdate) => void = () => undefined;

  constructor(inspection?: Inspection) {
    this.inspection =
      inspection ??
      new Inspection({ version: '1.0.0', node: 'n', release: '6.1.0', mode: 'live' }, (error) =>
        this.errors.push(error),
      );
    const pending = (name: string): AnyActorLogic =>
      fromPromise(async () => new Promise((resolve, reject) => this.#settle.set(name, { resolve, reject })));
    const parts: RunningParts = {
      parts: {
        capture: () => {
          this.samples++;
          return this.counts;
        },
        connections: () => ({}),
      },
      openStreams: (spawn) => {
        spawn('signals', {
          backOff: { first: 100, most: 100 },
          open: (update) => {
            this.#update = update;
            return () => undefined;
          },
        });
      },
      collect: async () => new Promise(() => undefined),
    };
    const actors = {
      'connect-sensor': pending('connect-sensor'),
      'find-driver': pending('find-driver'),
      download: pending('download'),
      load: pending('load'),
      collecting: collecting.provide({
        actors: {
          prepare: fromPromise(async () => Promise.resolve(parts)),
          close: fromPromise(async () => Promise.resolve()),
        },
      }),
    } as unknown as Effects;
    this.#life = createActor(lifecycle.provide({ actors }), {
      id: 'collector',
      input: { checkOnly: false },
      inspect: this.inspection.inspect,
    });
  }

  start(): void {
    this.#life.start();
  }

  /** Lets a phase end, once it is under way. */
  async succeed(phase: string, result: unknown = {}): Promise<void> {
    this.#settle.get(phase)!.resolve(result);
    for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
  }

  async fail(phase: string, error: unknown): Promise<void> {
    this.#settle.get(phase)!.reject(error);
    await new Promise(setImmediate);
  }

  /** Lets all phases end, so that it collects. */
  async collect(): Promise<void> {
    for (const phase of ['connect-sensor', 'find-driver', 'download', 'load']) await this.succeed(phase);
  }

  /** Says what becomes of the connection of the stream. */
  stream(update: StreamUpdate): void {
    this.#update(update);
  }

  send(event: LifecycleEvent): void {
    this.#life.send(event);
  }

  stop(): void {
    this.#life.stop();
  }
}
