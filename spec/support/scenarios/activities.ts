import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { WIRE, inNetworkOf } from '../container.js';
import type { Connection, Endpoint } from '../messages.js';
import { connected, listening } from '../pair.js';
import { visited } from '../stage.js';
import { workload } from '../workload.js';
import { HOST, REPORT_MS, bash, closed, node, type Scenarios } from './scenario.js';

/** Runs by the activity of their containers. */
export const activities: Scenarios = {
  /** A little of all there is: execs, and connections over IPv4 and IPv6, one of them older than the Collector. */
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
      // Open for longer than a report takes, so that its end is reported, too.
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

  /** Many clients in one container load a web server in another, with the default afterglow. */
  'web-load': {
    async play(stage) {
      const [clients, server] = await stage.pair();
      const collector = await stage.collect({ ROX_ENABLE_AFTERGLOW: 'true' });
      const serving = await server.start(
        ...node(
          'const { createServer } = require("http"); for (const port of [8080, 8081]) createServer(' +
            '(request, response) => response.end("hello")).listen(port, () => console.log(`${process.env.JOB} on ${port}`))',
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

  /** Servers fork, run threads, share their sockets and pass them on. */
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
      // Talks to the services found, for longer than a report takes.
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
          'const socket = require("dgram").createSocket("udp4"); socket.on("message", (query, { port, address }) => ' +
            '{ query[2] |= 0x80; query[3] = 3; socket.send(query, port, address); }).bind(53, ' +
            `"${HOST}", () => console.log(\`\${process.env.JOB} listening\`))`,
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
};

function udp<T extends Connection | Endpoint>(reports: readonly T[]): T[] {
  return reports.filter(({ protocol }) => protocol === 'L4_PROTOCOL_UDP');
}
