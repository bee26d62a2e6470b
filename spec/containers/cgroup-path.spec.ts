import assert from 'node:assert/strict';
import { parseCgroup } from '../../actors/capture/procfs/text.js';
import { containerInPath, containerNumberInPath } from '../../actors/containers/cgroup-path.js';
import { containerId } from '../../actors/containers/id.js';
import { cgroupCases, cgroupLines } from '../support/cgroup-corpus.js';
import { containerNumber } from '../support/records.js';

const ID = '4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e';
const SHORT = '4f2a91bc03de';
const POD = 'pod6b8f1f6e-1c5f-4a53-8f3c-0f2f6f6f1a11';

describe('the container that a cgroup path names', () => {
  const named = [
    `/kubepods/burstable/${POD}/${ID}`,
    `/node2/kubepods/besteffort/${POD}/${ID}`,
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-${ID}.scope`,
    `/kubepods.slice/kubepods-pod1.slice/crio-${ID}.scope`,
    `/kubepods.slice/kubepods-pod1.slice/crio-${ID}.scope/container`,
    `/machine.slice/libpod-${ID}.scope`,
    `/machine.slice/libpod-${ID}.scope/container`,
    `/libpod_parent/libpod-${ID}`,
    `/docker/${ID}`,
    `/system.slice/docker-${ID}.scope`,
    `/k8s.io/${ID}`,
    `/system.slice:cri-containerd:${ID}`,
    `/docker/${'b'.repeat(64)}/kubelet/kubepods/${POD}/${ID}`,
    `/docker/${ID.toUpperCase()}`,
  ];
  for (const path of named) it(`is in ${path}`, () => assert.equal(containerInPath(path), SHORT));

  const unnamed = [
    '',
    '/',
    '/user.slice/user-1000.slice/session-1.scope',
    '/system.slice/sshd.service',
    '/init.scope',
    ID,
    `x${ID}`,
    `/x${ID}`,
    `/docker/${ID.slice(1)}`,
    `/docker/${ID}0`,
    `/docker/${ID.slice(0, 63)}g`,
    `/docker/${ID}/nested`,
    `/docker/${ID}/init.scope`,
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/kubepods.slice/crio-conmon-${ID}.scope`,
    `/x-conmon/${ID}`,
    `/init.scope/${ID}`,
  ];
  for (const path of unnamed) it(`is not in '${path}'`, () => assert.equal(containerInPath(path), undefined));
});

describe('the container of a process, by its cgroups', () => {
  for (const { title, expected, text } of cgroupCases) {
    it(`is ${expected ?? 'none'} for ${title}`, () => {
      const { container } = parseCgroup(text, containerNumberInPath);
      assert.equal(containerId(container), expected ?? '');
      // No cgroup of it says anything else.
      for (const { path, controllers } of cgroupLines(text)) {
        const named = containerInPath(path);
        if (named !== undefined && !controllers[0]?.startsWith('name=')) assert.equal(named, expected);
      }
    });
  }
});

describe('the id of a container', () => {
  for (const id of [SHORT, '000000000000', '0000000000ff', 'ffffffffffff']) {
    it(`${id} comes back from its number`, () => assert.equal(containerId(containerNumber(id)), id));
  }

  it('is empty for the host', () => assert.equal(containerId(0), ''));
});
