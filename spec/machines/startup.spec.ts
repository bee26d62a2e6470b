import assert from 'node:assert/strict';
import { createActor, fromPromise, waitFor, type SnapshotFrom } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import { startup, type Diagnostics, type Phase } from '../../machines/startup.js';

const phases: readonly Phase[] = ['connect-sensor', 'find-driver', 'download', 'load', 'collect'];

/** What must be known when a phase has begun. */
const reached: Readonly<Record<Phase, Diagnostics>> = {
  'connect-sensor': { connectedToSensor: false, driverAvailable: false, driverLoaded: false },
  'find-driver': { connectedToSensor: true, driverAvailable: false, driverLoaded: false },
  download: { connectedToSensor: true, driverAvailable: false, driverLoaded: false },
  load: { connectedToSensor: true, driverAvailable: true, driverLoaded: false },
  collect: { connectedToSensor: true, driverAvailable: true, driverLoaded: true },
};

/** A run whose effects wait to be told how they end, and a record of everything that can be seen of it. */
function run() {
  const entered: Phase[] = [];
  const aborted: Phase[] = [];
  const reports: Diagnostics[] = [];
  const settle = new Map<Phase, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();

  const effect =
    (phase: Phase) =>
    ({ signal }: { signal: AbortSignal }) => {
      entered.push(phase);
      signal.addEventListener('abort', () => aborted.push(phase));
      return new Promise<unknown>((resolve, reject) => settle.set(phase, { resolve, reject }));
    };
  const actor = createActor(
    startup.provide({
      actors: {
        'connect-sensor': fromPromise(effect('connect-sensor') as () => Promise<boolean>),
        'find-driver': fromPromise(effect('find-driver') as () => Promise<void>),
        download: fromPromise(effect('download') as () => Promise<void>),
        load: fromPromise(effect('load') as () => Promise<void>),
        collect: fromPromise(effect('collect') as () => Promise<void>),
      },
    }),
  );
  actor.on('startup-over', ({ diagnostics }) => reports.push(diagnostics));
  actor.start();

  const until = (state: string) => waitFor(actor, (snapshot) => snapshot.value === state, { timeout: 1000 });
  const succeed = (phase: Phase, value: unknown = true): void => settle.get(phase)?.resolve(value);
  const fail = (phase: Phase, error: unknown): void => settle.get(phase)?.reject(error);
  /** Lets everything before `phase` succeed. */
  const reach = async (phase: Phase): Promise<void> => {
    for (const earlier of phases.slice(0, phases.indexOf(phase))) {
      await until(earlier);
      succeed(earlier);
    }
    await until(phase);
  };
  return { actor, entered, aborted, reports, until, succeed, fail, reach };
}

