import { assign, emit, sendTo, setup, type PromiseActorLogic } from 'xstate';
import type { Addon } from '../actors/capture/driver.js';
import type { DriverLocation, LocalDriver } from '../actors/drivers/actor.js';
import type { Loaded } from '../actors/wiring/load.js';
import type { Sensor } from '../actors/sensor/actor.js';
import type { collecting, CollectingOutput } from './collecting.js';

/** The phases of a run in their order, an effect each. `collect`, the state `collecting`, lasts as long as the run. */
export type Phase = 'connect-sensor' | 'find-driver' | 'download' | 'load' | 'collect';

/** How far the start-up got. */
export interface Diagnostics {
  readonly connectedToSensor: boolean;
  readonly driverAvailable: boolean;
  readonly driverLoaded: boolean;
}

/** The failed phase, and the error of its effect. */
export interface PhaseFailure {
  readonly phase: Phase;
  readonly error: unknown;
}

/** Where the driver comes from. */
export type DriverOrigin = 'built in' | 'on this node' | 'downloaded';

/** The add-on, and the driver for it to load. */
export interface Loadable {
  readonly origin: DriverOrigin;
  readonly addon: Addon;
  /** The BPF object or kernel module; undefined: the built-in object. */
  readonly file: LocalDriver | undefined;
}

/**
 * Effects of the phases. A phase succeeds by resolving and fails by rejecting; its AbortSignal fires when it is
 * stopped, and its outcome from then on is dropped.
 */
export type Effects = {
  /** Resolves with undefined, and at once, when no Sensor is configured. */
  readonly 'connect-sensor': PromiseActorLogic<Sensor | undefined>;
  readonly 'find-driver': PromiseActorLogic<DriverLocation>;
  /** Resolves at once when the driver is already here. */
  readonly download: PromiseActorLogic<Loadable, Pick<Findings, 'sensor' | 'location'>>;
  readonly load: PromiseActorLogic<Loaded, Loadable>;
  readonly collecting: typeof collecting;
};

/** Findings of the phases; undefined until then. */
export interface Findings {
  /** Open, and to be closed by the reader of the output, unless the run collected. */
  readonly sensor: Sensor | undefined;
  readonly location: DriverLocation | undefined;
  readonly opened: Loadable | undefined;
  readonly loaded: Loaded | undefined;
}

/** How far a run got, and the failure at its end, if there was one. */
export interface Run extends Findings {
  readonly diagnostics: Diagnostics;
  /** Why Sensor could not be reached at the latest attempt; undefined once it was. */
  readonly obstacle: Error | undefined;
  readonly failure: PhaseFailure | undefined;
}

/** `stop` ends the run; `obstacle` tells why an attempt to reach Sensor has failed, and another follows. */
export type LifecycleEvent =
  { readonly type: 'stop' } | { readonly type: 'obstacle'; readonly failure: Error };

/** Emitted once in a run, at the end of its start-up: succeeded, failed or stopped. */
export interface StartupOver {
  readonly type: 'startup-over';
  readonly diagnostics: Diagnostics;
}

/**
 * The life of Collector: starting (connect-sensor → find-driver → download → load) → collecting, one after the other.
 * A failed phase ends it in `failed`; a `stop` event, or the end of collecting, ends it in `stopped`. With `checkOnly`
 * the end of the start-up is the end of the run.
 *
 * Provide the effects with `lifecycle.provide({ actors })`, listen to `startup-over` for the diagnostics, and read from
 * the output how the run ended.
 */
