import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmdirSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Collector, DAEMON } from '../support/collector.js';
import { Container, WIRE, type Job } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { history } from '../support/history.js';
import { client, endpoint, server, type Endpoint, type ProcessSignal } from '../support/messages.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';

const ENOUGH = 5;
const TICK_MS = 1000;
const NEIGHBOUR = ['sleep', '86399'] as const;

/**
 * As a pod that shares the node's network, and not its pids: in the container's cgroup, and in a pid namespace, where a
 * shell is pid 1 and another process runs as well.
 */
function inPod(container: Container): string[] {
  const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  return enter(container, ...unshare, 'sh', '-c', `${NEIGHBOUR.join(' ')} >/dev/null & "$0" "$@"; exit $?`);
}

/** The command that runs another one in the container's cgroup. */
function enter(container: Container, ...command: readonly string[]): [string, ...string[]] {
  return ['sh', '-c', 'echo 0 >"$0" && exec "$@"', container.procs, ...command];
}

describe('The daemon in a pid namespace of its own', () => {
  const keep = resources();
  let container: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    container = await keep(Container.create());
  });

  it('reports who is in its container, but not itself', async () => {
    const collector = await keep(Collector.start([], { through: inPod(container) }));
    await container.run('exec', workload(), 'exit', 'beside');
    await collector.signal(container.shortId, 'exit beside');
    assert.equal((await collector.signal(container.shortId, NEIGHBOUR[1])).scraped, true);
    await eventually(() => collector.stderr.includes('Self-check passed'), 'the self-check passes');
    assert.deepEqual(collector.signals(container.shortId).filter(isOwn), []);
  });

  it('says that its scans see too little, and takes no connection for closed because of that', async () => {
    const [caller, callee] = await pair(keep);
    const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
    const collector = await keep(Collector.start([], { through: inPod(container), env }));
    assert.match(collector.stderr, /\[WARNING .*pid namespace of its own.*hostPID: true/);
    const serving = await callee.start('serve', '0.0.0.0', '1');
    const port = Number(await serving.said('listening'));
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
    const outgoing = client(caller.shortId, WIRE.v4[1], port);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await sleep(3 * TICK_MS);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    await caller.stop(call);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
  });

  it('shows the connections of others in its container, but not its own', async () => {
    const server = await keep(listen());
    // The daemon itself connects, time and again.
    const connects = `
      import net from 'node:net';
      setInterval(() => net.connect(${server.port}, '127.0.0.1', function () { this.end(); }), 50).unref();`;
    const collector = await keep(
      Collector.start(['--format=compact'], {
        through: inPod(container),
        env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(connects)}` },
      }),
    );
    const before = server.accepted;
    await eventually(() => server.accepted >= before + ENOUGH, 'the daemon connects');

    const [command, ...args] = enter(
      container,
      workload(),
      'connections',
      '1',
      '127.0.0.1',
      String(server.port),
    );
    await promisify(execFile)(command, args);

    const shown = () => collector.lines.filter((line) => line.includes(`127.0.0.1:${server.port}`));
    await collector.shows(
      () => `the end of a connection, among ${shown().join('\n')}`,
      () => shown().some((line) => /\bclose\b/.test(line)),
    );
    const connections = shown().filter((line) => !/\bexec\b/.test(line));
    assert.equal(connections.length, 2, connections.join('\n'));
    for (const line of connections) {
      assert.ok(line.includes(container.shortId) && line.includes('workload'), line);
    }
  });
});

describe("The daemon in a pid namespace of its own, with the host's /proc mounted", function () {
  this.timeout(30_000);
  const keep = resources();
  let collector: Collector;
  let pod: Container;
  let caller: Container;
  let callee: Container;
  let older: { listener: Job; call: Job; port: number };

  before(async function () {
    requires(this, isRoot, 'no root');
    pod = await keep(Container.create());
    [caller, callee] = await pair(keep);
    // A port by which a scan can tell which side serves.
    const listener = await callee.start('exec', workload(), 'serve', '0.0.0.0', '9', '8080');
    const port = Number(await listener.said('listening'));
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
    older = { listener, call, port };
    await caller.start('spawn', '/bin/sleep', '86398');

    const hostRoot = mkdtempSync(path.join(tmpdir(), 'collector-host-root-'));
    mkdirSync(path.join(hostRoot, 'proc'));
    // Folder by folder, so that no mount could ever be emptied.
    await keep({ remove: () => [path.join(hostRoot, 'proc'), hostRoot].forEach((one) => rmdirSync(one)) });
    collector = await keep(
      Collector.start([], {
        through: [...withHostProc(hostRoot), ...inPod(pod)],
        env: {
          ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
          ROX_ENABLE_AFTERGLOW: 'false',
          COLLECTOR_HOST_ROOT: hostRoot,
        },
      }),
    );
    assert.match(
      collector.stderr,
      new RegExp(`Scans go through ${hostRoot}/proc: .*pid namespace of its own`),
    );
    assert.doesNotMatch(collector.stderr, /\[WARNING/);
  });

  it('reports processes that ran before, once, with their ancestors', async () => {
    const signal = await collector.signal(caller.shortId, '86398');
    assert.equal(signal.scraped, true);
    assert.equal(signal.name, 'sleep');
    assert.deepEqual(
      signal.lineageInfo?.map(({ parentExecFilePath }) => parentExecFilePath),
      [workload()],
    );
    assert.equal(collector.signals(caller.shortId).filter(({ args }) => args === '86398').length, 1);
  });

  it('reports who is in its container, but not itself', async () => {
    const neighbour = await collector.signal(pod.shortId, NEIGHBOUR[1]);
    assert.equal(neighbour.scraped, true);
    await eventually(() => collector.stderr.includes('Self-check passed'), 'the self-check passes');
    assert.deepEqual(collector.signals(pod.shortId).filter(isOwn), []);
  });

  it('reports the end of a connection from before, by the scan that misses it', async () => {
    const outgoing = client(caller.shortId, WIRE.v4[1], older.port);
    const incoming = server(callee.shortId, older.port, WIRE.v4[0]);
    assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
    assert.deepEqual(await history(collector, incoming, 'open'), ['open']);
    await caller.stop(older.call);
    assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
    assert.deepEqual(await history(collector, incoming, 'closed'), ['open', 'closed']);
  });

  it('reports a port that was listened on before until it is no more', async () => {
    const expected = served(callee, older.port, '9 8080');
    assert.deepEqual(await history(collector, expected, 'open'), ['open']);
    await callee.stop(older.listener);
    assert.deepEqual(await history(collector, expected, 'closed'), ['open', 'closed']);
  });

  it('reports what events and scans see as one, however many scans there are', async () => {
    const listener = await callee.start('exec', workload(), 'serve', '0.0.0.0', '8');
    const port = Number(await listener.said('listening'));
    const call = await caller.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
    const expected = [
      served(callee, port, '8'),
      client(caller.shortId, WIRE.v4[1], port),
      server(callee.shortId, port, WIRE.v4[0]),
    ] as const;
    for (const one of expected) assert.deepEqual(await history(collector, one, 'open'), ['open']);
    await sleep(3 * TICK_MS);
    for (const one of expected) assert.deepEqual(await history(collector, one, 'open'), ['open']);
    await caller.stop(call);
    await callee.stop(listener);
    for (const one of expected) {
      assert.deepEqual(await history(collector, one, 'closed'), ['open', 'closed']);
    }
  });
});

/** Whether a signal is of the daemon or its self-check. */
function isOwn({ execFilePath }: ProcessSignal): boolean {
  return [realpathSync(process.execPath), path.join(path.dirname(DAEMON), 'self-check')].includes(
    execFilePath,
  );
}

/** The command that runs another one where the host's /proc is also to be found below `hostRoot`. */
function withHostProc(hostRoot: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', `mount --bind /proc ${hostRoot}/proc && exec "$0" "$@"`];
}

/** The endpoint of a job that serves on any IPv4 address. */
function served(container: Container, port: number, count: string): Endpoint {
  return endpoint(container.shortId, 'IPV4', port, {
    processName: 'workload',
    processExecFilePath: workload(),
    processArgs: `serve 0.0.0.0 ${count}`,
  });
}

/** A server that closes each connection when its peer does. */
async function listen() {
  const server: Server = createServer((socket) => socket.on('error', () => undefined).resume());
  const counts = { accepted: 0 };
  server.on('connection', () => counts.accepted++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return counts.accepted;
    },
    remove: () => {
      server.close();
    },
  };
}
