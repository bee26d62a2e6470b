import assert from 'node:assert/strict';
import { RecordFlag } from '../../actors/capture/layout.js';
import {
  processArguments,
  processCgroup,
  processLineage,
  processComm,
  processPath,
} from '../../actors/capture/process-record.js';
import { batch, execRecord } from '../support/records.js';

function args(bytes: string | Buffer, flags = 0): string {
  return processArguments(
    batch(execRecord({ path: '/x', args: Buffer.from(bytes), cgroupPath: '/c', flags })),
    0,
  );
}

describe('a process record', () => {
  it('gives name, path and cgroup of the record that is asked for', () => {
    const records = batch(
      execRecord({ comm: 'first', path: '/bin/first', args: ['first'], cgroupPath: '/a' }),
      execRecord({ comm: 'second', path: '/bin/the-second', args: ['second', 'x'], cgroupPath: '/b/c' }),
    );
    const at = records.size(0);
    assert.deepEqual(
      [
        processComm(records, at),
        processPath(records, at),
        processArguments(records, at),
        processCgroup(records, at),
      ],
      ['second', '/bin/the-second', 'x', '/b/c'],
    );
  });

  const cases: readonly (readonly [string, string])[] = [
    ['', ''],
    ['-l\0', '-l'],
    ['-l\0/tmp\0', '-l /tmp'],
    ['-c\0echo a  b\0', '-c echo a  b'],
    ['\0', ''],
    ['\0\0\0\0', ''],
    ['a\0\0b\0', 'a  b'],
    ['a\0\0\0', 'a'],
    ['cut-in-the-middl', 'cut-in-the-middl'],
  ];
  for (const [bytes, expected] of cases) {
    it(`gives the arguments ${JSON.stringify(bytes)} as '${expected}'`, () =>
      assert.equal(args(bytes), expected));
  }

  it('keeps all but half a character of arguments that were cut', () => {
    const cut = Buffer.concat([Buffer.from('caf'), Buffer.of(0xc3)]);
    assert.equal(args(cut, RecordFlag.argsCut), 'caf');
    assert.equal(args(cut), 'caf?');
  });

  it('gives ancestors nearest first, and of equal paths in a row only the nearest', () => {
    const lineage = [
      { pid: 3, uid: 1000, path: '/bin/sh' },
      { pid: 2, uid: 0, path: '/bin/sh' },
      { pid: 1, uid: 0, path: '/sbin/init' },
      { pid: 9, uid: 7, path: '/bin/sh' },
    ];
    const records = batch(execRecord({ path: '/bin/ls', args: ['ls'], cgroupPath: '/odd', lineage }));
    assert.deepEqual(processLineage(records, 0), [lineage[0], lineage[2], lineage[3]]);
  });
});
