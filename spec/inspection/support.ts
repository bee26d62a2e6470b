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
