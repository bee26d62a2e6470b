import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Collector, DAEMON } from '../support/collector.js';
import { Container, WIRE, wire } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { history } from '../support/history.js';
import { client } from '../support/messages.js';
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
    const signals = collector.signals(container.shortId);
    assert.ok(signals.some(({ args, scraped }) => args === NEIGHBOUR[1] && scraped));
    const own = [realpathSync(process.execPath), path.join(path.dirname(DAEMON), 'self-check')];
    const reported = signals.filter(({ execFilePath }) => own.includes(execFilePath));
    assert.deepEqual(reported, []);
    await eventually(() => collector.stderr.includes('Self-check passed'), 'the self-check passes');
  });

  it('says that its scans see too little, and takes no connection for closed because of that', async () => {
    const [caller, callee] = [await keep(Container.create()), await keep(Container.create())];
    wire(caller, callee);
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
