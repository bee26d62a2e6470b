import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ProcfsFiles } from '../../../actors/capture/procfs/files.js';
import { ProcfsProblems } from '../../../actors/capture/procfs/problems.js';
import { scratchFolder } from '../../support/workload.js';

function counted(problems: ProcfsProblems): Record<string, number> {
  return Object.fromEntries(Object.entries(problems.counts).filter(([, count]) => count > 0));
}

describe('The problems of scans through /proc', () => {
  for (const [file, kind] of [
    ['7/ns/net', 'procfs_could_not_get_network_namespace'],
    ['7/net/tcp', 'procfs_could_not_get_socket_inodes'],
    ['7/fd/3', 'procfs_could_not_get_socket_inodes'],
    ['7/fd', 'procfs_could_not_open_fd_dir'],
    ['7/exe', 'procfs_could_not_read_exe'],
    ['7/stat', 'procfs_could_not_open_pid_dir'],
    ['', 'procfs_could_not_open_proc_dir'],
  ] as const) {
    it(`of "${file}" count as ${kind}`, () => {
      const problems = new ProcfsProblems();
      problems.unreadable(file);
      assert.deepEqual(counted(problems), { [kind]: 1 });
    });
  }

  it('are what is there and cannot be read, not what has gone', () => {
    const folder = path.join(scratchFolder(), 'proc-with-problems');
    mkdirSync(path.join(folder, '7', 'stat'), { recursive: true });
    writeFileSync(path.join(folder, '7', 'exe'), 'no link');
    const problems = new ProcfsProblems();
    const files = new ProcfsFiles(folder, problems);
    assert.equal(files.text('7/stat'), undefined);
    assert.equal(files.link('7/exe'), undefined);
    assert.equal(files.text('8/stat'), undefined);
    assert.deepEqual(counted(problems), { procfs_could_not_open_pid_dir: 1, procfs_could_not_read_exe: 1 });
  });

  it('are one alone when there is no /proc', () => {
    const problems = new ProcfsProblems();
    assert.deepEqual(new ProcfsFiles(path.join(scratchFolder(), 'no-proc'), problems).pids(), []);
    assert.deepEqual(counted(problems), { procfs_could_not_open_proc_dir: 1 });
  });
});
