import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createActor, SimulatedClock, type AnyStateMachine, type SnapshotFrom } from 'xstate';
import { getAdjacencyMap } from 'xstate/graph';
import { stream, type OpenConnection, type StreamEvent, type StreamUpdate } from '../../machines/stream.js';

const backOff = { first: 1000, most: 4000 };

/**
 * A stream whose effect is the spec, and a record of all that can be seen of it.
 * @param random draws the part of the longest wait; default: all of it
 */
function run(random = () => 1) {
  const clock = new SimulatedClock();
  const seen: string[] = [];
  let live = 0;
  let update: (event: StreamUpdate) => void = () => undefined;
  const open: OpenConnection = (send) => {
    live++;
    seen.push('start');
    update = send;
    return () => {
      live--;
      seen.push('end');
    };
  };
  const actor = createActor(stream, { input: { backOff, open, random }, clock });
  actor.on('opened', () => seen.push('opened'));
  actor.on('broken', ({ reason, wait }) => seen.push(`broken: ${reason}, ${wait}`));
  actor.start();
  return {
    actor,
    clock,
    seen,
    opened: () => update({ type: 'opened' }),
    broken: (reason = 'gone') => update({ type: 'broken', reason }),
    get live() {
      return live;
    },
    get state() {
      return stateOf(actor.getSnapshot());
    },
  };
}

/** A state of the chart, and where each event leads from it. */
interface Place {
  readonly state: SnapshotFrom<typeof stream>;
  readonly transitions: Readonly<
    Record<string, { readonly event: StreamEvent; readonly state: SnapshotFrom<typeof stream> }>
  >;
}

function stateOf({ value }: SnapshotFrom<typeof stream>): string {
  return typeof value === 'string' ? value : (value as { live: string }).live;
}

