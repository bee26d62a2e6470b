import assert from 'node:assert/strict';
import { eventName } from '../../actors/inspection/page/format.js';
import { Model } from '../../actors/inspection/page/model.js';
import { failureIn } from '../../actors/inspection/page/plain.js';
import { road } from '../../actors/inspection/page/road.js';
import { summarise } from '../../actors/inspection/page/summary.js';
import { PROTOCOL, type Message, type Plain } from '../../actors/inspection/protocol.js';

const FAILURE = { code: 'SENSOR_REFUSED', message: 'Nothing listens there.', remedy: 'Start Sensor.' };

describe('The model of the inspection page', () => {
  let model: Model;
  const fold = (...messages: readonly Message[]) => messages.forEach((message) => model.fold(message));
  const summary = () => summarise(model, road(model));
  const sentence = () => {
    const { phase, rest } = summary();
    return rest === '' ? phase : `${phase}: ${rest}`;
  };

  beforeEach(() => {
    model = new Model();
    fold(hello());
  });

  it('keeps the tree of actors with an address beyond the run', () => {
    fold(root('collecting'), collection(), stream('signals', 'live.open'));
    const paths = ['collector', 'collector/collecting', 'collector/collecting/signals'];
    assert.deepEqual(
      model.actors.map(({ path }) => path),
      paths,
    );
  });

  it('puts an actor started anew in the place of the one before', () => {
    fold(root('collecting'), collection(), stream('signals', 'live.open', 's1'));
    fold(stream('signals', 'live.connecting', 's2'));
    assert.deepEqual(
      model.actors.map(({ actor }) => actor),
      ['x:0', 'x:1', 's2'],
    );
  });

  it('keeps transitions with the state after each, for going back to it', () => {
    fold(root('starting', 'connect-sensor'), transition(5, 'a', 'find-driver', { found: 1 }));
    fold(transition(7, 'b', 'load', { found: 2 }));
    const [first] = model.steps('x:0');
    assert.deepEqual(first?.snapshot, snapshot(['collector.find-driver'], { found: 1 }));
    assert.deepEqual(model.root?.snapshot.context, { found: 2 });
  });

  it('shows equal transitions in a row as one', () => {
    fold(root('collecting'), transition(1, 'sample', 'collecting'), transition(2, 'sample', 'collecting'));
    assert.deepEqual(
      model.steps('x:0').map(({ time, times }) => ({ time, times })),
      [{ time: 2, times: 2 }],
    );
  });

  describe('at a reconnection', () => {
    beforeEach(() => fold(root('starting'), transition(1, 'a', 'a'), transition(2, 'b', 'b')));

    it('keeps older transitions of the same run', () => {
      fold(hello(), root('starting'), transition(2, 'b', 'b'), transition(3, 'c', 'c'));
      assert.deepEqual(
        model.steps('x:0').map(({ time }) => time),
        [1, 2, 3],
      );
    });

    it('forgets those of another run', () => {
      fold(hello(), root('starting'), transition(9, 'b', 'b'));
      assert.deepEqual(
        model.steps('x:0').map(({ time }) => time),
        [9],
      );
    });
  });

  describe('of the road', () => {
    const programs = (events: number, lost = 0) => ({
      programs: [{ program: 'exec', events, lost, overShare: 0, failed: 0, missed: 0, skipped: 0 }],
    });
    const rate = (to: string) => road(model).edges.find((edge) => edge.to === to)?.rate;

    beforeEach(() => fold(root('collecting'), collection(), part('capture', {})));

    it('has rates by the last two samples', () => {
      fold(sample('capture', 1000, programs(10)));
      assert.equal(rate('rings'), undefined);
      fold(sample('capture', 3000, programs(50)), sample('capture', 4000, programs(55)));
      assert.equal(rate('rings'), 5);
    });

    it('has no rate of a count that went back', () => {
      fold(sample('capture', 1000, programs(10)), sample('capture', 2000, programs(1)));
      assert.equal(rate('rings'), undefined);
    });

    it('has losses in their place, in all and lately', () => {
      fold(sample('capture', 1000, programs(10, 4)), sample('capture', 2000, programs(20, 7)));
      const { losses, lost, recentlyLost } = road(model);
      const [found, ...others] = losses.filter(({ count }) => count > 0);
      assert.deepEqual(found, { place: 'rings', stage: 'kernel', cause: 'ring_full', count: 7, recent: 3 });
      assert.deepEqual([others, lost, recentlyLost], [[], 7, 3]);
    });

    it('has a loss of a stage unknown to the page where it was published', () => {
      fold(sample('capture', 1000, { losses: [{ stage: 'new', cause: 'unheard_of', count: 2 }] }));
      assert.deepEqual(
        road(model).losses.map(({ place, count }) => ({ place, count })),
        [{ place: 'capture', count: 2 }],
      );
    });

    it('reads counts of another shape as absent', () => {
      fold(sample('capture', 1000, { programs: 'none', losses: { a: 1 }, events: [null], tables: 7 }));
      assert.equal(road(model).lost, 0);
    });
  });

  describe('in one sentence', () => {
    it('names the phase of the start, and the failure that holds it up', () => {
      fold(root('starting', 'connect-sensor', { obstacle: FAILURE }));
      assert.equal(sentence(), 'Starting: waiting for Sensor');
      assert.deepEqual(summary().failure, {
        cause: FAILURE.message,
        remedy: FAILURE.remedy,
        code: FAILURE.code,
      });
      assert.equal(summary().tone, 'bad');
    });

    it('counts what is collected, and says whether the streams are open', () => {
      fold(root('collecting'), collection(), part('containers', {}), stream('signals', 'live.open'));
      fold(
        sample('containers', 1, { tables: [{ name: 'containers', entries: 1, capacity: 9, evicted: 0 }] }),
      );
      assert.equal(sentence(), "Collecting: 1 container; Sensor's streams are open");
      assert.equal(summary().tone, 'good');
    });

    it('says why a stream broke, and when it is opened again', () => {
      const context = { wait: 4000, reason: 'UNAVAILABLE', failure: FAILURE };
      fold(root('collecting'), collection(), stream('signals', 'backing off', 's', context));
      assert.equal(
        sentence(),
        "Collecting, but delivery to Sensor is interrupted: Sensor's stream of signals broke (UNAVAILABLE), and is opened again after 4 s",
      );
      assert.equal(summary().failure?.remedy, FAILURE.remedy);
    });

    it('names the failed phase', () => {
      fold(root('failed', undefined, { failure: { phase: 'load', error: FAILURE } }));
      assert.equal(sentence(), 'Failed: in the phase load');
      assert.equal(summary().failure?.cause, FAILURE.message);
    });
  });

  it('sees a failure nowhere but in what has a cause', () => {
    assert.equal(failureIn({ message: 'all is well', error: null }), undefined);
    assert.equal(failureIn({ error: { message: 'boom' } })?.cause, 'boom');
  });

  it('names the events of XState for people', () => {
    assert.deepEqual(
      [
        'xstate.done.actor.load',
        'xstate.error.actor.load',
        'xstate.done.state.collector.starting',
        'broken',
      ].map(eventName),
      ['load done', 'load failed', 'starting done', 'broken'],
    );
  });
});

