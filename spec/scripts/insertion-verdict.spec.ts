import assert from 'node:assert/strict';
import { judgeInsertion } from '../../scripts/kernels/insertion-verdict.js';

const END = '== end\n';

describe('The judgement of trials with the kernel module', () => {
  it('takes nothing for granted', () => {
    assert.deepEqual(judgeInsertion('').faults, ['the machine did not run to its end']);
    const { release, faults } = judgeInsertion(`\n== kernel\n6.1.0\n${END}`);
    assert.equal(release, '6.1.0');
    for (const trial of [
      'run',
      'killed',
      'successor',
      'waiting',
      'load',
      'check',
      'foreignmodule',
      'lockdown',
    ])
      assert.ok(
        faults.some((fault) => fault.startsWith(`${trial}: no `)),
        trial,
      );
  });

  it('knows the good outcome of a trial, and hooks lost in it', () => {
    const killed = (output: string) =>
      judgeInsertion(`\n== killed\n${output}${END}`).faults.filter((fault) => fault.startsWith('killed'));
    assert.deepEqual(killed('exit code 137\nmodule: 0 users\n'), []);
    assert.equal(killed('exit code 137\nmodule: 2 users\n').length, 1);
    assert.deepEqual(killed('module: 0 users\nSomebody detached BPF programs\n'), [
      'killed: Somebody detached',
    ]);
  });

  it('reads the log of the kernel', () => {
    const { faults } = judgeInsertion(
      `\n== dmesg\ncollector: loading out-of-tree module taints kernel.\nBUG: unable to handle page fault\n${END}`,
    );
    assert.ok(faults.includes('BUG: unable to handle page fault'));
    assert.ok(!faults.some((fault) => fault.includes('taints')));
  });
});
