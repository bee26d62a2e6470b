import { createActor, fromPromise, type AnyActorLogic } from 'xstate';
import { Inspection } from '../../actors/inspection/actor.js';
import { collecting, type RunningParts } from '../../machines/collecting.js';
import { lifecycle, type Effects, type LifecycleEvent } from '../../machines/lifecycle.js';
import type { StreamUpdate } from '../../machines/stream.js';
import { FactClock } from '../../actors/capture/fact-clock.js';
import type { ContainerMetadata, Fact, StateSettings } from '../../actors/capture/facts.js';
import { ConnectionState } from '../../actors/connections/state.js';
import { ContainerState } from '../../actors/containers/state.js';
import { ContainerRefs } from '../../actors/inspection/container-ref.js';
import { nodeView } from '../../actors/inspection/node-view.js';
import type { NodeView } from '../../actors/inspection/protocol.js';
import type { SensorView, WhySources } from '../../actors/inspection/why.js';
import { ProcessState } from '../../actors/processes/state.js';
import { whole } from '../connections/support.js';
import { startFact, stateSettings } from '../support/facts.js';
import { batch, socketRecord, type Socket } from '../support/records.js';

export const A = '4f2a91bc03de';
export const B = 'c6f030bc4b42';
export const SECOND = 1e9;
/** Unix time of the start of a run, in ms. */
export const EPOCH_MS = 1_700_000_000_000;

/** Metadata of a container as a runtime gives it. */
export function named(metadata: Partial<ContainerMetadata> = {}): Fact {
  const web = {
    namespace: 'shop',
    pod: 'web-0',
    podUid: 'u',
    name: 'main',
    image: 'nginx:1',
    imageDigest: '',
  };
  return { kind: 'containers', time: 1, updated: [{ id: A, ...web, labels: {}, ...metadata }], removed: [] };
}

export function events(second: number, ...records: readonly Uint8Array[]): Fact {
  return { kind: 'records', time: second * SECOND, records: batch(...records) };
}

/** Sockets of an event each; times are seconds. */
export function sockets(second: number, ...all: readonly Socket[]): Fact {
  return events(second, ...all.map((one) => socketRecord({ time: second * SECOND, ...one })));
}

/** The folds of a run, in the order of the pipeline. */
export class Node implements WhySources {
  readonly clock = new FactClock();
  readonly containers = new ContainerState();
  readonly processes = new ProcessState(32_768);
  readonly refs = new ContainerRefs((container) => this.containers.metadataOf(container));
  readonly settings: StateSettings;
  readonly sensor: SensorView | undefined;
  #connections: ConnectionState | undefined;

  constructor(settings: Partial<StateSettings> = {}, sensor?: SensorView) {
    this.settings = stateSettings(settings);
    this.sensor = sensor;
    this.fold(startFact({ epoch: EPOCH_MS * 1e6, settings: this.settings }));
  }

  connections(): ConnectionState | undefined {
    return this.#connections;
  }

  fold(...facts: readonly Fact[]): this {
    for (const fact of facts) {
      this.clock.take(fact);
      this.containers.fold(fact);
      this.processes.fold(fact);
      this.#foldConnections(fact);
    }
    return this;
  }

  /** A report at `second`. */
  tick(second: number, audience: 'same' | 'fresh' | 'none' = 'same'): this {
    return this.fold({ kind: 'tick', time: second * SECOND, epoch: EPOCH_MS * 1e6, audience });
  }

  view(container?: number): NodeView {
    return JSON.parse([...nodeView(this, container)].join('')) as NodeView;
  }

  #foldConnections(fact: Fact): void {
    if (fact.kind === 'start')
      this.#connections = new ConnectionState(
        fact.settings,
        (...process) => this.processes.originatorId(...process),
        1,
      );
    const state = this.#connections!;
    if (fact.kind === 'records')
      for (let at = 0; at < fact.records.length; at += fact.records.size(at)) state.record(fact.records, at);
    else if (fact.kind === 'scan') state.scan(fact);
    else if (fact.kind === 'control') state.control(fact);
    else if (fact.kind === 'config') state.config(fact);
    else if (fact.kind === 'tick') whole(state.tick(fact));
  }
}

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