describe('the life of a stream', () => {
  it('connects at once and is open when its effect says so', () => {
    const one = run();
    assert.equal(one.state, 'connecting');
    one.opened();
    assert.equal(one.state, 'open');
    assert.deepEqual(one.seen, ['start', 'opened']);
  });

  it('waits when it broke, and opens another one after that', () => {
    const one = run();
    one.opened();
    one.broken('reset by peer');
    assert.equal(one.state, 'backing off');
    one.clock.increment(999);
    assert.equal(one.live, 0);
    one.clock.increment(1);
    assert.equal(one.state, 'connecting');
    assert.deepEqual(one.seen, ['start', 'opened', 'end', 'broken: reset by peer, 1000', 'start']);
  });

  it('waits twice as long each time that it could not be opened, up to a bound, and as at first once it was open', () => {
    const one = run();
    const waits: number[] = [];
    const fail = (): void => {
      one.broken();
      waits.push(Number(one.seen.findLast((text) => text.startsWith('broken'))!.split(', ')[1]));
      one.clock.increment(waits.at(-1)!);
    };
    for (let time = 0; time < 4; time++) fail();
    one.opened();
    fail();
    assert.deepEqual(waits, [1000, 2000, 4000, 4000, 1000]);
  });

  it('draws each wait from 0 to the longest one, which grows as before whatever is drawn', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const drawn = parts.values();
        const one = run(() => drawn.next().value!);
        for (const [at, part] of parts.entries()) {
          one.broken();
          const wait = Number(one.seen.at(-1)!.split(', ')[1]);
          assert.equal(wait, Math.round(part * Math.min(1000 * 2 ** at, 4000)));
          one.clock.increment(wait);
          assert.equal(one.state, 'connecting');
        }
      }),
    );
  });

  it('parts streams that broke at once: in no tenth of the wait do more than a few come back, and none later', () => {
    const streams = Array.from({ length: 500 }, () => run(Math.random));
    for (const one of streams) {
      one.opened();
      one.broken();
    }
    const cameBack = (): number => streams.filter(({ state }) => state === 'connecting').length;
    const counts: number[] = [];
    for (let tenth = 0; tenth < 10; tenth++) {
      const before = cameBack();
      for (const { clock } of streams) clock.increment(100);
      counts.push(cameBack() - before);
    }
    // 50 are expected, and a deviation is 6.7: one run in a million has 7 of them anywhere.
    assert.ok(Math.max(...counts) < 50 + 7 * 6.7, `in the tenths: ${counts.join(', ')}`);
    assert.equal(cameBack(), streams.length);
  });

  it('opens another one at once when it is renewed, even while it waits, and never has two', () => {
    const one = run();
    one.opened();
    one.actor.send({ type: 'renew' });
    assert.equal(one.state, 'connecting');
    one.broken();
    one.actor.send({ type: 'renew' });
    assert.equal(one.state, 'connecting');
    assert.equal(one.live, 1);
    assert.deepEqual(
      one.seen.filter((text) => text === 'start' || text === 'end'),
      ['start', 'end', 'start', 'end', 'start'],
    );
  });

  it('ends its effect and itself when it is stopped, and waits for nothing then', () => {
    const one = run();
    one.opened();
    one.actor.send({ type: 'stop' });
    assert.equal(one.live, 0);
    assert.equal(one.actor.getSnapshot().status, 'done');
    one.clock.increment(1e6);
    assert.equal(one.live, 0);
  });

  describe('by its chart', () => {
    type Happening = 'opened' | 'broken' | 'renew' | 'stop' | 'wait is over';
    const transitions: Readonly<Record<string, Readonly<Partial<Record<Happening, string>>>>> = {
      connecting: { opened: 'open', broken: 'backing off', renew: 'connecting', stop: 'stopped' },
      open: { broken: 'backing off', renew: 'connecting', stop: 'stopped' },
      'backing off': { 'wait is over': 'connecting', renew: 'connecting', stop: 'stopped' },
      stopped: {},
    };
    const roads: Readonly<Record<string, readonly Happening[]>> = {
      connecting: [],
      open: ['opened'],
      'backing off': ['opened', 'broken'],
      stopped: ['stop'],
    };
    const happen = (one: ReturnType<typeof run>, what: Happening): void => {
      if (what === 'opened') one.opened();
      else if (what === 'broken') one.broken();
      else if (what === 'wait is over') one.clock.increment(backOff.most);
      else one.actor.send({ type: what });
    };

    for (const [from, outcomes] of Object.entries(transitions)) {
      for (const [what, to] of Object.entries(outcomes) as [Happening, string][]) {
        it(`goes from ${from} to ${to} by ${what}, with a stream only while it is live`, () => {
          const one = run();
          for (const step of [...roads[from]!, what]) happen(one, step);
          assert.equal(one.state, to);
          assert.equal(one.live, ['connecting', 'open'].includes(to) ? 1 : 0);
        });
      }
    }

    it('has no other transitions than these', () => {
      const wait = 'xstate.after.wait.stream.backing off';
      const events = [
        { type: 'opened' },
        { type: 'broken', reason: 'gone' },
        { type: 'renew' },
        { type: 'stop' },
        { type: wait },
      ] as StreamEvent[];
      // The types of xstate/graph know no machine that emits events.
      const map = getAdjacencyMap(stream as unknown as AnyStateMachine, {
        input: { backOff },
        events,
        serializeState: (snapshot) => stateOf(snapshot as SnapshotFrom<typeof stream>),
      }) as unknown as Readonly<Record<string, Place>>;
      const found = Object.fromEntries(
        Object.entries(map).map(([from, { state, transitions }]) => [
          from,
          Object.fromEntries(
            Object.values(transitions)
              .filter(({ event }) => state.can(event))
              .map(({ event, state }) => [
                (event.type as string) === wait ? 'wait is over' : event.type,
                stateOf(state),
              ]),
          ),
        ]),
      );
      assert.deepEqual(found, transitions);
    });
  });
});
