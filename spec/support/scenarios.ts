import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, WIRE, inNetworkOf } from './container.js';
import { Containerd } from './containerd.js';
import type { Content } from './content.js';
import { eventually } from './eventually.js';
import type { Connection, Endpoint } from './messages.js';
import { connected, listening } from './pair.js';
import { TestSensor } from './sensor.js';
import { Stage, visited } from './stage.js';
import { scratchFolder, unheld, workload } from './workload.js';

/** A kind of run that the corpus has a recording of. */
interface Scenario {
  /** Makes what is to be watched, starts the Collector, and ends it when all has happened. */
  readonly play: (stage: Stage) => Promise<void>;
  /** @throws AssertionError if the recording lacks what it is named for */
  readonly check: (content: Content) => void;
}

/** Longer than from one report to the next. */
const REPORT_MS = 1200;
const SHORT_ID = 12;
const [CALLER, HOST] = WIRE.v4;
/** An address of the container that serves that is no private one. */
const PUBLIC = '35.127.0.15';
const PEER = '35.127.0.16';
const OTHER = '10.111.0.200';
const bash = (text: string) => ['exec', '/bin/bash', '-c', text] as const;
const node = (text: string) => ['exec', process.execPath, '-e', text] as const;

/** Plays a scenario. @returns what the Collector printed, and the short ids of the scenario's containers */
export async function perform(name: string, ...args: readonly string[]) {
  const stage = new Stage(args);
  try {
    await scenarios[name]!.play(stage);
    return { stdout: stage.stdout, containers: stage.containers };
  } finally {
    await stage.remove();
  }
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  /** A little of all there is: execs, and connections over IPv4 and IPv6, one of them from before the Collector. */
  'first-run': {
    async play(stage) {
      const [shop, store] = await stage.pair();
      const early = await store.start('exec', workload(), 'serve', HOST, '1', '8080');
      const call = await connected(shop, HOST, Number(await early.said('listening')));
      const collector = await stage.collect();
      await shop.run('as', '1000', '1000', 'spawn', workload(), 'spawn', workload(), 'exit', 'two words');
      await shop.run('invalid-exec');
      await shop.run('long-exec', '20', '1024');
      await shop.run('execs', '3');
      await shop.stop(call);
      for (const address of [HOST, WIRE.v6[1], '::1']) {
        const from = address === '::1' ? store : shop;
        await (
          await visited([from, store], 2, address, 'exec', workload(), 'serve', address, '2')
        ).ended;
      }
      // Open for longer than a report takes, so that what follows is the end of something reported.
      const late = await store.start('exec', workload(), 'serve', WIRE.v6[1], '1');
      const lateCall = await connected(shop, WIRE.v6[1], Number(await late.said('listening')));
      await sleep(REPORT_MS);
      await shop.stop(lateCall);
      await late.ended;
      await collector.stop();
    },
    check({ signals, connections, endpoints }) {
      assert.ok(signals.some(({ scraped }) => scraped));
      for (const role of ['ROLE_CLIENT', 'ROLE_SERVER'])
        assert.ok(closed(connections).some((connection) => connection.role === role));
      assert.ok(closed(endpoints).length > 0);
    },
  },

  /** A web server in one container, and many clients of it in another, with the afterglow that is the default. */
  'web-load': {
    async play(stage) {
      const [clients, server] = await stage.pair();
      const collector = await stage.collect({ ROX_ENABLE_AFTERGLOW: 'true' });
      const serving = await server.start(
        ...node(
          'const { createServer } = require("http"); const { JOB } = process.env; for (const port of [8080, 8081]) ' +
            'createServer((request, response) => response.end("hello")).listen(port, () => console.log(`${JOB} on ${port}`))',
        ),
      );
      for (const port of ['8080', '8081']) await serving.said(`on ${port}`);
      await Promise.all(
        Array.from({ length: 12 }, async (_, number) => {
          const address = number % 3 === 0 ? `[${WIRE.v6[1]}]` : HOST;
          const keeps = number % 4 === 0 ? 'keep-alive' : 'close';
          const url = `http://${address}:${8080 + (number % 2)}/client-${number}/[1-12]`;
          await clients.run(
            'exec',
            '/usr/bin/curl',
            '-s',
            '-o',
            '/dev/null',
            '-H',
            `Connection: ${keeps}`,
            url,
          );
        }),
      );
      await sleep(REPORT_MS);
      await server.stop(serving);
      await collector.stop();
    },
    check({ signals, connections, endpoints, count }) {
      assert.equal(signals.filter(({ name }) => name === 'curl').length, 12);
      assert.ok(count('open client') > 100 && count('close server') > 100);
      const ports = connections.map(({ localAddress }) => localAddress?.port);
      for (const port of [8080, 8081]) assert.ok(ports.includes(port));
      assert.ok(endpoints.some(({ originator }) => originator?.processName === 'node'));
    },
  },

  /** Servers that fork, that have threads, and that share or pass on their sockets. */
  servers: {
    async play(stage) {
      const pair = await stage.pair();
      const [caller, host] = pair;
      const collector = await stage.collect();
      const jobs = [];
      for (const kind of ['serve-forks', 'serve-threads'])
        jobs.push(await visited(pair, 20, HOST, 'exec', workload(), kind, HOST, '20'));
      jobs.push(await visited(pair, 5, HOST, 'leaderless', 'serve', HOST, '5'));
      for (const kind of ['serve-forked', 'serve-handed', 'serve-passed'])
        jobs.push(await visited(pair, 1, HOST, 'exec', workload(), kind, HOST));
      const launch = await host.start('exec', workload(), 'launch', HOST, '7001', 'serve-fd');
      await launch.said('listening');
      await caller.run('connections', '5', HOST, '7001');
      const cluster = await host.start(
        ...node(
          'const cluster = require("cluster"); if (cluster.isPrimary) { cluster.setupPrimary({ exec: "worker" }); ' +
            'cluster.schedulingPolicy = cluster.SCHED_NONE; for (let i = 0; i < 3; i++) cluster.fork(); } else ' +
            'require("net").createServer((socket) => socket.on("error", () => 0).end()).listen(7002, () => ' +
            'console.log(`${process.env.JOB} worker ${cluster.worker.id} listens`))',
        ),
      );
      for (const worker of [1, 2, 3]) await cluster.said(`worker ${worker} listens`);
      await caller.run('connections', '20', HOST, '7002');
      // Open for longer than a report takes.
      const threads = await host.start('exec', workload(), 'serve-threads', HOST, '3', '7003');
      await threads.said('listening');
      const calls = [];
      while (calls.length < 3) calls.push(await connected(caller, HOST, 7003));
      await sleep(REPORT_MS);
      for (const call of calls) await caller.stop(call);
      for (const job of [launch, cluster]) await host.stop(job);
      for (const job of [...jobs, threads]) await job.ended;
      await sleep(REPORT_MS);
      await collector.stop();
    },
    check({ signals, connections, endpoints, count }) {
      for (const kind of ['serve-forks', 'serve-threads', 'serve-handed', 'serve-passed', 'launch'])
        assert.ok(
          signals.some(({ args }) => args?.startsWith(`${kind} `)),
          kind,
        );
      assert.ok(count('open server') >= 76);
      assert.ok(signals.filter(({ name }) => name === 'node').length >= 4, 'three workers and their parent');
      for (const port of [7001, 7002, 7003]) {
        assert.ok(
          closed(endpoints).some(({ listenAddress }) => listenAddress.port === port),
          `endpoint ${port}`,
        );
        assert.ok(
          connections.some(({ localAddress }) => localAddress?.port === port),
          `connection to ${port}`,
        );
      }
    },
  },

  /** Containers of a runtime that come and go, with their names. */
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
        'the sidecar that was started anew',
      );
      // The runtime has no events: it is asked every 5 s.
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

  /** One container tries many ports of another, and one port of many addresses. */
  'port-scan': {
    async play(stage) {
      const [scanner, target] = await stage.pair();
      const addresses = Array.from({ length: 20 }, (_, number) => `10.111.0.${100 + number}`);
      inNetworkOf(
        target.pid,
        addresses.map((address) => `addr add ${address}/24 dev eth0`),
      );
      const services = await target.start('exec', workload(), 'listen-many', '2', '20', '0.0.0.0', '8000');
      await services.said('listening');
      const collector = await stage.collect();
      const [login] = await listening(target, 'exec', workload(), 'serve-all', '0.0.0.0', '22');
      await scanner.run(
        ...bash(`for ((p = 7900; p < 8100; p++)); do : <>/dev/tcp/${HOST}/$p; done 2>/dev/null; true`),
      );
      await scanner.run(...bash(`for a in ${addresses.join(' ')}; do : <>/dev/tcp/$a/22; done`));
      // Names what it finds: services that answer are held open for longer than a report takes.
      await scanner.run(
        ...bash(
          `for p in 8000 8001 8002 8003; do eval "exec $((p - 7900))<>/dev/tcp/${HOST}/$p"; done; sleep 1.5`,
        ),
      );
      await target.stop(services);
      await target.stop(login);
      await sleep(REPORT_MS);
      await collector.stop();
    },
    check({ connections, endpoints, count }) {
      assert.ok(count('open client') >= 44);
      const ports = new Set(connections.map(({ remoteAddress }) => remoteAddress.port));
      assert.ok(ports.size >= 20, `${ports.size} ports`);
      assert.ok(!ports.has(7900));
      assert.ok(closed(endpoints).length >= 21);
    },
  },

  /** A container asks a name server for many names, each from a socket of its own, then floods it. */
  'dns-flood': {
    async play(stage) {
      const [client, server] = await stage.pair();
      const collector = await stage.collect({
        ROX_COLLECTOR_TRACK_SEND_RECV: 'true',
        ROX_COLLECTOR_UDP_LISTENERS: 'true',
      });
      const serving = await server.start(
        ...node(
          `const socket = require("dgram").createSocket("udp4"); socket.on("message", (query, { port, address }) => { query[2] ` +
            `|= 0x80; query[3] = 3; socket.send(query, port, address); }).bind(53, "${HOST}", () => ` +
            'console.log(`${process.env.JOB} listening 53`))',
        ),
      );
      await serving.said('listening');
      await client.run(
        ...node(
          '(async () => { for (let i = 0; i < 150; i++) { const resolver = new (require("dns").promises.Resolver)(); ' +
            `resolver.setServers(["${HOST}"]); await resolver.resolve4(\`name-\${i}.example\`).catch(() => 0); } })()`,
        ),
      );
      await client.run('exec', workload(), 'udp-send-to', '20000', HOST, '53');
      await client.run('exec', workload(), 'udp-send', '5000', HOST, '53');
      const looking = await client.start('exec', workload(), 'udp-look-up', HOST, '53');
      await looking.said('asked');
      const held = await client.start('udp-connect', HOST, '53');
      await sleep(REPORT_MS);
      for (const job of [held, looking]) await client.stop(job);
      await server.stop(serving);
      await sleep(REPORT_MS);
      await collector.stop();
    },
    check({ connections, endpoints, count }) {
      assert.ok(count('datagram') >= 150 && count('close client') >= 150);
      for (const role of ['ROLE_CLIENT', 'ROLE_SERVER'])
        assert.ok(
          udp(connections).some((connection) => connection.role === role),
          role,
        );
      assert.ok(udp(closed(connections)).length > 0);
      assert.ok(udp(closed(endpoints)).some(({ listenAddress }) => listenAddress.port === 53));
    },
  },

  /** Connections that outlive several periods of a short afterglow, that come back within one, and after one. */
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
      const of = (port: number) =>
        connections
          .filter(({ remoteAddress }) => remoteAddress.port === port)
          .map(({ closeTimestamp }) => (closeTimestamp === undefined ? 'open' : 'closed'))
          .join(' ');
      for (const port of [9001, 9002, 9004]) assert.equal(of(port), 'open closed', String(port));
      assert.equal(of(9003), 'open closed open closed');
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
      const during = await connected(caller, WIRE.v4[1], 8080);
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

  /** The Collector stands still while small rings overflow: what it lost, scans find. */
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
        // Records of sockets are smaller than those of processes: where the latter have no room, the former may.
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
      // To this address of the host, the caller comes from one that is no private one.
      inNetworkOf(host.pid, [`addr add ${OTHER}/24 dev eth0`, `route add ${PEER}/32 dev eth0`]);
      inNetworkOf(caller.pid, [`addr add ${PEER}/32 dev eth0`, `route add ${OTHER}/32 dev eth0 src ${PEER}`]);
      const file = path.join(scratchFolder(), 'runtime-config.yaml');
      const limited = 'maxConnectionsPerMinute: 60';
      const steps = [
        'networking: {externalIps: {enabled: ENABLED, direction: EGRESS}}',
        'networking: {externalIps: {enabled: ENABLED, direction: INGRESS}}',
        'networking: {externalIps: {enabled: ENABLED, direction: BOTH}}',
        `networking: {externalIps: {enabled: DISABLED}, ${limited}}`,
        `networking: {externalIps: {enabled: ENABLED}, ${limited}}`,
        'networking: {maxConnectionsPerMinute: 2048}',
      ];
      writeFileSync(file, `${steps[0]}\n`);
      const collector = await stage.collect({
        ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
        ROX_COLLECTOR_RUNTIME_SOCKETS: `${file}.none`,
        ROX_COLLECTOR_CONFIG_PATH: file,
      });
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

  /** Few connections fit into a report, and each ends in another way: by either side, reset, lost, never accepted. */
  endings: {
    async play(stage) {
      const [caller, host] = await stage.pair();
      // Few attempts, so that what is not answered ends within seconds.
      for (const container of [caller, host])
        inNet(container, 'sysctl', '-qw', 'net.ipv4.tcp_retries2=2', 'net.ipv4.tcp_orphan_retries=1');
      const file = path.join(scratchFolder(), 'limit.yaml');
      writeFileSync(file, 'networking: {maxConnectionsPerMinute: 120}\n');
      const collector = await stage.collect({
        ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
        ROX_COLLECTOR_RUNTIME_SOCKETS: `${file}.none`,
        ROX_COLLECTOR_CONFIG_PATH: file,
      });
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
      for (const [end, port] of Object.entries(ENDS)) {
        const states = connections
          .filter(({ remoteAddress }) => remoteAddress.port === port)
          .map(({ closeTimestamp }) => (closeTimestamp === undefined ? 'open' : 'closed'));
        assert.equal(states.join(' '), end === 'refused' ? '' : 'open closed', end);
      }
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

/** Port of the connection that ends so. */
const ENDS = {
  caller: 7001,
  listener: 7002,
  reset: 7003,
  timeout: 7004,
  unaccepted: 7005,
  half: 7006,
  refused: 7007,
};
/** What arrives for the connection that times out is dropped. */
const SILENCE =
  'add table inet silence; add chain inet silence in { type filter hook input priority 0; }; ' +
  `add rule inet silence in tcp dport ${ENDS.timeout} drop;`;

function inNet({ pid }: Container, ...command: readonly string[]): void {
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command]);
}

function closed<T extends Connection | Endpoint>(reports: readonly T[]): T[] {
  return reports.filter(({ closeTimestamp }) => closeTimestamp !== undefined);
}

function udp<T extends Connection | Endpoint>(reports: readonly T[]): T[] {
  return reports.filter(({ protocol }) => protocol === 'L4_PROTOCOL_UDP');
}
