import assert from 'node:assert/strict';
import path from 'node:path';
import { openRecording } from '../../actors/capture/replayer.js';
import { ContainerState } from '../../actors/containers/state.js';
import type { ContainerMetadata } from '../../actors/capture/facts.js';
import { Collector, runToEnd } from '../support/collector.js';
import { Containerd, IMAGE, type Pod } from '../support/containerd.js';
import { eventually } from '../support/eventually.js';
import { Podman } from '../support/podman.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { scratchFolder } from '../support/workload.js';

const SHORT_ID = 12;
const SERVE_PORT = 8080;
/** Containers that come and go, and how many at once. */
const MANY = 80;
const AT_ONCE = 8;

describe('With real container runtimes, the daemon', function () {
  this.timeout(60_000);
  const keep = resources();
  const recording = path.join(scratchFolder(), 'runtimes.collector');
  let containerd: Containerd;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    containerd = await keep(Containerd.create());
    const env = {
      ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
      ROX_COLLECTOR_RUNTIME_SOCKETS: `${containerd.socket},${containerd.socket}.not-there`,
      ROX_COLLECTOR_SCRAPE_INTERVAL: '2',
    };
    collector = await keep(Collector.start([`--record=${recording}`], { env }));
  });

  /** What the daemon has been told of a container. */
  async function metadata(id: string): Promise<ContainerMetadata> {
    return eventually(() => named().metadata(id.slice(0, SHORT_ID)), `container ${id} has a name`);
  }

  /** The containers in the recording as it is now; its last frame may be half written. */
  function named(): ContainerState {
    const state = new ContainerState();
    try {
      for (const fact of openRecording(recording).facts) state.fold(fact);
    } catch (error) {
      assert.match((error as Error).message, /ends inside a frame/);
    }
    return state;
  }

  /** Asserts that a program that is started in a running container is told of that one. */
  async function tellsExec(pod: Pod, id: string, mark: string): Promise<void> {
    await pod.exec(id, '/workload', 'exit', mark);
    const signal = await collector.signal(id.slice(0, SHORT_ID), `exit ${mark}`);
    assert.equal(signal.execFilePath, '/workload');
  }

  it('tells two containers of a pod apart, and knows what they and their pod are called', async () => {
    const pod = await keep(containerd.run('web-0', { labels: { app: 'web' } }));
    const [front, back] = [await pod.start('front'), await pod.start('back')];
    await tellsExec(pod, front, 'in-front');
    await tellsExec(pod, back, 'in-back');
    assert.ok(!collector.signals(back.slice(0, SHORT_ID)).some(({ args }) => args === 'exit in-front'));
    const expected = { namespace: 'shop', pod: 'web-0', podUid: pod.uid, imageDigest: '' };
    for (const [name, id] of Object.entries({ front, back })) {
      const labels = { app: 'web', tier: name };
      assert.deepEqual(await metadata(id), {
        ...expected,
        id: id.slice(0, SHORT_ID),
        name,
        image: IMAGE,
        labels,
      });
    }
    assert.deepEqual(await metadata(pod.id), {
      ...expected,
      id: pod.id.slice(0, SHORT_ID),
      name: '',
      image: '',
      labels: { app: 'web' },
    });
  });

  it("attributes a pod's processes that share the host's pids", async () => {
    const pod = await keep(containerd.run('host-pid', { hostPid: true }));
    const id = await pod.start('main');
    await tellsExec(pod, id, 'host-pid');
    assert.equal((await metadata(id)).pod, 'host-pid');
  });

  it('attributes both ends of a connection, one of them in a pod in the network of the host', async () => {
    const server = await keep(containerd.run('server'));
    const serving = await server.start('main', {
      command: ['/workload', 'serve', '0.0.0.0', '3', String(SERVE_PORT)],
    });
    containerd.joinNetwork();
    const client = await keep(containerd.run('host-network', { hostNetwork: true }));
    const id = await client.start('main');
    await client.exec(id, '/workload', 'connections', '3', await server.address(), String(SERVE_PORT));
    const roles: readonly (readonly [string, string])[] = [
      [serving, 'ROLE_SERVER'],
      [id, 'ROLE_CLIENT'],
    ];
    for (const [container, role] of roles) {
      const found = await collector.shows(
        () => `a connection of ${container}`,
        () => collector.connections(container.slice(0, SHORT_ID))[0],
      );
      assert.equal(found.role, role);
    }
  });

  it('tells an init container from the one that comes after it', async () => {
    const pod = await keep(containerd.run('with-init'));
    const first = await pod.start('init', { command: ['/workload', 'exit', 'init'] });
    await pod.ended(first);
    const main = await pod.start('main');
    await collector.signal(first.slice(0, SHORT_ID), 'exit init');
    await tellsExec(pod, main, 'after-init');
    assert.equal((await metadata(first)).name, 'init');
    assert.equal((await metadata(main)).name, 'main');
  });

  it('takes a container that was restarted for another one of the same name', async () => {
    const pod = await keep(containerd.run('restarted'));
    const before = await pod.start('main');
    await tellsExec(pod, before, 'before');
    await pod.stop(before);
    const after = await pod.start('main', { attempt: 1 });
    await tellsExec(pod, after, 'after');
    assert.notEqual(before, after);
    for (const id of [before, after]) assert.equal((await metadata(id)).name, 'main');
  });

  it('attributes the processes of a privileged container', async () => {
    const pod = await keep(containerd.run('privileged', { privileged: true }));
    const id = await pod.start('main');
    await tellsExec(pod, id, 'privileged');
    assert.equal((await metadata(id)).pod, 'privileged');
  });

  it('has the names of new pods after the runtime was restarted, and still those of old ones', async () => {
    const old = await keep(containerd.run('old'));
    const before = await old.start('main');
    await metadata(before);
    await containerd.stop();
    await containerd.start();
    const fresh = await keep(containerd.run('fresh'));
    const after = await fresh.start('main');
    assert.equal((await metadata(after)).pod, 'fresh');
    assert.equal((await metadata(before)).pod, 'old');
    const warnings = collector.stderr.match(/does not tell the names/g) ?? [];
    assert.ok(warnings.length <= 1, collector.stderr);
  });

  it(`attributes each of ${MANY} containers that come and go while connections run`, async function () {
    this.timeout(180_000);
    const server = await keep(containerd.run('busy-server'));
    await server.start('main', { command: ['/workload', 'serve', '0.0.0.0', '1000000', String(SERVE_PORT)] });
    const client = await keep(containerd.run('busy-client'));
    const address = await server.address();
    const connecting = await client.start('main', {
      command: ['/workload', 'connections', '1000000', address, String(SERVE_PORT)],
    });
    const pod = await keep(containerd.run('crowd', { hostNetwork: true }));
    const marks = new Map<string, string>();
    let next = 0;
    const worker = async () => {
      for (let number = next++; number < MANY; number = next++) {
        const mark = `crowd-${number}`;
        const id = await pod.start(mark, { command: ['/workload', 'exit', mark] });
        marks.set(mark, id.slice(0, SHORT_ID));
        await pod.ended(id);
        await pod.removeContainer(id);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const signals = () =>
      collector.messages
        .flatMap(({ signal }) => signal?.processSignal ?? [])
        .filter(({ args }) => args?.startsWith('exit crowd-') === true);
    await collector.shows(
      () => `${MANY} processes, not ${signals().length}`,
      () => signals().length >= MANY,
    );
    const told = signals().map(({ args = '', containerId = '' }) => [
      args.slice('exit '.length),
      containerId,
    ]);
    assert.deepEqual(Object.fromEntries(told), Object.fromEntries(marks));
    assert.equal(told.length, MANY, 'each is told once');
    await collector.shows(
      () => 'the connections of the busy client',
      () => collector.connections(connecting.slice(0, SHORT_ID)).length > 0,
    );
  });

  it('attributes the processes of a podman container', async () => {
    const podman = await keep(new Podman());
    const id = podman.start('/workload', 'hold');
    await collector.signal(id.slice(0, SHORT_ID), 'hold');
    podman.exec(id, '/workload', 'exit', 'in-podman');
    await collector.signal(id.slice(0, SHORT_ID), 'exit in-podman');
  });

  it('shows pods by name to a person, and so does the replay', async () => {
    const file = path.join(scratchFolder(), 'names.collector');
    const env = {
      ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
      ROX_COLLECTOR_RUNTIME_SOCKETS: containerd.socket,
    };
    const pod = await keep(containerd.run('shown'));
    const id = await pod.start('main');
    const view = await keep(Collector.start(['--format=compact', `--record=${file}`], { env }));
    await eventually(async () => {
      await pod.exec(id, '/workload', 'exit', 'shown');
      return view.lines.some(
        (line) => line.includes('shop/shown/main') && line.endsWith('/workload exit shown'),
      );
    }, 'a line has the name of the pod');
    await view.stop();
    const { stdout } = await runToEnd([`--replay=${file}`]);
    assert.equal(stdout, view.stdout);
  });
});
