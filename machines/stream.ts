import { assign, emit, setup, type CallbackActorLogic } from 'xstate';

/** How long to wait before a broken stream is opened again, ms: `first` after it was open, then twice as long up to `most`. */
export interface BackOff {
  readonly first: number;
  readonly most: number;
}

/** What happens to a stream, told by its effect: `opened` at most once, then `broken` at most once, and nothing after. */
export type StreamNews = { readonly type: 'opened' } | { readonly type: 'broken'; readonly reason: string };

/** `renew` opens another stream in place of this one, which ends in good order; `stop` ends it for good. */
export type StreamEvent = StreamNews | { readonly type: 'renew' } | { readonly type: 'stop' };

/** Emitted when a stream has opened. */
export interface StreamOpened {
  readonly type: 'opened';
}

/** Emitted when a stream broke, or could not be opened. */
export interface StreamBroken {
  readonly type: 'broken';
  readonly reason: string;
  /** Until the next attempt, ms. */
  readonly wait: number;
}

interface Context {
  readonly backOff: BackOff;
  readonly wait: number;
}

const chart = setup({
  types: {
    context: {} as Context,
    input: {} as { readonly backOff: BackOff },
    events: {} as StreamEvent,
    emitted: {} as StreamOpened | StreamBroken,
  },
  actors: {} as {
    /** One stream: opens it when it starts, and ends it in good order when it is stopped. */
    readonly stream: CallbackActorLogic<{ readonly type: 'none' }>;
  },
  actions: {
    reset: assign(({ context }) => ({ wait: context.backOff.first })),
    lengthen: assign(({ context }) => ({ wait: Math.min(context.wait * 2, context.backOff.most) })),
    announce: emit({ type: 'opened' } satisfies StreamOpened),
    report: emit(({ context }, { reason }: { reason: string }): StreamBroken => ({
      type: 'broken',
      reason,
      wait: context.wait,
    })),
  },
  delays: { wait: ({ context }) => context.wait },
});

/**
 * The life of one stream, to Sensor or to a container runtime: connecting → open → backing off → connecting …, until
 * it is stopped. There is never more than one at a time, and nothing but `stop` ends it.
 */
export const stream = chart.createMachine({
  id: 'stream',
  context: ({ input }) => ({ backOff: input.backOff, wait: input.backOff.first }),
  initial: 'live',
  states: {
    live: {
      invoke: { id: 'stream', src: 'stream' },
      initial: 'connecting',
      states: {
        connecting: { on: { opened: { target: 'open', actions: ['reset', 'announce'] } } },
        open: {},
      },
      on: {
        broken: {
          target: 'backing off',
          actions: { type: 'report', params: ({ event }) => ({ reason: event.reason }) },
        },
        renew: { target: 'live', reenter: true },
        stop: 'stopped',
      },
    },
    'backing off': {
      after: { wait: { target: 'live', actions: 'lengthen' } },
      on: { renew: 'live', stop: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});
