import assert from 'node:assert/strict';
import { RecordFlag } from '../../actors/capture/layout.js';
import { ContainerState } from '../../actors/containers/state.js';
import { batch, execRecord, exitRecord, processRecord } from '../support/records.js';

const ID = '4f2a91bc03de';
const REST = '5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e';

function fold(...records: readonly Uint8Array[]) {
  const state = new ContainerState();
  const told = state.fold({ kind: 'records', time: 1, records: batch(...records) });
  return { told, size: state.size };
}

describe('the containers that were seen', () => {
  it('are those with processes, each once, and never the host', () => {
    const container = { container: ID, cgroupPath: `/docker/${ID}${REST}` };
    const { told, size } = fold(
      execRecord(container),
      processRecord(container),
      execRecord({ cgroupPath: '/user.slice' }),
      exitRecord({ container: 'aaaaaaaaaaaa' }),
    );
    assert.deepEqual({ told, size }, { told: [], size: 1 });
  });

  it('are told, once, when their cgroup names another container or none', () => {
    const cgroupPath = `/docker/bbbbbbbbbbbb${REST}`;
    const wrong = execRecord({ container: ID, cgroupPath });
    const none = execRecord({ container: 'cccccccccccc', cgroupPath: '/user.slice' });
    assert.deepEqual(fold(wrong, none, wrong).told, [
      { id: ID, cgroup: cgroupPath, isNamed: false },
      { id: 'cccccccccccc', cgroup: '/user.slice', isNamed: false },
    ]);
  });

  it('are not held against a path that was cut', () => {
    assert.deepEqual(
      fold(execRecord({ container: ID, cgroupPath: 'x', flags: RecordFlag.cgroupCut })).told,
      [],
    );
  });

  it('are bounded', () => {
    const many = Array.from({ length: 5000 }, (_, n) =>
      execRecord({ container: n.toString(16).padStart(12, '0'), flags: RecordFlag.cgroupCut }),
    );
    assert.equal(fold(...many).size, 4096);
  });
});