export const lifecycle = setup({
  types: {
    context: {} as Run & { readonly checkOnly: boolean },
    input: {} as { readonly checkOnly: boolean },
    output: {} as Run,
    events: {} as LifecycleEvent,
    emitted: {} as StartupOver,
  },
  actors: {} as Effects,
  actions: {
    note: assign(({ context }, reached: Partial<Diagnostics>) => ({
      diagnostics: { ...context.diagnostics, ...reached },
    })),
    fail: assign((_, failure: PhaseFailure) => ({ failure, obstacle: undefined })),
    stopCollecting: sendTo('collecting', { type: 'stop' }),
    announce: emit(({ context }): StartupOver => ({
      type: 'startup-over',
      diagnostics: context.diagnostics,
    })),
  },
  guards: {
    isCheckOnly: ({ context }) => context.checkOnly,
    hasFailed: (_, failure: { readonly of: CollectingOutput }) => failure.of !== undefined,
  },
}).createMachine({
  id: 'collector',
  context: ({ input: { checkOnly } }) => ({
    checkOnly,
    diagnostics: { connectedToSensor: false, driverAvailable: false, driverLoaded: false },
    sensor: undefined,
    location: undefined,
    opened: undefined,
    loaded: undefined,
    obstacle: undefined,
    failure: undefined,
  }),
  output: ({ context }) => context,
  initial: 'starting',
  states: {
    starting: {
      initial: 'connect-sensor',
      // An exit action runs before the actions of the leaving transition, so `driverLoaded` is noted on the way to
      // `loaded`, before the exit.
      exit: 'announce',
      on: { stop: 'stopped' },
      onDone: [{ guard: 'isCheckOnly', target: 'stopped' }, { target: 'collecting' }],
      states: {
        'connect-sensor': {
          on: { obstacle: { actions: assign({ obstacle: ({ event }) => event.failure }) } },
          invoke: {
            id: 'connect-sensor',
            src: 'connect-sensor',
            onDone: {
              target: 'find-driver',
              actions: [
                assign({ sensor: ({ event }) => event.output, obstacle: undefined }),
                { type: 'note', params: ({ event }) => ({ connectedToSensor: event.output !== undefined }) },
              ],
            },
            onError: {
              target: '#collector.failed',
              actions: {
                type: 'fail',
                params: ({ event: { error } }) => ({ phase: 'connect-sensor', error }),
              },
            },
          },
        },
        'find-driver': {
          invoke: {
            id: 'find-driver',
            src: 'find-driver',
            onDone: { target: 'download', actions: assign({ location: ({ event }) => event.output }) },
            onError: {
              target: '#collector.failed',
              actions: { type: 'fail', params: ({ event: { error } }) => ({ phase: 'find-driver', error }) },
            },
          },
        },
        download: {
          invoke: {
            id: 'download',
            src: 'download',
            input: ({ context: { sensor, location } }) => ({ sensor, location }),
            onDone: {
              target: 'load',
              actions: [
                assign({ opened: ({ event }) => event.output }),
                { type: 'note', params: { driverAvailable: true } },
              ],
            },
            onError: {
              target: '#collector.failed',
              actions: { type: 'fail', params: ({ event: { error } }) => ({ phase: 'download', error }) },
            },
          },
        },
        load: {
          invoke: {
            id: 'load',
            src: 'load',
            input: ({ context }) => context.opened!,
            onDone: {
              target: 'loaded',
              actions: [
                assign({ loaded: ({ event }) => event.output }),
                { type: 'note', params: { driverLoaded: true } },
              ],
            },
            onError: {
              target: '#collector.failed',
              actions: { type: 'fail', params: ({ event: { error } }) => ({ phase: 'load', error }) },
            },
          },
        },
        loaded: { type: 'final' },
      },
    },
    collecting: {
      invoke: {
        id: 'collecting',
        src: 'collecting',
        input: ({ context: { sensor, opened, loaded } }) => ({
          sensor,
          addon: opened!.addon,
          loaded: loaded!,
        }),
        onDone: [
          {
            guard: { type: 'hasFailed', params: ({ event }) => ({ of: event.output }) },
            target: 'failed',
            actions: [
              assign({ sensor: undefined }),
              {
                type: 'fail',
                params: ({ event }) => ({ phase: 'collect', error: event.output?.error }),
              },
            ],
          },
          { target: 'stopped', actions: assign({ sensor: undefined }) },
        ],
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event: { error } }) => ({ phase: 'collect', error }) },
        },
      },
      // The collection ends in good order, and with it this state.
      on: { stop: { actions: 'stopCollecting' } },
    },
    failed: { type: 'final' },
    stopped: { type: 'final' },
  },
});
