import { assign, fromCallback, sendTo, setup, stateIn, type PromiseActorLogic } from 'xstate';
import type { Addon } from '../actors/capture/driver.js';
import type { Loaded } from '../actors/wiring/load.js';
import type { Sensor } from '../actors/sensor/actor.js';
import { part, type Counts } from './part.js';
import { stream, type SpawnStream } from './stream.js';

/** The running parts, as the machine needs them. */
export interface RunningParts {
  /** By name, in the order of an event's way; each function reads the counts of its part, and takes microseconds. */
  readonly parts: Readonly<Record<string, () => Counts>>;
  /** Starts the streams to Sensor and to container runtimes. */
  readonly openStreams: (spawn: SpawnStream) => void;
  /**
   * Collects until `stop` aborts, then brings the last facts.
   * @param onSelfCheck called with the outcome of the self-check, unless `stop` comes first
   * @returns a promise, fulfilled after the last fact @throws the error that ended the collection early
   */
  readonly collect: (stop: AbortSignal, onSelfCheck: (outcome: SelfCheck) => void) => Promise<void>;
}

/** Whether events were seen to flow from the kernel. */
export type SelfCheck =
  { readonly is: 'waiting' } | { readonly is: 'passed' } | { readonly is: 'failed'; readonly failure: Error };

/** The collection's own end: after its last fact, or by an error. */
type CollectionEnd =
  { readonly type: 'collected' } | { readonly type: 'collection-failed'; readonly error: unknown };

/** The outcome of the self-check. */
interface SelfChecked {
  readonly type: 'self-checked';
  readonly outcome: SelfCheck;
}

/** `stop` begins an orderly end; `sample` renews the counts of all parts. */
export type CollectingEvent =
  CollectionEnd | SelfChecked | { readonly type: 'stop' } | { readonly type: 'sample' };

/** The error that ended the collection early; undefined: there was none. */
export type CollectingOutput = { readonly error: unknown } | undefined;

/** Findings of the start-up. */
export interface CollectingInput {
  /** undefined: messages are printed. */
  readonly sensor: Sensor | undefined;
  readonly addon: Addon;
  readonly loaded: Loaded;
}

/** Effects of the machine. */
export interface CollectingEffects {
  /** Makes the parts. */
  readonly prepare: PromiseActorLogic<RunningParts, CollectingInput>;
  /** Brings queued messages to Sensor and ends the streams, within the deadline of the run. */
  readonly close: PromiseActorLogic<void, CollectingInput>;
}

const chart = setup({
  types: {
    context: {} as {
      readonly input: CollectingInput;
      readonly running: RunningParts | undefined;
      readonly selfCheck: SelfCheck;
      readonly failure: CollectingOutput;
    },
    input: {} as CollectingInput,
    output: {} as CollectingOutput,
    events: {} as CollectingEvent,
  },
  actors: {
    ...({} as CollectingEffects),
    collection: fromCallback<{ readonly type: 'stop' }, RunningParts>(
      ({ input: { collect }, receive, sendBack }) => {
        const stop = new AbortController();
        const send = sendBack as (event: CollectionEnd | SelfChecked) => void;
        receive(() => stop.abort());
        collect(stop.signal, (outcome) => send({ type: 'self-checked', outcome })).then(
          () => send({ type: 'collected' }),
          (error: unknown) => send({ type: 'collection-failed', error }),
        );
      },
    ),
    part,
    stream,
  },
  actions: {
    fail: assign((_, failure: { readonly error: unknown }) => ({ failure })),
    /** The time for the last facts is over, and they are not. */
    warnUnfinished: () => undefined,
  },
  guards: { isStopping: stateIn({ preparing: 'stopping' }) },
  delays: {
    /** Time left for the last facts, ms. */
    drain: () => 0,
  },
});

const spawnParts = chart.enqueueActions(({ context: { running }, enqueue }) => {
  for (const id of Object.keys(running?.parts ?? {})) enqueue.spawnChild('part', { id });
});
const spawnStreams = chart.assign(({ context: { running }, spawn }) => {
  running?.openStreams((id, input) => spawn('stream', { id, input }));
  return {};
});
const sampleParts = chart.enqueueActions(({ context: { running }, enqueue }) => {
  for (const [id, sample] of Object.entries(running?.parts ?? {}))
    enqueue.sendTo(id, { type: 'sampled', counts: sample() });
});

/**
 * A running Collector: preparing → collecting → closing → ended. The parts and the streams are its children, from
 * `collecting` to its end.
 */
export const collecting = chart.createMachine({
  id: 'collecting',
  context: ({ input }) => ({
    input,
    running: undefined,
    selfCheck: { is: 'waiting' },
    failure: undefined,
  }),
  output: ({ context }) => context.failure,
  initial: 'preparing',
  states: {
    preparing: {
      invoke: {
        id: 'prepare',
        src: 'prepare',
        input: ({ context }) => context.input,
        onDone: [
          {
            guard: 'isStopping',
            target: 'collecting.draining',
            actions: assign({ running: ({ event }) => event.output }),
          },
          { target: 'collecting', actions: assign({ running: ({ event }) => event.output }) },
        ],
        onError: {
          target: 'closing',
          actions: { type: 'fail', params: ({ event: { error } }) => ({ error }) },
        },
      },
      initial: 'waiting',
      states: {
        waiting: { on: { stop: 'stopping' } },
        stopping: { after: { drain: { target: '#collecting.closing', actions: 'warnUnfinished' } } },
      },
    },
    collecting: {
      entry: [spawnParts, spawnStreams],
      invoke: { id: 'collection', src: 'collection', input: ({ context }) => context.running! },
      on: {
        sample: { actions: sampleParts },
        'self-checked': { actions: assign({ selfCheck: ({ event }) => event.outcome }) },
        collected: 'closing',
        'collection-failed': {
          target: 'closing',
          actions: { type: 'fail', params: ({ event: { error } }) => ({ error }) },
        },
      },
      initial: 'running',
      states: {
        running: { on: { stop: 'draining' } },
        draining: {
          entry: sendTo('collection', { type: 'stop' }),
          after: { drain: { target: '#collecting.closing', actions: 'warnUnfinished' } },
        },
      },
    },
    closing: {
      invoke: {
        id: 'close',
        src: 'close',
        input: ({ context }) => context.input,
        onDone: 'ended',
        onError: {
          target: 'ended',
          actions: { type: 'fail', params: ({ event: { error } }) => ({ error }) },
        },
      },
    },
    ended: { type: 'final' },
  },
});
