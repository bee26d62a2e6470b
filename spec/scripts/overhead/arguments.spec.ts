import assert from 'node:assert/strict';
import { BadUsage } from '../../../scripts/command.js';
import { readPlan } from '../../../scripts/overhead/arguments.js';

describe('arguments of the bill', () => {
  it('are 30 rounds of Collector with all work in both places, if there are none', () => {
    const { rounds, agents, places, workloads, minutes } = readPlan([]);
    assert.equal(rounds, 30);
    assert.deepEqual(agents, ['collector']);
    assert.deepEqual(places, ['containers', 'host']);
    assert.ok(workloads.includes('connect') && workloads.includes('pgbench'));
    assert.equal(minutes, Infinity);
  });

  it('choose work in the order of the table, and --quick yields to other numbers', () => {
    const { workloads, rounds, seconds } = readPlan(['--only=exec,connect', '--quick', '--rounds=1']);
    assert.deepEqual(workloads, ['connect', 'exec']);
    assert.deepEqual([rounds, seconds], [1, 0.3]);
  });

  it('give peers with how to know that they are ready', () => {
    const { peers } = readPlan([
      ...['--peer=old=run --all=1', '--peer=other=./x | y', '--peer=third=z', '--peer=last=w'],
      ...['--peer-ready=it is up', '--peer-ready=/run/x.pid', '--peer-ready=1.5'],
    ]);
    assert.deepEqual(peers, [
      { name: 'old', command: 'run --all=1', ready: { line: 'it is up' } },
      { name: 'other', command: './x | y', ready: { file: '/run/x.pid' } },
      { name: 'third', command: 'z', ready: { seconds: 1.5 } },
      { name: 'last', command: 'w', ready: { seconds: 5 } },
    ]);
  });

  const wrong: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [['--only=redsi'], /^Bad value 'redsi' for argument --only: did you mean redis\? \(allowed: connect, /],
    [['--rounds=0'], /^Bad value '0' for argument --rounds \(allowed: whole numbers from 1\)$/],
    [['--rounds=2.5'], /^Bad value '2.5' for argument --rounds/],
    [['--seconds='], /^Bad value '' for argument --seconds/],
    [['--places=moon'], /^Bad value 'moon' for argument --places \(allowed: containers, host\)$/],
    [['--peer=nothing'], /^Bad value 'nothing' for argument --peer \(allowed: a name /],
    [['--peer=collector=x'], /^Bad value 'collector=x' for argument --peer \(allowed: a name other than /],
    [['--peer-ready=5'], /^There are 1 --peer-ready, but only 0 --peer\.$/],
    [['--onyl=exec'], /^Unknown argument '--onyl': did you mean --only\? \(allowed: --only, /],
    [['exec'], /^Unknown argument 'exec'/],
    [['--json=yes'], /--json/],
  ];
  for (const [words, message] of wrong) {
    it(`refuse ${words.join(' ')}`, () => {
      assert.throws(
        () => readPlan(words),
        (error: unknown) => {
          assert.ok(error instanceof BadUsage);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});
