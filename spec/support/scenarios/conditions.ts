import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, inNetworkOf } from '../container.js';
import { Containerd } from '../containerd.js';
import { eventually } from '../eventually.js';
import { connected, listening } from '../pair.js';
import { TestSensor } from '../sensor.js';
import { visited } from '../stage.js';
import { scratchFolder, unheld, workload } from '../workload.js';
import { CALLER, HOST, REPORT_MS, bash, closed, node, statesOf, type Scenarios } from './scenario.js';

const SHORT_ID = 12;
/** Public addresses of the serving and of the calling container. */
const PUBLIC = '35.127.0.15';
const PEER = '35.127.0.16';
/** Another address of the serving container. */
const OTHER = '10.111.0.200';

/** Ports of connections, by their ends. */
const ENDS = {
  caller: 7001,
  listener: 7002,
  reset: 7003,
  timeout: 7004,
  unaccepted: 7005,
  half: 7006,
  refused: 7007,
};
/** Drops all segments to the server of one connection, which times out then. */
const SILENCE =
  'add table inet silence; add chain inet silence in { type filter hook input priority 0; }; ' +
  `add rule inet silence in tcp dport ${ENDS.timeout} drop;`;

/** Runs by their surroundings: runtime, afterglow, Sensor, rings, configuration and network. */
export const conditions: Scenarios = {
  /** Containers of a runtime come and go, and have names. */
  churn: {
    async play(stage) {
      const containerd = await stage.keep(Containerd.create());
      const collector = await stage.collect({
        ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
        ROX_COLLECTOR_RUNTIME_SOCKETS: containerd.socket,
      });
      const ours = (id: string) => {
        stage.containers.add(id.slice(0, SHORT_ID));
        return id;
      };
      const web = await stage.keep(containerd.run('web-0', { labels: { app: 'web' } }));
      ours(web.id);
      ours(await web.start('server', { command: ['/workload', 'serve', '0.0.0.0', '1000', '8080'] }));
      const address = await web.address();
      for (let number = 0; number < 4; number++) {
        const pod = await containerd.run(`batch-${number}`, { namespace: 'jobs', labels: { app: 'batch' } });
        ours(pod.id);
        await Promise.all(
          ['extract', 'transform', 'load'].map(async (name) => {
            const id = ours(
              await pod.start(name, { command: ['/workload', 'connections', '3', address, '8080'] }),
            );
            await pod.ended(id);
            await pod.removeContainer(id);
          }),
        );
        await pod.remove();
      }
      const again = ours(await web.start('sidecar'));
      await web.stop(again);
      const sidecar = ours(await web.start('sidecar', { attempt: 1 }));
      await eventually(
        () => collector.signals(sidecar.slice(0, SHORT_ID)).length > 0,
        'the sidecar started anew',
      );
      // Containerd 1.6 has no events: Collector asks it every 5 s.
      await sleep(5000 + REPORT_MS);
      await collector.stop();
    },
    check({ facts, lines, signals, connections }) {
      const named = facts.flatMap((fact) => (fact.kind === 'containers' ? fact.updated : []));
      const names = new Set(named.map(({ pod, name }) => `${pod}/${name}`));
      for (const name of ['web-0/server', 'web-0/sidecar']) assert.ok(names.has(name), [...names].join());
      assert.ok(named.filter(({ namespace, name }) => namespace === 'jobs' && name !== '').length >= 6);
      assert.ok(facts.some((fact) => fact.kind === 'containers' && fact.removed.length > 0));
      assert.ok(lines.some((line) => line.includes('shop/web-0/server')));
      assert.equal(signals.filter(({ args }) => args?.startsWith('connections ')).length, 12);
      assert.ok(closed(connections).length > 0);
    },
  },

  /** Connections outlive several periods of a short afterglow; one comes back, mostly within a period. */
  'long-connections': {
    async play(stage) {
      const [caller, host] = await stage.pair();
      const ports = [9001, 9002, 9003, 9004] as const;
      await listening(host, 'serve-all', HOST, String(ports[0]));
      const early = await connected(caller, HOST, ports[0]);
      const collector = await stage.collect({ ROX_ENABLE_AFTERGLOW: 'true', ROX_AFTERGLOW_PERIOD: '2' });
      for (const port of ports.slice(1)) await listening(host, 'serve-all', HOST, String(port));
      const lasting = await connected(caller, HOST, ports[1]);
      const leaving = await connected(caller, HOST, ports[3]);
      for (let round = 0; round < 8; round++) {
        const call = await connected(caller, HOST, ports[2]);
        await sleep(300);
        await caller.stop(call);
        // Most gaps are shorter than the afterglow; one is longer.
        await sleep(round === 4 ? 4500 : 700);
        if (round === 1) await caller.stop(leaving);
        if (round === 6) await caller.stop(early);
      }
      await caller.stop(lasting);
      await sleep(2000 + 2 * REPORT_MS);
      await collector.stop();
    },
    check({ connections, facts }) {
      assert.ok(facts.filter(({ kind }) => kind === 'tick').length >= 12);
      for (const port of [9001, 9002, 9004])
        assert.equal(statesOf(connections, port), 'open closed', String(port));
      assert.equal(statesOf(connections, 9003), 'open closed open closed');
    },
  },

  /** Sensor tells its networks, is away while processes and connections come and go, and hangs up once more. */
  'sensor-outage': {
    async play(stage) {
      const pair = await stage.pair();
      const [caller, host] = pair;
      const sensor = await stage.keep(
        TestSensor.start({ control: { networks: ['10.111.0.0/16'], publicIps: [PUBLIC] } }),
      );
      const collector = await stage.collect({}, { sensor });
      const service = await host.start('exec', workload(), 'serve-all', '0.0.0.0', '8080');
      await service.said('listening');
      const before = await connected(caller, HOST, 8080);
      await sleep(REPORT_MS);
      await sensor.double.refuse();
      await caller.run('execs', '40');
      const during = await connected(caller, HOST, 8080);
      await (
        await visited(pair, 5, HOST, 'exec', workload(), 'serve', HOST, '5')
      ).ended;
      await caller.stop(before);
      await sleep(3 * REPORT_MS);
      const streams = sensor.opened('network').length;
      await sensor.double.accept();
      await sensor.opens('network', streams + 1);
      await caller.run('execs', '5');
      await sleep(2 * REPORT_MS);
      sensor.double.hangUp('signals', 'network');
      await sensor.opens('network', streams + 2);
      await sleep(2 * REPORT_MS);
      await caller.stop(during);
      await host.stop(service);
      await sleep(2 * REPORT_MS);
      await collector.stop();
    },
    check({ facts, signals, connections }) {
      const ticks = facts.flatMap((fact) => (fact.kind === 'tick' ? [fact.audience] : []));
      for (const audience of ['same', 'fresh', 'none'] as const)
        assert.ok(ticks.includes(audience), `a report for ${audience}`);
      assert.ok(ticks.filter((audience) => audience === 'fresh').length >= 3);
      assert.ok(facts.some((fact) => fact.kind === 'control' && fact.networks !== undefined));
      assert.ok(
        facts.some((fact) => fact.kind === 'scan' && fact.of === 'processes' && fact.audience === 'fresh'),
      );
      for (const number of [0, 39]) assert.ok(signals.some(({ args }) => args === `exit ${number}`));
      assert.ok(closed(connections).length > 0);
    },
  },

  /** The Collector stands still while small rings overflow; scans find the lost starts and ends. */
  loss: {
    async play(stage) {
      const [caller, host] = await stage.pair();
      const collector = await stage.collect({
        ROX_COLLECTOR_SINSP_BUFFER_SIZE: '16384',
        ROX_COLLECTOR_SINSP_CPU_PER_BUFFER: '0',
      });
      for (const round of [1, 2]) {
        const [service] = await listening(host, 'exec', workload(), 'serve-all', HOST, String(8080 + round));
        const call = await connected(caller, HOST, 8080 + round);
        const [busy, port] = await listening(host, 'serve', HOST, '100');
        await sleep(REPORT_MS);
        process.kill(collector.pid, 'SIGSTOP');
        await caller.run('execs', '200');
        const unseen = await caller.start('exec', workload(), 'hold', `unseen ${round}`);
        await unseen.said('pid');
        // Fills the ring to the end: it may have room for a socket's record where it has none for a process's.
        await caller.run('connections', '100', HOST, String(port));
        await busy.ended;
        // Their ends are lost, too.
        await caller.stop(call);
        await host.stop(service);
        process.kill(collector.pid, 'SIGCONT');
        await collector.signal(caller.shortId, `hold unseen ${round}`);
        await sleep(2 * REPORT_MS);
        await caller.stop(unseen);
      }
      await collector.stop();
    },
    check({ facts, signals, connections, endpoints, lines, count }) {
      assert.ok(facts.filter((fact) => fact.kind === 'scan' && fact.afterLoss).length >= 2);
      assert.ok(count('exec') < 300 && count('close client') < 150, 'execs and connections were lost');
      for (const round of [1, 2]) {
        assert.ok(signals.some(({ args, scraped }) => args === `hold unseen ${round}` && scraped));
        assert.ok(closed(connections).some(({ remoteAddress }) => remoteAddress.port === 8080 + round));
        assert.ok(
          !lines.some((line) => line.includes(' close ') && line.includes(`→ ${HOST}:${8080 + round} `)),
        );
        assert.ok(closed(endpoints).some(({ listenAddress }) => listenAddress.port === 8080 + round));
      }
    },
  },

  /** External IPs and the rate limit are changed while connections of each kind are open. */
  'runtime-config': {
    async play(stage) {
      const [caller, host] = await stage.pair();
      inNetworkOf(host.pid, [`addr add ${PUBLIC}/32 dev eth0`]);
      inNetworkOf(caller.pid, [`route add ${PUBLIC}/32 dev eth0 src ${CALLER}`]);
      // The caller's address towards this one of the host is public, too.
      inNetworkOf(host.pid, [`addr add ${OTHER}/24 dev eth0`, `route add ${PEER}/32 dev eth0`]);
      inNetworkOf(caller.pid, [`addr add ${PEER}/32 dev eth0`, `route add ${OTHER}/32 dev eth0 src ${PEER}`]);
      const limited = 'maxConnectionsPerMinute: 60';
      const steps = [
        'networking: {externalIps: {enabled: ENABLED, direction: EGRESS}}',
        'networking: {externalIps: {enabled: ENABLED, direction: INGRESS}}',
        'networking: {externalIps: {enabled: ENABLED, direction: BOTH}}',
        `networking: {externalIps: {enabled: DISABLED}, ${limited}}`,
        `networking: {externalIps: {enabled: ENABLED}, ${limited}}`,
        'networking: {maxConnectionsPerMinute: 2048}',
      ];
      const [file, env] = configured(steps[0]!);
      const collector = await stage.collect(env);
      await listening(host, 'serve-all', '0.0.0.0', '8080');
      const outgoing = await connected(caller, PUBLIC, 8080);
      const incoming = await connected(caller, OTHER, 8080);
      for (const [step, text] of steps.entries()) {
        const [most] = await listening(host, 'serve-all', '0.0.0.0', String(8100 + step));
        writeFileSync(file, `${text}\n`);
        await eventually(
          () => collector.stderr.split('is read: ').length >= step + 2,
          `step ${step} is read`,
        );
        const burst = [];
        for (let port = 0; port < 3; port++) burst.push(await connected(caller, HOST, 8100 + step));
        await sleep(2 * REPORT_MS);
        for (const call of burst) await caller.stop(call);
        await host.stop(most);
      }
      writeFileSync(file, 'networking: {externalIps: {enabled: PERHAPS}}\n');
      await eventually(() => collector.stderr.includes("Bad value 'PERHAPS'"), 'a complaint');
      await caller.stop(outgoing);
      await caller.stop(incoming);
      await sleep(2 * REPORT_MS);
      await collector.stop();
    },
    check({ facts, connections }) {
      const configs = facts.filter((fact) => fact.kind === 'config');
      const directions = configs.map(({ externalIps }) => externalIps);
      for (const direction of ['ingress', 'both', 'none'] as const)
        assert.ok(directions.includes(direction), direction);
      const limits = configs.map(({ maxConnectionsPerMinute }) => maxConnectionsPerMinute);
      for (const limit of [60, 2048]) assert.ok(limits.includes(limit));
      const peers = closed(connections).map(({ remoteAddress: { addressData, ipNetwork } }) =>
        Buffer.from(ipNetwork ?? addressData ?? '', 'base64')
          .subarray(0, 4)
          .join('.'),
      );
      for (const peer of ['255.255.255.255', PUBLIC, PEER]) assert.ok(peers.includes(peer), peer);
    },
  },

  /** Two new connections fit into a report. One of each end: by either side, by halves, reset, lost, never accepted. */
  endings: {
    async play(stage) {
      const [caller, host] = await stage.pair();
      // Few attempts: an unanswered end is over within seconds.
      for (const container of [caller, host])
        inNet(container, 'sysctl', '-qw', 'net.ipv4.tcp_retries2=2', 'net.ipv4.tcp_orphan_retries=1');
      const [, env] = configured('networking: {maxConnectionsPerMinute: 120}');
      const collector = await stage.collect(env);
      const serve = async (...words: readonly string[]) => {
        const job = await host.start(...words);
        await job.said('listening');
        return job;
      };
      const port = (end: keyof typeof ENDS) => String(ENDS[end]);
      await serve('serve', HOST, '1', port('caller'));
      const leaving = await serve('serve', HOST, '1', port('listener'));
      await serve(
        ...node(
          'const { JOB } = process.env; require("net").createServer((socket) => socket.on("data", () => ' +
            `socket.resetAndDestroy())).listen(${port('reset')}, () => console.log(\`\${JOB} listening\`))`,
        ),
      );
      await serve('serve', HOST, '1', port('timeout'));
      const queue = await serve('exec', unheld(), 'queue', HOST, port('unaccepted'));
      const half = await serve('serve-on', HOST, port('half'));
      const rest = await serve('exec', workload(), 'listen-many', '1', '8', HOST, '7100');

      await caller.start('connect-from', '6000', HOST, port('refused'));
      const calls = {
        caller: await connected(caller, HOST, ENDS.caller),
        listener: await caller.start(
          ...bash(`exec 3<>/dev/tcp/${HOST}/${port('listener')}; read -r <&3; true`),
        ),
        reset: await caller.start(
          ...bash(
            `exec 3<>/dev/tcp/${HOST}/${port('reset')}; sleep 12; echo >&3; read -r <&3 2>/dev/null; true`,
          ),
        ),
        timeout: await connected(caller, HOST, ENDS.timeout),
        unaccepted: await connected(caller, HOST, ENDS.unaccepted),
        half: await caller.start('connect-half', HOST, port('half')),
      };
      const others = [];
      for (let number = 0; number < 8; number++) others.push(await connected(caller, HOST, 7100 + number));
      // Ends while it waits for a report with room for it.
      await caller.stop(others.pop()!);
      await sleep(10 * REPORT_MS);

      await caller.stop(calls.caller);
      await host.stop(leaving);
      inNet(host, 'nft', SILENCE);
      await caller.stop(calls.timeout);
      await host.stop(queue);
      await host.stop(half);
      for (const call of [calls.listener, calls.reset, calls.half]) await call.ended;
      await sleep(5 * REPORT_MS);
      for (const call of others) await caller.stop(call);
      await host.stop(rest);
      await sleep(2 * REPORT_MS);
      await collector.stop();
    },
    check({ messages, connections }) {
      for (const [end, port] of Object.entries(ENDS))
        assert.equal(statesOf(connections, port), end === 'refused' ? '' : 'open closed', end);
      const news = messages.map(
        ({ info }) =>
          info?.updatedConnections?.filter(
            ({ role, closeTimestamp }) => role === 'ROLE_CLIENT' && closeTimestamp === undefined,
          ).length ?? 0,
      );
      assert.equal(Math.max(...news), 2, 'the limit is reached');
      assert.ok(news.filter((count) => count > 0).length >= 6, 'connections wait for later reports');
    },
  },
};

/** Writes a runtime configuration. @returns its file, and the settings to have it read, without a container runtime */
function configured(text: string): [string, Readonly<Record<string, string>>] {
  // A folder of its own: each write to the recording would put off the reading by another second.
  const file = path.join(mkdtempSync(path.join(scratchFolder(), 'config-')), 'runtime.yaml');
  writeFileSync(file, `${text}\n`);
  const env = {
    ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
    ROX_COLLECTOR_RUNTIME_SOCKETS: `${file}.none`,
    ROX_COLLECTOR_CONFIG_PATH: file,
  };
  return [file, env];
}

function inNet({ pid }: Container, ...command: readonly string[]): void {
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command]);
}
