import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyStateNode } from 'xstate';
import { edgeId } from '../../actors/inspection/edge.js';
import type { Message } from '../../actors/inspection/protocol.js';
import { collecting } from '../../machines/collecting.js';
import { lifecycle } from '../../machines/lifecycle.js';
import { stream } from '../../machines/stream.js';
import { Failure } from '../../actors/telemetry/failures.js';
import { eventually } from '../support/eventually.js';
import { TestRun } from './test-run.js';

describe('An inspection', () => {
  let run: TestRun;

  beforeEach(() => {
    run = new TestRun();
    run.start();
  });
  afterEach(() => {
    run.stop();
    assert.deepEqual(run.errors, []);
  });

  /** Messages of a type, by what is new to a watcher. */
  function watched(): { readonly messages: Message[]; readonly stop: () => void } {
    const messages: Message[] = [];
    return { messages, stop: run.inspection.watch((message) => messages.push(message)) };
  }

  it('presents to a late watcher the run, the tree with parents first, and the transitions so far', async () => {
    await run.collect();
    const messages = run.inspection.present();
    assert.equal(messages[0]?.type, 'hello');
    const actors = messages.filter((message) => message.type === 'actor');
    assert.deepEqual(
      actors.map(({ id, chart }) => [id, chart]),
      [
        ['collector', 'collector'],
        ['collecting', 'collecting'],
        ['capture', undefined],
        ['connections', undefined],
        ['signals', 'stream'],
        ['connection', undefined],
        ['collection', undefined],
      ],
    );
    const known = new Set<string | undefined>([undefined]);
    for (const { actor, parent } of actors) {
      assert.ok(known.has(parent), `the parent of ${actor} comes first`);
      known.add(actor);
    }
    const transitions = messages.filter((message) => message.type === 'transition');
    assert.deepEqual(
      transitions.flatMap(({ edges }) => edges),
      [
        'collector.starting.connect-sensor xstate.done.actor.connect-sensor 0',
        'collector.starting.find-driver xstate.done.actor.find-driver 0',
        'collector.starting.download xstate.done.actor.download 0',
        'collector.starting.load xstate.done.actor.load 0',
        'collector.starting xstate.done.state.collector.starting 1',
        'collecting.preparing xstate.done.actor.prepare 1',
      ],
    );
    assert.deepEqual(transitions.at(-1)?.snapshot.active, [
      'collecting.collecting',
      'collecting.collecting.running',
    ]);
    assert.equal(messages.at(-1)?.type, 'transition');
  });

  it('tells live of events, transitions and states, and of the ends of actors', async () => {
    const { messages, stop } = watched();
    await run.succeed('connect-sensor');
    stop();
    await run.succeed('find-driver');
    const seen = messages.map((message) => {
      if (message.type === 'event') return `event ${message.event.type}`;
      if (message.type === 'transition') return `transition ${message.edges.join()}`;
      if (message.type === 'actor') return `actor ${message.id}`;
      return message.type === 'snapshot' ? `snapshot ${message.snapshot.status}` : message.type;
    });
    for (const one of [
      'event xstate.done.actor.connect-sensor',
      'transition collector.starting.connect-sensor xstate.done.actor.connect-sensor 0',
      'actor find-driver',
      'snapshot done',
    ])
      assert.ok(seen.includes(one), `${one} is in ${seen.join(', ')}`);
    assert.ok(!seen.some((one) => one.includes('find-driver 0')), 'no more after its end');
  });

  it('shows a failure with its cause and remedy', async () => {
    const failure = new Failure('SENSOR_WANTS_TLS', { address: 'sensor:443' });
    run.send({ type: 'obstacle', failure });
    await run.fail('connect-sensor', failure);
    const last = run.inspection.present().at(-1);
    assert.ok(last?.type === 'transition');
    const { code, message, remedy } = failure;
    const context = last.snapshot.context as { failure: { error: unknown } };
    assert.deepEqual(context.failure.error, { code, message, remedy });
    assert.deepEqual(last.snapshot.active, ['collector.failed']);
  });

  it('samples the parts once a second while somebody watches, and never else', async () => {
    await run.collect();
    await sleep(1100);
    assert.equal(run.samples, 0);
    const [one, other] = [watched(), watched()];
    await eventually(() => run.samples === 1, 'one sample for both');
    one.stop();
    other.stop();
    const counts = other.messages.filter(({ type }) => type === 'snapshot');
    assert.deepEqual(
      counts.map((message) => message.type === 'snapshot' && message.snapshot.context),
      [run.counts, {}],
    );
    assert.ok(!other.messages.some(({ type }) => type !== 'snapshot'), 'its own work is not shown');
    await sleep(1100);
    assert.equal(run.samples, 1);
  });

  it('keeps the latest transitions only', async () => {
    await run.collect();
    for (let count = 0; count < 200; count++) {
      run.stream({ type: 'opened' });
      run.stream({ type: 'broken', reason: `reason ${count}` });
      await sleep(0);
    }
    const transitions = run.inspection.present().filter(({ type }) => type === 'transition');
    assert.ok(transitions.length <= 256);
  });

  it('survives what it cannot show: the machines go on', async () => {
    class Evil {
      get description() {
        throw new Error('no');
      }
    }
    await run.succeed('connect-sensor', new Evil());
    const last = run.inspection.present().at(-1);
    assert.ok(last?.type === 'transition');
    assert.deepEqual((last.snapshot.context as { sensor: unknown }).sensor, { message: 'no' });
    const stop = run.inspection.watch(() => {
      throw new Error('a watcher of no use');
    });
    await run.succeed('find-driver');
    assert.ok(run.inspection.actors.some(({ id }) => id === 'download'));
    assert.ok(run.errors.splice(0).length > 0);
    stop();
  });

  it('names each transition of a chart by an id of its own', () => {
    for (const machine of [lifecycle, collecting, stream]) {
      const ids: string[] = [];
      const visit = (node: AnyStateNode): void => {
        for (const transitions of node.transitions.values()) ids.push(...transitions.map(edgeId));
        ids.push(...(node.always ?? []).map(edgeId));
        Object.values(node.states).forEach(visit);
      };
      visit(machine.root);
      assert.equal(new Set(ids).size, ids.length);
      assert.ok(ids.every((id) => / \d+$/.test(id)));
    }
  });
});
