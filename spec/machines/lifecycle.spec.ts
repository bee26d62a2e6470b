import assert from 'node:assert/strict';
import { createActor, fromPromise, waitFor, type AnyActorLogic, type SnapshotFrom } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import { lifecycle, type Diagnostics, type Effects, type Phase } from '../../machines/lifecycle.js';

const startPhases = ['connect-sensor', 'find-driver', 'download', 'load'] as const;
const phases: readonly Phase[] = [...startPhases, 'collect'];

/** What each effect finds. */
const results = {
  'connect-sensor': { address: 'sensor:443' },
  'find-driver': { kind: 'builtin' },
  download: { addon: 'the add-on' },
  load: { probe: 'the probe' },
  collect: undefined,
} as const;

/** Diagnostics at the start of a phase. */
const reached: Readonly<Record<Phase, Diagnostics>> = {
  'connect-sensor': { connectedToSensor: false, driverAvailable: false, driverLoaded: false },
  'find-driver': { connectedToSensor: true, driverAvailable: false, driverLoaded: false },
  download: { connectedToSensor: true, driverAvailable: false, driverLoaded: false },
  load: { connectedToSensor: true, driverAvailable: true, driverLoaded: false },
  collect: { connectedToSensor: true, driverAvailable: true, driverLoaded: true },
};

/** The state of a phase, as text. */
const stateOf = (phase: Phase) => JSON.stringify(phase === 'collect' ? 'collecting' : { starting: phase });

/** A run whose effects wait for the spec, and a record of everything that can be seen of it. */
function run(checkOnly = false) {
  const entered: Phase[] = [];
  const inputs = new Map<Phase, unknown>();
  const aborted: Phase[] = [];
  const reports: Diagnostics[] = [];
  const settle = new Map<Phase, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();

  const effect = (phase: Phase): AnyActorLogic =>
    fromPromise(async ({ input, signal }) => {
      entered.push(phase);
      inputs.set(phase, input);
      signal.addEventListener('abort', () => aborted.push(phase));
      return new Promise<unknown>((resolve, reject) => settle.set(phase, { resolve, reject }));
    });
  const actors = {
    ...Object.fromEntries(startPhases.map((phase) => [phase, effect(phase)])),
    collecting: effect('collect'),
  } as unknown as Effects;
  const actor = createActor(lifecycle.provide({ actors }), { input: { checkOnly } });
  actor.on('startup-over', ({ diagnostics }) => reports.push(diagnostics));
  actor.start();

  const untilState = async (state: string) =>
    waitFor(actor, ({ value }) => JSON.stringify(value) === state, { timeout: 1000 });
  const until = async (phase: Phase) => untilState(stateOf(phase));
  const end = async (state: 'failed' | 'stopped') => untilState(JSON.stringify(state));
  const succeed = (phase: Phase, result: { readonly of: unknown } = { of: results[phase] }): void =>
    settle.get(phase)?.resolve(result.of);
  const fail = (phase: Phase, error: unknown): void => settle.get(phase)?.reject(error);
  /** Lets everything before `phase` succeed. */
  const reach = async (phase: Phase): Promise<void> => {
    for (const earlier of phases.slice(0, phases.indexOf(phase))) {
      await until(earlier);
      succeed(earlier);
    }
    await until(phase);
  };
  return { actor, entered, inputs, aborted, reports, until, end, succeed, fail, reach };
}

