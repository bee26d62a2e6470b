import assert from 'node:assert/strict';
import { exit_record, RecordType } from '../../actors/capture/layout.js';
import { judge } from '../../actors/containers/verdict.js';
import { ProcessState } from '../../actors/processes/state.js';
import { MadeUpExecs } from '../../actors/wiring/made-up-execs.js';
import { warmUp } from '../../actors/wiring/warm-up.js';
import { startFact, stateSettings } from '../support/facts.js';

const COUNT = 30;

describe('The warm-up', () => {
  it('has execs like those of a container, no two alike, each with its end', () => {
    const execs = new MadeUpExecs(COUNT);
    execs.renumber(0);
    const { records } = execs;
    const types: number[] = [];
    for (let at = 0; at < records.length; at += records.size(at)) types.push(records.type(at));
    assert.deepEqual(
      types,
      Array.from({ length: 2 * COUNT }, (_, n) => (n % 2 === 0 ? RecordType.exec : RecordType.exit)),
    );
    assert.notEqual(judge(records, 0).isNamed, false);

    const state = new ProcessState(COUNT);
    state.fold(startFact());
    const signals = state.fold({ kind: 'records', time: records.time(0), records });
    execs.renumber(COUNT);
    signals.push(...state.fold({ kind: 'records', time: records.time(0), records }));
    assert.equal(signals.length, 2 * COUNT, 'none is held back');
    assert.equal(new Set(signals.map(({ args }) => args)).size, 2 * COUNT);
    assert.equal(signals[COUNT + 1]!.args, '--number 00000031 --never-run');
    const { name, path, lineage, pid } = signals.at(-1)!;
    assert.deepEqual([name, path, lineage.length], ['made-up', '/usr/local/bin/made-up', 2]);
    assert.ok(state.pids().includes(pid), 'until the next fact');
    state.fold({ kind: 'tick', time: 0, epoch: 0, audience: 'none' });
    assert.deepEqual(state.pids(), [], 'all have ended');
    const end = records.size(0);
    assert.equal(records.size(end), exit_record.SIZE);
    assert.equal(records.pid(end), records.pid(0));
  });

  it('comes to its end, and at once when the run is to end', async () => {
    await warmUp(stateSettings(), new AbortController().signal);
    await warmUp(stateSettings(), AbortSignal.abort());
  });
});
