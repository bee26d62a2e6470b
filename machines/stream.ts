import { assign, emit, fromCallback, setup, type ActorRefFrom } from 'xstate';

/**
 * Longest wait before a broken stream is opened again, ms: `first` after it was open, then doubled up to `most`. The
 * wait itself is drawn from 0 to there: "full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture
 * Blog, 2015). Streams of many nodes break at once when their peer restarts, and must not come back at once.
 */
export interface BackOff {
  readonly first: number;
  readonly most: number;
}

/** A change of the connection below a stream: `opened` at most once, then `broken` at most once, then nothing. */
export type StreamUpdate = { readonly type: 'opened' } | { readonly type: 'broken'; readonly reason: string };

/** Tells why the stream broke, once somebody has found out. */
export interface StreamExplained {
  readonly type: 'explained';
  /** A failure with its remedy. */
  readonly failure: Error;
}

/** `renew` replaces the connection by another one and ends the old one in good order; `stop` ends the stream. */
export type StreamEvent =
  StreamUpdate | StreamExplained | { readonly type: 'renew' } | { readonly type: 'stop' };

/** Opens a connection and passes its changes to `update`. @returns a function that ends the connection in good order */
export type OpenConnection = (update: (update: StreamUpdate) => void) => () => void;

/** What a stream needs. */
export interface StreamInput {
  readonly backOff: BackOff;
  readonly open: OpenConnection;
  /** Draws the part of the longest wait, from 0 to 1; default: `Math.random`. */
  readonly random?: () => number;
}

/** Emitted when the stream has opened. */
export interface StreamOpened {
  readonly type: 'opened';
}

/** Emitted when the stream broke, or could not be opened. */
export interface StreamBroken {
  readonly type: 'broken';
  readonly reason: string;
  /** Until the next attempt, ms. */
  readonly wait: number;
}

interface StreamContext extends StreamInput {
  /** Until the next attempt, ms: set by each break. */
  readonly wait: number;
  /** Longest wait after a break now, ms. */
  readonly longest: number;
  /** Of the latest break, and the failure behind it; undefined while it is open. */
  readonly reason: string | undefined;
  readonly failure: Error | undefined;
}

const chart = setup({
  types: {
    context: {} as StreamContext,
    input: {} as StreamInput,
    events: {} as StreamEvent,
    emitted: {} as StreamOpened | StreamBroken,
  },
  actors: {
    connection: fromCallback<StreamEvent, Pick<StreamInput, 'open'>>(({ input, sendBack }) =>
      input.open(sendBack),
    ),
  },
  actions: {
    reset: assign(({ context }) => ({
      longest: context.backOff.first,
      reason: undefined,
      failure: undefined,
    })),
    note: assign((_, noted: { readonly reason: string } | { readonly failure: Error }) => noted),
    draw: assign(({ context: { longest, random = Math.random } }) => ({
      wait: Math.round(random() * longest),
    })),
    lengthen: assign(({ context: { longest, backOff } }) => ({
      longest: Math.min(longest * 2, backOff.most),
    })),
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
 * A stream to Sensor or to a container runtime: connecting → open → backing off → connecting …, until it is stopped.
 * It has at most one connection at a time, and only `stop` ends it.
 */
export const stream = chart.createMachine({
  id: 'stream',
  context: ({ input }) => ({
    ...input,
    wait: 0,
    longest: input.backOff.first,
    reason: undefined,
    failure: undefined,
  }),
  initial: 'live',
  on: {
    explained: { actions: { type: 'note', params: ({ event: { failure } }) => ({ failure }) } },
  },
  states: {
    live: {
      invoke: { id: 'connection', src: 'connection', input: ({ context: { open } }) => ({ open }) },
      initial: 'connecting',
      states: {
        connecting: { on: { opened: { target: 'open', actions: ['reset', 'announce'] } } },
        open: {},
      },
      on: {
        broken: {
          target: 'backing off',
          actions: [
            { type: 'note', params: ({ event: { reason } }) => ({ reason }) },
            'draw',
            { type: 'report', params: ({ event: { reason } }) => ({ reason }) },
          ],
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

export type StreamRef = ActorRefFrom<typeof stream>;

/** Starts a stream as a child of the collection, under a name of its own. */
export type SpawnStream = (name: string, input: StreamInput) => StreamRef;