describe('the life of Collector', () => {
  it('goes through its phases in order, each once, and then collects', async () => {
    const { entered, reach, actor, reports } = run();
    await reach('collect');
    assert.deepEqual(entered, phases);
    assert.equal(actor.getSnapshot().status, 'active');
    assert.deepEqual(reports, [reached.collect]);
  });

  it('hands to each phase what those before have found', async () => {
    const { inputs, reach } = run();
    await reach('collect');
    assert.deepEqual(inputs.get('download'), {
      sensor: results['connect-sensor'],
      location: results['find-driver'],
    });
    assert.deepEqual(inputs.get('load'), results.download);
    assert.deepEqual(inputs.get('collect'), {
      sensor: results['connect-sensor'],
      addon: results.download.addon,
      loaded: results.load,
    });
  });

  it('says that there is no connection to Sensor when none was made', async () => {
    const { reports, succeed, until } = run();
    succeed('connect-sensor', { of: undefined });
    await until('find-driver');
    succeed('find-driver');
    await until('download');
    succeed('download');
    await until('load');
    succeed('load');
    await until('collect');
    assert.deepEqual(reports, [{ connectedToSensor: false, driverAvailable: true, driverLoaded: true }]);
  });

  it('ends after the start-up when it only checks', async () => {
    const { actor, end, entered, reach, reports, succeed } = run(true);
    await reach('load');
    succeed('load');
    await end('stopped');
    assert.deepEqual(entered, startPhases);
    assert.deepEqual(reports, [reached.collect]);
    assert.equal(actor.getSnapshot().output?.failure, undefined);
  });

  for (const [index, phase] of phases.entries()) {
    describe(phase, () => {
      const diagnostics = reached[phase];

      it('when it fails, ends the run with the error, its phase and how far it got', async () => {
        const { actor, aborted, end, entered, fail, reach, reports } = run();
        const error = new Error('refused');
        await reach(phase);
        fail(phase, error);
        await end('failed');
        const { output, status } = actor.getSnapshot();
        assert.equal(status, 'done');
        assert.deepEqual(output.diagnostics, diagnostics);
        assert.deepEqual(output.failure, { phase, error });
        assert.deepEqual(reports, [diagnostics]);
        assert.deepEqual(entered, phases.slice(0, index + 1));
        assert.deepEqual(aborted, []);
      });
    });
  }

  for (const [index, phase] of startPhases.entries()) {
    describe(phase, () => {
      it('when it is stopped, is told through its signal and starts nothing more', async () => {
        const { actor, aborted, entered, reach, reports } = run();
        await reach(phase);
        actor.send({ type: 'stop' });
        const { output, status, value } = actor.getSnapshot();
        assert.equal(value, 'stopped');
        assert.equal(status, 'done');
        assert.deepEqual(output.diagnostics, reached[phase]);
        assert.equal(output.failure, undefined);
        assert.deepEqual(aborted, [phase]);
        assert.deepEqual(reports, [reached[phase]]);
        assert.deepEqual(entered, startPhases.slice(0, index + 1));
      });

      it('when it ends after a stop, changes nothing any more', async () => {
        for (const how of ['succeed', 'fail'] as const) {
          const { actor, entered, reach, reports, ...settle } = run();
          await reach(phase);
          actor.send({ type: 'stop' });
          if (how === 'succeed') settle.succeed(phase);
          else settle.fail(phase, new Error('late'));
          await new Promise(setImmediate);
          assert.equal(actor.getSnapshot().value, 'stopped');
          assert.equal(actor.getSnapshot().output?.failure, undefined);
          assert.equal(entered.length, index + 1);
          assert.equal(reports.length, 1);
        }
      });
    });
  }

  it('keeps an open connection to Sensor in its output for whoever closes it, unless it collected', async () => {
    const early = run();
    await early.reach('load');
    early.actor.send({ type: 'stop' });
    assert.equal(early.actor.getSnapshot().output?.sensor, results['connect-sensor']);
    const late = run();
    await late.reach('collect');
    late.succeed('collect');
    await late.end('stopped');
    assert.equal(late.actor.getSnapshot().output?.sensor, undefined);
  });

  it('waits for the collection to end in good order when it is stopped while it collects', async () => {
    const { actor, aborted, end, reach, reports, succeed } = run();
    await reach('collect');
    actor.send({ type: 'stop' });
    assert.equal(actor.getSnapshot().value, 'collecting');
    assert.deepEqual(aborted, []);
    succeed('collect');
    await end('stopped');
    assert.equal(actor.getSnapshot().output?.failure, undefined);
    assert.deepEqual(reports, [reached.collect]);
  });

  it('fails when the collection ended in good order after an error', async () => {
    const { actor, end, reach, succeed } = run();
    const error = new Error('ring buffer gone');
    await reach('collect');
    succeed('collect', { of: { error } });
    await end('failed');
    assert.deepEqual(actor.getSnapshot().output?.failure, { phase: 'collect', error });
  });

  describe('as a chart', () => {
    type State = SnapshotFrom<typeof lifecycle>;

    /** Outcomes of the effects; the chart's own event type has only what comes from outside. */
    const outcomes = phases.flatMap((phase) => {
      const id = phase === 'collect' ? 'collecting' : phase;
      return [
        { type: `xstate.done.actor.${id}`, output: results[phase] },
        { type: `xstate.error.actor.${id}`, error: phase },
      ];
    });
    const events = [{ type: 'stop' }, ...outcomes] as { type: 'stop' }[];
    const options = {
      events,
      input: { checkOnly: false },
      serializeState: (state: State) => JSON.stringify([state.value, state.context]),
    };
    // There is no runtime to send to: a path has no actors.
    const chart = lifecycle.provide({ actions: { stopCollecting: () => undefined } });
    const paths = getSimplePaths(chart, options);
    const ends = paths.filter(({ state }) => state.status === 'done');

    it('can be in no other states than these', () => {
      const values = getShortestPaths(chart, options).map(({ state }) => JSON.stringify(state.value));
      assert.deepEqual(new Set(values), new Set([...phases.map(stateOf), '"failed"', '"stopped"']));
    });

    it('ends in ten ways: each phase fails, each phase of the start is stopped, and collecting ends', () => {
      const ways = ends.map(
        ({ state, steps }) => `${JSON.stringify(state.value)} by ${steps.at(-1)?.event.type ?? ''}`,
      );
      const expected = [
        ...startPhases.flatMap((phase) => [`"failed" by xstate.error.actor.${phase}`, '"stopped" by stop']),
        '"failed" by xstate.error.actor.collecting',
        '"stopped" by xstate.done.actor.collecting',
      ];
      assert.deepEqual(ways.sort(), expected.sort());
    });

    it('can be stopped in every state that is no end', () => {
      for (const { state } of paths)
        if (state.status === 'active') assert.ok(state.can({ type: 'stop' }), JSON.stringify(state.value));
    });

    it('has a failure exactly when it failed, and of the phase that it was in', () => {
      for (const { state, steps } of ends) {
        const last = steps.at(-1)?.event.type ?? '';
        const id = /^xstate\.error\.actor\.(.*)$/.exec(last)?.[1];
        const phase = id === 'collecting' ? 'collect' : id;
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