function hello(): Message {
  return { type: 'hello', time: 0, version: '1', node: 'n', release: 'r', protocol: PROTOCOL, mode: 'live' };
}

function snapshot(active: readonly string[], context: Plain) {
  return { status: 'active', active, context } as const;
}

function root(state: string, inner?: string, context: Plain = {}): Message {
  const active = [`collector.${state}`, ...(inner === undefined ? [] : [`collector.${state}.${inner}`])];
  return {
    type: 'actor',
    time: 0,
    actor: 'x:0',
    id: 'x:0',
    chart: 'collector',
    snapshot: snapshot(active, context),
  };
}

function collection(): Message {
  const active = ['collecting.collecting', 'collecting.collecting.running'];
  const place = { actor: 'x:1', id: 'collecting', parent: 'x:0', chart: 'collecting' };
  return { type: 'actor', time: 0, ...place, snapshot: snapshot(active, {}) };
}

function stream(id: string, state: string, actor = id, context: Plain = {}): Message {
  const place = { actor, id, parent: 'x:1', chart: 'stream' };
  return { type: 'actor', time: 0, ...place, snapshot: snapshot([`stream.${state}`], context) };
}

function part(id: string, context: Plain): Message {
  return { type: 'actor', time: 0, actor: id, id, parent: 'x:1', snapshot: snapshot([], context) };
}

function sample(actor: string, time: number, context: Plain): Message {
  return { type: 'snapshot', time, actor, snapshot: snapshot([], context) };
}

function transition(time: number, type: string, state: string, context: Plain = {}): Message {
  return {
    type: 'transition',
    time,
    actor: 'x:0',
    event: { type, fields: {} },
    edges: [`collector ${type} 0`],
    snapshot: snapshot([`collector.${state}`], context),
  };
}
