import assert from 'node:assert/strict';
import fc from 'fast-check';
import { membershipIn, parseCgroupLines } from '../../actors/capture/procfs/text.js';
import { ContainerNames, containerInPath, isContainerInPath } from '../../actors/containers/cgroup-path.js';
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
    `/docker/${ID}/nested`,
    `/docker/${ID}/init`,
    `/docker/${ID}/init.scope`,
    `/docker/${ID}/system.slice/web.service`,
    `/kubepods.slice/cri-containerd-${ID}.scope/init.scope`,
    `/kubepods.slice/cri-containerd-${ID}.scope/user.slice/session-1.scope`,
    `/kubepods.slice/cri-containerd-${ID}.scope/docker/${'b'.repeat(64)}`,
    `/docker/${ID}/init.scope/docker/${'b'.repeat(64)}`,
    `/docker/${ID}/libpod-conmon-${'b'.repeat(64)}.scope`,
    `/docker/${ID}/x-conmon/${'b'.repeat(64)}`,
    `/docker/${ID}${'/d'.repeat(3000)}`,
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
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/kubepods.slice/crio-conmon-${ID}.scope`,
    `/x-conmon/${ID}`,
    `/init.scope/${ID}`,
  ];
  for (const path of unnamed) it(`is not in '${path}'`, () => assert.equal(containerInPath(path), undefined));
});

describe('the names of containers below others', () => {
  const [A, B, K] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];

  /** What is said of each path, when all of them are there. */
  function told(names: ContainerNames, ...paths: readonly string[]): string[] {
    names.begin();
    for (const path of paths) names.note('', path);
    names.settle();
    return paths.map((path) => containerId(names.containerOf('', path).container).slice(0, 1));
  }

  it('are those of a nested runtime, unless another cgroup bears them', () => {
    assert.deepEqual(told(new ContainerNames(), `/docker/${A}/docker/${K}`), ['c']);
    const forged = [`/docker/${A}/${K}`, `/docker/${A}/x/${K}/y`, `/docker/${A}/${B}/${K}`];
    for (const path of forged) {
      for (const order of [[path, `/docker/${K}`] as const, [`/docker/${K}`, path] as const]) {
        const [first, second] = told(new ContainerNames(), ...order);
        assert.deepEqual([first, second].sort(), [path.includes(B) ? 'b' : 'a', 'c'], order.join());
      }
    }
  });

  it('go to the first of two below containers, until that is gone', () => {
    const names = new ContainerNames();
    const [first, second] = [`/docker/${B}/${K}`, `/docker/${A}/${K}`];
    assert.deepEqual(told(names, first), ['c']);
    assert.deepEqual(told(names, second, first), ['a', 'c']);
    assert.deepEqual(told(names, second), ['c']);
  });

  it('never take from a container that is below none what is in it, however they are made', () => {
    const part = fc.oneof(
      fc.constantFrom(A, B, K, `x-${K}`, `x-conmon-${K}.scope`, `x-${B}.scope`, 'init.scope', 'x-conmon'),
      fc.constantFrom('a', 'system.slice', 'b.service'),
    );
    const below = fc.array(part, { maxLength: 6 }).map((parts) => parts.map((one) => `/${one}`).join(''));
    fc.assert(
      fc.property(fc.array(below, { maxLength: 5 }), below, (others, path) => {
        const top = 'd'.repeat(64);
        const names = new ContainerNames();
        const own = `/docker/${top}${path}`;
        const real = [A, B, K].map((id) => `/docker/${id}`);
        told(names, ...others.map((other) => `/docker/${top}${other}`), own, ...real);
        // All other names are those of containers that are there: whatever it claims, it stays where it is.
        assert.equal(containerId(names.containerOf('', own).container), top.slice(0, 12));
        assert.ok(isContainerInPath(top.slice(0, 12), own));
        assert.equal(containerId(names.containerOf('', own).outermost), top.slice(0, 12));
        for (const one of real)
          assert.equal(
            names.containerOf('', one).container,
            containerNumber(one.split('/').at(-1)!.slice(0, 12)),
          );
      }),
    );
  });
});

describe('the container of a process, by its cgroups', () => {
  for (const { title, expected, text } of cgroupCases) {
    it(`is ${expected ?? 'none'} for ${title}`, () => {
      const names = new ContainerNames();
      const { container } = membershipIn(parseCgroupLines(text), (...cgroup) => names.containerOf(...cgroup));
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
