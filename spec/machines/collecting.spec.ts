import assert from 'node:assert/strict';
import { createActor, fromPromise, SimulatedClock, waitFor } from 'xstate';
import type { Counts } from '../../machines/part.js';
import { collecting, type RunningParts, type CollectingInput } from '../../machines/collecting.js';

const DRAIN_MS = 1800;
const backOff = { first: 1000, most: 1000 };
const input = { sensor: undefined, addon: {}, loaded: {} } as unknown as CollectingInput;

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A collection with two parts and a stream, whose effects wait for the spec. */
function run() {
  const clock = new SimulatedClock();
  const seen: string[] = [];
  const settle: Record<string, Settle> = {};
  const pending = async (name: string) =>
    new Promise<void>((resolve, reject) => (settle[name] = { resolve, reject }));
  let events = 0;
  const actor = createActor(
    collecting.provide({
      actors: {
        prepare: fromPromise(async (): Promise<RunningParts> => {
          seen.push('prepare');
          await pending('prepare');
          return {
            parts: { capture: (): Counts => ({ events }), sensor: (): Counts => ({ sent: 0 }) },
            openStreams: (spawn) => {
              spawn('signals', {
                backOff,
                open: () => {
                  seen.push('stream opens');
                  return () => seen.push('stream ends');
                },
              });
            },
            collect: async (stop) => {
              seen.push('collect');
              stop.addEventListener('abort', () => seen.push('told to stop'));
              await pending('collect');
            },
          };
        }),
        close: fromPromise(async () => {
          seen.push('close');
          await pending('close');
        }),
      },
      actions: {
        warnUnfinished: () => seen.push('unfinished'),
      },
      delays: { drain: () => DRAIN_MS },
    }),
    { input, clock },
  );
  actor.start();
  const until = async (state: object | string) =>
    waitFor(actor, (snapshot) => JSON.stringify(snapshot.value) === JSON.stringify(state), { timeout: 1000 });
  const collect = async () => {
    settle['prepare']!.resolve();
    await until({ collecting: 'running' });
  };
  const closed = async () => {
    await until('closing');
    settle['close']!.resolve();
    await until('ended');
    return actor.getSnapshot().output;
  };
  return {
    actor,
    clock,
    seen,
    settle,
    until,
    collect,
    closed,
    count: (value: number) => (events = value),
  };
}

describe('collecting', () => {
  it('has its parts and streams as children while it collects, in one system', async () => {
    const { actor, collect } = run();
    assert.deepEqual(Object.keys(actor.getSnapshot().children), ['prepare']);
    await collect();
    const { children } = actor.getSnapshot();
    assert.deepEqual(Object.keys(children).sort(), ['capture', 'collection', 'sensor', 'signals']);
    for (const child of Object.values(children)) assert.equal(child!.system, actor.system);
  });

  it('samples the counts of its parts when it is asked, and never else', async () => {
    const { actor, collect, count } = run();
    await collect();
    const counts = () =>
      (actor.getSnapshot().children['capture']?.getSnapshot() as { context: Counts }).context;
    count(5);
    assert.deepEqual(counts(), {});
    actor.send({ type: 'sample' });
    assert.deepEqual(counts(), { events: 5 });
    count(6);
    assert.deepEqual(counts(), { events: 5 });
  });

  it('ends in order when it is stopped: last facts, then Sensor, then streams', async () => {
    const { actor, collect, closed, seen, settle } = run();
    await collect();
    actor.send({ type: 'stop' });
    assert.deepEqual(actor.getSnapshot().value, { collecting: 'draining' });
    settle['collect']!.resolve();
    assert.equal(await closed(), undefined);
    assert.deepEqual(seen, ['prepare', 'stream opens', 'collect', 'told to stop', 'close', 'stream ends']);
  });

  it('goes on to the end without the last facts when their time is over, and says so', async () => {
    const { actor, clock, collect, closed, seen } = run();
    await collect();
    actor.send({ type: 'stop' });
    clock.increment(DRAIN_MS - 1);
    assert.ok(!seen.includes('unfinished'));
    clock.increment(1);
    assert.equal(await closed(), undefined);
    assert.ok(seen.includes('unfinished'));
  });

  it('brings what is queued to Sensor when the collection fails, and ends with the error', async () => {
    const { collect, closed, settle } = run();
    const error = new Error('ring buffer gone');
    await collect();
    settle['collect']!.reject(error);
    assert.deepEqual(await closed(), { error });
  });

  it('ends with the error of the last facts', async () => {
    const { actor, collect, closed, settle } = run();
    const error = new Error('disk full');
    await collect();
    actor.send({ type: 'stop' });
    settle['collect']!.reject(error);
    assert.deepEqual(await closed(), { error });
  });

  it('ends with the error when its parts cannot be made', async () => {
    const { closed, settle } = run();
    const error = new Error('no room');
    settle['prepare']!.reject(error);
    assert.deepEqual(await closed(), { error });
  });

  it('collects the last facts of a run that is stopped while its parts are made', async () => {
    const { actor, closed, seen, settle, until } = run();
    actor.send({ type: 'stop' });
    settle['prepare']!.resolve();
    await until({ collecting: 'draining' });
    assert.deepEqual(seen, ['prepare', 'stream opens', 'collect', 'told to stop']);
    settle['collect']!.resolve();
    assert.equal(await closed(), undefined);
  });

  it('ends without its parts when making them takes longer than the end may', async () => {
    const { actor, clock, closed, seen } = run();
    actor.send({ type: 'stop' });
    clock.increment(DRAIN_MS);
    assert.equal(await closed(), undefined);
    assert.deepEqual(seen, ['prepare', 'unfinished', 'close']);
  });

  it('ends when all has been collected without a stop', async () => {
    const { collect, closed, settle } = run();
    await collect();
    settle['collect']!.resolve();
    assert.equal(await closed(), undefined);
  });
});
