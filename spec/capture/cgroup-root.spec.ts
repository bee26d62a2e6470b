import assert from 'node:assert/strict';
import { cgroupRoot } from '../../actors/capture/cgroup-root.js';
import { cgroupHierarchies } from '../support/container.js';
import { scratchFolder } from '../support/workload.js';
import { requires } from '../support/requirements.js';

/** As the kernel writes them, by folder. */
function mountinfo(...folders: string[]): string {
  return folders.map((folder) => `41 31 0:38 / ${folder} rw,relatime - cgroup2 cgroup2 rw\n`).join('');
}

describe('The root of the cgroup2 hierarchy', () => {
  const real = cgroupHierarchies().get('v2');

  it('is where it is mounted', function () {
    requires(this, real !== undefined, 'no cgroup2 is mounted');
    assert.equal(cgroupRoot(''), real);
    assert.equal(cgroupRoot('', mountinfo('/nowhere', real!)), real);
  });

  it('is not a mount that only shows a part of it', () => {
    assert.equal(cgroupRoot('', mountinfo(scratchFolder())), undefined);
  });

  it('is nowhere without a mount', () => {
    assert.equal(cgroupRoot('', '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n'), undefined);
  });
});
