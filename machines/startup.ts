import { assign, emit, setup, type PromiseActorLogic } from 'xstate';

/** The phases of a run, in their order; each is one effect and one state. `collect` lasts as long as Collector runs. */
export type Phase = 'connect-sensor' | 'find-driver' | 'download' | 'load' | 'collect';

/**
 * What each phase does. It succeeds by resolving and fails by rejecting; its AbortSignal fires when it is stopped, and
 * what it does from then on no longer matters here.
 */
export type Effects = {
  /** Resolves with whether there is a connection: false, and at once, when no Sensor is configured. */
  readonly 'connect-sensor': PromiseActorLogic<boolean>;
  readonly 'find-driver': PromiseActorLogic<void>;
  /** Resolves at once when the driver is already here. */
  readonly download: PromiseActorLogic<void>;
  readonly load: PromiseActorLogic<void>;
  /** Resolves when there is nothing more to collect, such as at the end of a replay. */
  readonly collect: PromiseActorLogic<void>;
};

/** How far the start-up got. */
export interface Diagnostics {
  readonly connectedToSensor: boolean;
  readonly driverAvailable: boolean;
  readonly driverLoaded: boolean;
}

/** Which phase failed, and what its effect rejected with. */
export interface PhaseFailure {
  readonly phase: Phase;
  readonly error: unknown;
}

/** How far a run got, and what ended it: no failure means that it goes on, was stopped or came to its own end. */
export interface Run {
  readonly diagnostics: Diagnostics;
  readonly failure: PhaseFailure | undefined;
}

/** Emitted exactly once in a run, when its start-up is over: succeeded, failed or stopped. */
export interface StartupOver {
  readonly type: 'startup-over';
  readonly diagnostics: Diagnostics;
}

/** What states are made of: their types, effects and actions. */
const chart = setup({
  types: {
    context: {} as Run,
    output: {} as Run,
    events: {} as { readonly type: 'stop' },
    emitted: {} as StartupOver,
  },
  actors: {} as Effects,
  actions: {
    note: assign(({ context }, reached: Partial<Diagnostics>) => ({
      diagnostics: { ...context.diagnostics, ...reached },
    })),
    fail: assign((_, failure: PhaseFailure) => ({ failure })),
    report: emit(({ context }): StartupOver => ({ type: 'startup-over', diagnostics: context.diagnostics })),
  },
});

/**
 * The life of Collector: connect-sensor → find-driver → download → load → collect, one after the other. A phase that
 * fails ends it in `failed`; a `stop` event, or the end of collecting, ends it in `stopped`.
 *
 * Hand the effects in with `startup.provide({ actors })`, listen to `startup-over` for the diagnostics, and take from
 * the output how it ended.
 */
export const startup = chart.createMachine({
  id: 'startup',
  context: {
    diagnostics: { connectedToSensor: false, driverAvailable: false, driverLoaded: false },
    failure: undefined,
  },
  output: ({ context }) => context,
  initial: 'connect-sensor',
  states: {
    'connect-sensor': {
      invoke: {
        id: 'connect-sensor',
        src: 'connect-sensor',
        onDone: {
          target: 'find-driver',
          actions: { type: 'note', params: ({ event }) => ({ connectedToSensor: event.output }) },
        },
        onError: {
          target: 'failed',
          actions: [
            { type: 'fail', params: ({ event }) => ({ phase: 'connect-sensor', error: event.error }) },
            'report',
          ],
        },
      },
      on: { stop: { target: 'stopped', actions: 'report' } },
    },
    'find-driver': {
      invoke: {
        id: 'find-driver',
        src: 'find-driver',
        onDone: 'download',
        onError: {
          target: 'failed',
          actions: [
            { type: 'fail', params: ({ event }) => ({ phase: 'find-driver', error: event.error }) },
            'report',
          ],
        },
      },
      on: { stop: { target: 'stopped', actions: 'report' } },
    },
    download: {
      invoke: {
        id: 'download',
        src: 'download',
        onDone: { target: 'load', actions: { type: 'note', params: { driverAvailable: true } } },
        onError: {
          target: 'failed',
          actions: [
            { type: 'fail', params: ({ event }) => ({ phase: 'download', error: event.error }) },
            'report',
          ],
        },
      },
      on: { stop: { target: 'stopped', actions: 'report' } },
    },
    load: {
      invoke: {
        id: 'load',
        src: 'load',
        onDone: { target: 'collect', actions: [{ type: 'note', params: { driverLoaded: true } }, 'report'] },
        onError: {
          target: 'failed',
          actions: [
            { type: 'fail', params: ({ event }) => ({ phase: 'load', error: event.error }) },
            'report',
          ],
        },
      },
      on: { stop: { target: 'stopped', actions: 'report' } },
    },
    collect: {
      invoke: {
        id: 'collect',
        src: 'collect',
        onDone: 'stopped',
        onError: {
          target: 'failed',
          actions: { type: 'fail', params: ({ event }) => ({ phase: 'collect', error: event.error }) },
        },
      },
      on: { stop: 'stopped' },
    },
    failed: { type: 'final' },
    stopped: { type: 'final' },
  },
});
