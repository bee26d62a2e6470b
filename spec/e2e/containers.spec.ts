import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Collector } from '../support/collector.js';
import { Container, v1Controller, type Placement } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';

const POD = 'pod4a1c2b7e-0000-4000-8000-2f5d1c9a7b3e';

/** Cgroups of containers, as those who run them name them. */
const containers: Readonly<Record<string, (id: string) => string>> = {
  'a kubelet': (id) => `kubepods/burstable/${POD}/${id}`,
  'a kubelet with systemd and containerd': (id) =>
    `kubepods.slice/kubepods-${POD}.slice/cri-containerd-${id}.scope`,
  'a kubelet with systemd and CRI-O': (id) => `kubepods.slice/kubepods-${POD}.slice/crio-${id}.scope`,
  'containerd with a slice that is no systemd slice': (id) => `system.slice:cri-containerd:${id}`,
  docker: (id) => `docker/${id}`,
  'docker with systemd': (id) => `system.slice/docker-${id}.scope`,
  podman: (id) => `libpod_parent/libpod-${id}`,
  'podman with systemd': (id) => `machine.slice/libpod-${id}.scope/container`,
  "docker, below that of the container: docker-in-docker's own": (id) => `docker/${id}/init`,
  'a kubelet, below that of the container: a service of systemd': (id) =>
    `kubepods/besteffort/${POD}/${id}/system.slice/web.service`,
  'a kubelet with systemd, below that of the container: its first process': (id) =>
    `kubepods.slice/cri-containerd-${id}.scope/init.scope`,
  'a kubelet with systemd, below that of the container: a session': (id) =>
    `kubepods.slice/cri-containerd-${id}.scope/user.slice/session-1.scope`,
  'a kubelet, deeper below that of the container than any path': (id) =>
    `kubepods/besteffort/${POD}/${id}${'/d'.repeat(200)}`,
};

/** Cgroups that only look similar. */
const lookalikes: Readonly<Record<string, (id: string) => string>> = {
  'with 63 digits': (id) => `kubepods/besteffort/${POD}/${id.slice(1)}`,
  'with 65 digits': (id) => `kubepods/besteffort/${POD}/0${id}`,
  'with a letter that is no digit': (id) => `kubepods/besteffort/${POD}/${id.slice(1)}g`,
  'of the monitor of a podman container': (id) => `machine.slice/libpod-conmon-${id}.scope`,
  'of the monitor of a CRI-O container': (id) => `kubepods.slice/crio-conmon-${id}.scope`,
};

describe('The daemon takes a process to be', () => {
  const keep = resources();
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    collector = await keep(Collector.start(['--scope=all']));
  });

  /** The id that a process in a cgroup is reported with, and the one that a container's should be. */
  async function report(placement: Placement) {
    const container = await keep(Container.create(placement));
    await container.run('exec', workload(), 'exit', container.id);
    const { containerId } = await eventually(
      () =>
        collector.messages
          .flatMap(({ signal }) => signal?.processSignal ?? [])
          .find(({ args }) => args === `exit ${container.id}`),
      `a process in ${container.procs} is reported`,
    );
    return { containerId, expected: container.shortId };
  }

  for (const [runtime, cgroup] of Object.entries(containers)) {
    it(`in a container of ${runtime}`, async () => {
      const { containerId, expected } = await report({ cgroup });
      assert.equal(containerId, expected);
    });
  }

  it('in a container that only a controller of cgroup v1 knows', async function () {
    requires(this, v1Controller !== undefined, 'no cgroup v1 controller is mounted');
    const { containerId, expected } = await report({ hierarchy: v1Controller! });
    assert.equal(containerId, expected);
  });

  it('in a container that only a controller of cgroup v1 knows, with systemd', async function () {
    requires(this, v1Controller !== undefined, 'no cgroup v1 controller is mounted');
    const cgroup = containers['a kubelet with systemd and containerd']!;
    const { containerId, expected } = await report({ hierarchy: v1Controller!, cgroup });
    assert.equal(containerId, expected);
  });

  it('in the container above, if the cgroup below bears the name of another container', async () => {
    const victim = await keep(Container.create());
    await victim.run('exec', workload(), 'exit', 'victim');
    const outer = randomBytes(32).toString('hex');
    const forged = await keep(
      Container.create({ cgroup: () => `docker/${outer}/docker/${victim.id}/deeper` }),
    );
    await forged.run('exec', workload(), 'exit', `forged ${victim.id}`);
    const signal = await collector.shows(
      () => 'a process of the container above',
      () => collector.signals(outer.slice(0, 12)).find(({ args }) => args === `exit forged ${victim.id}`),
    );
    assert.equal(signal.execFilePath, workload());
  });

  it('in the container of a nested runtime, if no other cgroup bears its name', async () => {
    const { containerId, expected } = await report({
      cgroup: (id) => `docker/${randomBytes(32).toString('hex')}/docker/${id}`,
    });
    assert.equal(containerId, expected);
  });

  for (const [what, cgroup] of Object.entries(lookalikes)) {
    it(`on the host in a cgroup ${what}`, async () => {
      const { containerId } = await report({ cgroup });
      assert.equal(containerId, undefined);
    });
  }
});