describe('the start-up', () => {
  it('goes through its phases in order, each once, and then collects', async () => {
    const { entered, reach, actor, reports } = run();
    await reach('collect');
    assert.deepEqual(entered, phases);
    assert.equal(actor.getSnapshot().status, 'active');
    assert.deepEqual(reports, [reached.collect]);
  });

  it('says that there is no connection to Sensor when none was made', async () => {
    const { reports, succeed, until } = run();
    succeed('connect-sensor', false);
    await until('find-driver');
    succeed('find-driver');
    await until('download');
    succeed('download');
    await until('load');
    succeed('load');
    await until('collect');
    assert.deepEqual(reports, [{ connectedToSensor: false, driverAvailable: true, driverLoaded: true }]);
  });

  for (const [index, phase] of phases.entries()) {
    describe(phase, () => {
      const diagnostics = reached[phase];

      it('when it fails, ends the run with the error, its phase and how far it got', async () => {
        const { actor, aborted, entered, fail, reach, reports, until } = run();
        const error = new Error('refused');
        await reach(phase);
        fail(phase, error);
        await until('failed');
        const { output, status } = actor.getSnapshot();
        assert.equal(status, 'done');
        assert.deepEqual(output, { diagnostics, failure: { phase, error } });
        assert.deepEqual(reports, [diagnostics]);
        assert.deepEqual(entered, phases.slice(0, index + 1));
        assert.deepEqual(aborted, []);
      });

      it('when it is stopped, is told through its signal and starts nothing more', async () => {
        const { actor, aborted, entered, reach, reports } = run();
        await reach(phase);
        actor.send({ type: 'stop' });
        const { output, status, value } = actor.getSnapshot();
        assert.equal(value, 'stopped');
        assert.equal(status, 'done');
        assert.deepEqual(output, { diagnostics, failure: undefined });
        assert.deepEqual(aborted, [phase]);
        assert.deepEqual(reports, [diagnostics]);
        assert.deepEqual(entered, phases.slice(0, index + 1));
      });

      it('when it ends after a stop, changes nothing any more', async () => {
        for (const how of ['succeed', 'fail'] as const) {
          const { actor, entered, reach, reports, ...settle } = run();
          await reach(phase);
          actor.send({ type: 'stop' });
          settle[how](phase, new Error('late'));
          await new Promise(setImmediate);
          assert.equal(actor.getSnapshot().value, 'stopped');
          assert.equal(actor.getSnapshot().output?.failure, undefined);
          assert.equal(entered.length, index + 1);
          assert.equal(reports.length, 1);
        }
      });
    });
  }

  it('stops when there is nothing more to collect', async () => {
    const { actor, aborted, reach, reports, succeed, until } = run();
    await reach('collect');
    succeed('collect');
    await until('stopped');
    assert.deepEqual(actor.getSnapshot().output, { diagnostics: reached.collect, failure: undefined });
    assert.deepEqual(reports, [reached.collect]);
    assert.deepEqual(aborted, []);
  });

  describe('as a chart', () => {
    type State = SnapshotFrom<typeof startup>;

    /** What the effects of a phase can send; the chart's own event type has only what comes from outside. */
    const outcomes = phases.flatMap((phase) => [
      { type: `xstate.done.actor.${phase}`, output: true },
      { type: `xstate.error.actor.${phase}`, error: phase },
    ]);
    const events = [{ type: 'stop' }, ...outcomes] as { type: 'stop' }[];
    const options = {
      events,
      serializeState: (state: State) => JSON.stringify([state.value, state.context]),
    };
    const paths = getSimplePaths(startup, options);
    const ends = paths.filter(({ state }) => state.status === 'done');

    it('can be in no other states than these', () => {
      const values = getShortestPaths(startup, options).map(({ state }) => state.value);
      assert.deepEqual(new Set(values), new Set([...phases, 'failed', 'stopped']));
    });

    it('ends in eleven ways: each phase fails or is stopped, and collecting ends', () => {
      const ways = ends.map(({ state, steps }) => `${state.value} by ${steps.at(-1)?.event.type ?? ''}`);
      const expected = phases.flatMap((phase) => [
        `failed by xstate.error.actor.${phase}`,
        'stopped by stop',
      ]);
      assert.deepEqual(ways.sort(), [...expected, 'stopped by xstate.done.actor.collect'].sort());
    });

    it('can be stopped in every state that is no end', () => {
      for (const { state } of paths) {
        if (state.status === 'active') assert.ok(state.can({ type: 'stop' }), state.value);
      }
    });

    it('has a failure exactly when it failed, and of the phase that it was in', () => {
      for (const { state, steps } of ends) {
        const last = steps.at(-1)?.event.type ?? '';
        const phase = /^xstate\.error\.actor\.(.*)$/.exec(last)?.[1];
        assert.deepEqual(state.context.failure, phase === undefined ? undefined : { phase, error: phase });
      }
    });

    it('never claims a later step without the earlier', () => {
      for (const { state } of paths) {
        const { driverAvailable, driverLoaded } = state.context.diagnostics;
        assert.ok(!driverLoaded || driverAvailable);
      }
    });
  });
});
