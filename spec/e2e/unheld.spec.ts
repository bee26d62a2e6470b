import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { type Container, type Job, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client, overUdp, server, type Connection } from '../support/messages.js';
import { connected, listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { unheld } from '../support/workload.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
const SCANS_MS = 2500;
const PORT = 7010;
/** Another address of the container that connects. */
const FURTHER = '10.111.0.3';

/** A connection from one container to another: what is reported of it, and how it ends. */
interface Life {
  readonly sides: readonly Connection[];
  readonly end: () => Promise<void>;
}

/** Begins a connection whose other end, or the only one, no descriptor holds; undefined if this kernel has no such. */
type Begin = (caller: Container, host: Container) => Promise<Life | undefined>;

const beginnings: Readonly<Record<string, Begin>> = {
  'waits in an accept queue': async (caller, host) => {
    const job = await start(host, 'listening', 'queue');
    return job && ofBoth(caller, await connected(caller, WIRE.v4[1], PORT), host, job);
  },
  'is on its way over a Unix socket': async (caller, host) => {
    const job = await start(host, 'listening', 'flight');
    const call = await connected(caller, WIRE.v4[1], PORT);
    await job?.said('in flight');
    return job && ofBoth(caller, call, host, job);
  },
  'is in the tables of two io_urings': async (caller, host) => {
    const job = await start(host, 'listening', 'uring-listen');
    const call = job && (await start(caller, 'connected', 'uring-connect'));
    return job && call && ofBoth(caller, call, host, job);
  },
  'was left by its process, while TCP waits for an answer': async (caller, host) => {
    await listening(host, 'serve', WIRE.v4[1], '1', String(PORT));
    const call = await connected(caller, WIRE.v4[1], PORT);
    filter(
      host,
      `add table inet silence; add chain inet silence in { type filter hook input priority 0; };
      add rule inet silence in tcp dport ${PORT} drop;`,
    );
    await caller.stop(call);
    return {
      sides: sidesOf(caller, host),
      end: () => {
        filter(host, 'delete table inet silence;');
        return Promise.resolve();
      },
    };
  },
  'is over UDP, and on its way over a Unix socket': async (caller) => {
    const job = await start(caller, 'connected', 'udp-flight');
    const side = overUdp(client(caller.shortId, WIRE.v4[1], PORT));
    return job && { sides: [side], end: () => caller.stop(job) };
  },
};

for (const isOlder of [false, true]) {
  describe(`The daemon, on a connection${isOlder ? ' older than Collector,' : ''} that no descriptor holds`, function () {
    this.timeout(40_000);
    const keep = resources();
    let collector: Collector;
    const lives = new Map<string, Life | undefined>();

    before(async function () {
      requires(this, isRoot, 'no root');
      const collect = () => keep(Collector.start([], { env }));
      if (!isOlder) collector = await collect();
      await Promise.all(
        Object.entries(beginnings).map(async ([what, begin]) => {
          const [caller, host] = await pair(keep);
          lives.set(what, await begin(caller, host));
        }),
      );
      if (isOlder) collector = await collect();
      await sleep(SCANS_MS);
    });

    for (const what of Object.keys(beginnings))
      it(`reports one that ${what} until it ends`, async function () {
        const life = lives.get(what);
        requires(this, life !== undefined, 'no such sockets in this kernel');
        for (const side of life!.sides) assert.deepEqual(await history(collector, side, 'open'), ['open']);
        await life!.end();
        for (const side of life!.sides)
          assert.deepEqual(await history(collector, side, 'closed'), ['open', 'closed']);
      });
  });
}

describe('The daemon, on a socket that is used in a strange way', function () {
  this.timeout(40_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
  });

  it('reports one over UDP as closed that was taken apart, while its process holds it still', async () => {
    const [caller] = await pair(keep);
    const collector = await keep(Collector.start([], { env }));
    const job = (await start(caller, 'connected', 'udp-apart'))!;
    const side = overUdp(client(caller.shortId, WIRE.v4[1], PORT));
    assert.deepEqual(await history(collector, side, 'open'), ['open']);
    await job.said('apart');
    assert.deepEqual(await history(collector, side, 'closed'), ['open', 'closed']);
    await caller.stop(job);
    await sleep(SCANS_MS);
    assert.deepEqual(await history(collector, side, 'closed'), ['open', 'closed']);
  });

  for (const [what, name] of Object.entries({
    'a connect() that failed': 'udp-failed',
    'its turn from IPv6 to IPv4': 'udp-turned',
  })) {
    it(`reports one over UDP that was used after ${what}, and came and went between two reports`, async () => {
      const [caller] = await pair(keep);
      const collector = await keep(Collector.start([], { env }));
      await start(caller, 'apart', name);
      const side = overUdp(client(caller.shortId, WIRE.v4[1], PORT));
      assert.equal((await history(collector, side, 'closed')).at(-1), 'closed');
    });
  }

  it('reports one over UDP whose port it has bound hundreds of other sockets to', async () => {
    const [caller] = await pair(keep);
    const collector = await keep(Collector.start([], { env }));
    const job = (await start(caller, 'connected', 'udp-crowded'))!;
    const side = overUdp(client(caller.shortId, WIRE.v4[1], PORT));
    assert.deepEqual(await history(collector, side, 'open'), ['open']);
    await caller.stop(job);
    assert.deepEqual(await history(collector, side, 'closed'), ['open', 'closed']);
  });

  it('reports what an io_uring older than Collector accepts later', async function () {
    const [caller, host] = await pair(keep);
    const job = await start(host, 'listening', 'uring-listen');
    requires(this, job !== undefined, 'this io_uring does not listen');
    const collector = await keep(Collector.start([], { env }));
    // The listing at the start has found it.
    await collector.shows(
      () => `port ${PORT} of ${host.shortId}`,
      () => collector.endpoints(host.shortId).some(({ listenAddress }) => listenAddress.port === PORT),
    );
    const call = await connected(caller, WIRE.v4[1], PORT);
    await caller.stop(call);
    await host.stop(job!);
    const side = server(host.shortId, PORT, WIRE.v4[0]);
    assert.equal((await history(collector, side, 'closed')).at(-1), 'closed');
  });

  for (const isOlder of [false, true]) {
    it(`reports each subflow of Multipath TCP until TCP ends it${isOlder ? ', older than Collector' : ''}`, async function () {
      const [caller, host] = await pair(keep);
      const collect = () => keep(Collector.start([], { env }));
      let collector = isOlder ? undefined : await collect();
      inNet(caller, 'ip', 'addr', 'add', `${FURTHER}/24`, 'dev', 'eth0');
      for (const container of [caller, host])
        inNet(container, 'ip', 'mptcp', 'limits', 'set', 'subflow', '2', 'add_addr_accepted', '2');
      inNet(caller, 'ip', 'mptcp', 'endpoint', 'add', FURTHER, 'dev', 'eth0', 'subflow');
      const job = await start(host, 'listening', 'mptcp-listen');
      const call = job && (await start(caller, 'connected', 'mptcp-connect'));
      requires(this, job !== undefined && call !== undefined, 'no Multipath TCP in this kernel');
      await call!.said('joined');
      collector ??= await collect();
      const wanted = [WIRE.v4[0], FURTHER].map((peer) => server(host.shortId, PORT, peer));
      const outgoing = client(caller.shortId, WIRE.v4[1], PORT);
      const said = (closed: boolean) =>
        collector
          .connections(host.shortId)
          .filter(({ closeTimestamp }) => (closeTimestamp !== undefined) === closed)
          .map(({ closeTimestamp: _, ...connection }) => JSON.stringify(connection))
          .sort();
      const all = wanted.map((connection) => JSON.stringify(connection)).sort();
      await sleep(SCANS_MS);
      assert.deepEqual(said(false), all);
      assert.deepEqual(said(true), []);
      assert.deepEqual(await history(collector, outgoing, 'open'), ['open']);
      await caller.stop(call!);
      await host.stop(job!);
      assert.deepEqual(await history(collector, outgoing, 'closed'), ['open', 'closed']);
      await sleep(SCANS_MS);
      assert.deepEqual(said(false), all);
      assert.deepEqual(said(true), all);
    });
  }
});

/** Starts a job of `unheld.c`; undefined if this kernel can't do it. */
async function start(container: Container, word: string, name: string): Promise<Job | undefined> {
  const job = await container.start('exec', unheld(), name, WIRE.v4[1], String(PORT));
  const said = await Promise.race([
    job.said(word).then(() => true),
    job.said('unsupported').then(() => false),
  ]);
  return said ? job : undefined;
}

function sidesOf(caller: Container, host: Container): readonly Connection[] {
  return [client(caller.shortId, WIRE.v4[1], PORT), server(host.shortId, PORT, WIRE.v4[0])];
}

/** Both sides end it: one that nobody reads from goes on after its peer has closed. */
function ofBoth(caller: Container, call: Job, host: Container, job: Job): Life {
  return {
    sides: sidesOf(caller, host),
    end: async () => {
      await caller.stop(call);
      await host.stop(job);
    },
  };
}

function filter(container: Container, rules: string): void {
  inNet(container, 'nft', rules);
}

function inNet(container: Container, ...command: readonly string[]): void {
  execFileSync('nsenter', [`--net=/proc/${container.pid}/ns/net`, ...command]);
}
