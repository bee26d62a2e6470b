import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { bridge, Container, LAN, type Job } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { drawGraph, edgeName, peerName, type Graph, type Span } from '../support/graph.js';
import { addressBytes } from '../support/records.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';

/** Seconds, as all times of the script. */
const INTERVAL = 1;
const AFTERGLOW = 4;
/** When Sensor's networks change. */
const CHANGE = 9;
/** When all connections are closed; the last of them is told once its afterglow is over. */
const END = 18;
const SETTLED = END + AFTERGLOW + 2 * INTERVAL;

/**
 * A report comes at a tick, so an edge appears up to an interval after what it shows. Its end is told by the kernel, or
 * is that of the last scan, up to an interval before. What is more is for a machine that has other things to do.
 */
const TOLERANCE_MS = (INTERVAL + 0.75) * 1000;
/** Nothing may be so near to what decides, the afterglow or the change, that a late tick would decide it. */
const CLEAR = 2 * INTERVAL;

const GROUPS = Array.from({ length: 20 }, (_, group) => group);
const OUTSIDE = ['35.127.0.15', '2600:1f18::15', '35.127.0.16', '2600:1f18:0:1::15'] as const;
const NETWORKS = ['10.77.0.0/24', 'fd00:77::/64', '35.127.0.0/16', '2600:1f18:0:1::/64'];
const PUBLIC_IPS = ['35.127.0.15'];

type Outside = (typeof OUTSIDE)[number];

interface Listening {
  readonly group: number;
  readonly port: number;
  readonly address: '0.0.0.0' | '::';
  readonly from: number;
  readonly until?: number;
}

interface Call {
  readonly from: number | 'outside';
  readonly to: number | Outside;
  readonly family: 'v4' | 'v6';
  readonly port: number;
  readonly opens: number;
  readonly closes: number;
}

/** Of port 8000 + group; even groups are called over IPv6, and some of the others take IPv4 on sockets of IPv6. */
const everywhere = (group: number) => (group % 4 === 1 ? '0.0.0.0' : '::');

const listeners: readonly Listening[] = [
  ...GROUPS.map((group) => ({ group, port: 8000 + group, address: everywhere(group), from: 0 }) as const),
  { group: 0, port: 80, address: '0.0.0.0', from: 0 },
  { group: 3, port: 9003, address: '0.0.0.0', from: 0, until: 16 },
  { group: 3, port: 9103, address: '0.0.0.0', from: 0 },
  // Restarted.
  { group: 7, port: 9007, address: '0.0.0.0', from: 0, until: 3.5 },
  { group: 7, port: 9007, address: '0.0.0.0', from: 7, until: 12 },
];

const calls: readonly Call[] = [
  // A ring of long ones, over both families.
  ...GROUPS.map((from): Call => {
    const to = (from + 1) % GROUPS.length;
    return { from, to, family: from % 2 === 0 ? 'v4' : 'v6', port: 8000 + to, opens: 0.5, closes: 17.5 };
  }),
  // Many clients of one server.
  ...GROUPS.slice(5).map((from): Call => ({
    from,
    to: 0,
    family: 'v4',
    port: 80,
    opens: 1 + from / 20,
    closes: 12 + from / 10,
  })),
  // Short ones.
  ...GROUPS.slice(10, 15).map((from): Call => ({
    from,
    to: 1,
    family: 'v4',
    port: 8001,
    opens: 2,
    closes: 2.2,
  })),
  // Again while the one before glows, which is one edge, and again after that, which is two.
  { from: 2, to: 3, family: 'v4', port: 9003, opens: 1, closes: 2 },
  { from: 2, to: 3, family: 'v4', port: 9003, opens: 3.5, closes: 4 },
  { from: 2, to: 3, family: 'v4', port: 9003, opens: 5, closes: 5.5 },
  { from: 2, to: 3, family: 'v4', port: 9103, opens: 10, closes: 11 },
  { from: 2, to: 3, family: 'v4', port: 9103, opens: 17, closes: 17.2 },
  { from: 8, to: 7, family: 'v4', port: 9007, opens: 1, closes: 3 },
  { from: 8, to: 7, family: 'v4', port: 9007, opens: 10, closes: 11 },
  // To the outside, where several peers are one until Sensor tells of their networks.
  { from: 3, to: '35.127.0.15', family: 'v4', port: 443, opens: 1, closes: 17 },
  { from: 3, to: '35.127.0.16', family: 'v4', port: 443, opens: 2, closes: 5 },
  { from: 4, to: '35.127.0.15', family: 'v4', port: 443, opens: 1, closes: 17 },
  { from: 4, to: '35.127.0.16', family: 'v4', port: 443, opens: 1.5, closes: 17 },
  { from: 5, to: '35.127.0.16', family: 'v4', port: 443, opens: 10, closes: 10.1 },
  { from: 6, to: '2600:1f18::15', family: 'v6', port: 443, opens: 1, closes: 17 },
  { from: 6, to: '2600:1f18:0:1::15', family: 'v6', port: 443, opens: 2, closes: 17 },
  // From the outside: over IPv4, over IPv6, and over IPv4 to a socket of IPv6.
  { from: 'outside', to: 1, family: 'v4', port: 8001, opens: 1, closes: 16 },
  { from: 'outside', to: 2, family: 'v6', port: 8002, opens: 1, closes: 16 },
  { from: 'outside', to: 3, family: 'v4', port: 8003, opens: 1, closes: 16 },
];

/** What must not become an edge: refused, with nobody there to answer, on the loopback. */
const failing = [
  { from: 9, to: LAN.v4(10), port: 9999, connects: 0 },
  { from: 9, to: '10.77.0.200', port: 80, connects: 0 },
  { from: 9, to: '127.0.0.1', port: 8009, connects: 1 },
] as const;

/** Between which two moments something happened: Unix time, ms. */
interface Moment {
  readonly earliest: number;
  readonly latest: number;
}

/** What happens to an edge: by the script, and as it was measured. */
interface Event {
  readonly second: number;
  readonly at: Moment;
}

interface Happened {
  readonly name: string;
  readonly opens: Event;
  readonly closes: Event | undefined;
}

describe('The graph that a user draws from the messages of twenty containers', function () {
  this.timeout(90_000);
  const keep = resources();
  let groups: Container[];
  let outside: Container;
  let start: number;
  let change: Moment;
  const measured = new Map<Call | Listening, { opens: Moment; closes?: Moment }>();
  let graph: Graph;

  before(async function () {
    requires(this, isRoot, 'no root');
    // No containers, since nothing of their cgroups' names says so.
    const hub = await keep(Container.create({ cgroup: () => 'hub' }));
    outside = await keep(Container.create({ cgroup: () => 'outside' }));
    groups = await Promise.all(GROUPS.map(async () => keep(Container.create())));
    bridge(hub, groups, { machine: outside, addresses: OUTSIDE });
    await (await outside.start('serve-all', '::', '443')).said('listening');
    const sensor = await keep(TestSensor.start());
    const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: `${INTERVAL}`, ROX_AFTERGLOW_PERIOD: `${AFTERGLOW}` };
    await keep(Collector.start([], { env, sensor }));
    await eventually(() => sensor.double.open.includes('network'), 'a stream of connections is open', 30_000);

    start = Date.now();
    await Promise.all([
      ...listeners.map(listen),
      ...calls.map(call),
      ...failing.map(fail),
      at(CHANGE).then(async () => {
        change = await momentOf(() => {
          sensor.double.control({ networks: NETWORKS, publicIps: PUBLIC_IPS });
        });
      }),
      at(SETTLED),
    ]);
    graph = drawGraph(sensor.messages('network'));
  });

  it('has the edges that the script made, no more and no fewer', () => {
    assert.deepEqual(drawn().map(counted).sort(), [...expected()].map(counted).sort());
  });

  it('has them open and closed at the times of the script, within an interval', () => {
    const wrong: string[] = [];
    const wanted = expected();
    for (const [name, spans] of drawn()) {
      spans.forEach(({ from, until }, index) => {
        const { opens, closes } = wanted.get(name)![index]!;
        if (!isNear(from, opens.at) || from < opens.at.earliest) {
          wrong.push(`${name} opens at ${seconds(from)}, not at ${seconds(opens.at.earliest)}`);
        }
        const isRight =
          closes === undefined || until === undefined
            ? closes === undefined && until === undefined
            : isNear(until, closes.at);
        if (!isRight) {
          wrong.push(`${name} closes at ${seconds(until)}, not at ${seconds(closes?.at.earliest)}`);
        }
      });
    }
    assert.deepEqual(wrong, []);
  });

  it('has nothing told twice, nothing closed that was not open, and nothing of the host', () => {
    const ours = groups.map(({ shortId }) => shortId);
    assert.deepEqual(
      graph.flaws.filter((flaw) => flaw.startsWith(' ') || ours.some((id) => flaw.startsWith(id))),
      [],
    );
    assert.deepEqual(
      [...graph.edges.keys()].filter((name) => name.startsWith(' ')),
      [],
    );
  });

  /** Other specs may have containers at the same time. */
  function drawn(): [string, readonly Span[]][] {
    const ours = new Set(groups.map(({ shortId }) => shortId));
    return [...graph.edges].filter(([name]) => ours.has(name.split(' ')[0]!));
  }

  async function at(second: number): Promise<void> {
    await sleep(Math.max(0, start + second * 1000 - Date.now()));
  }

  async function listen(listening: Listening): Promise<void> {
    const { group, port, address, from, until } = listening;
    const container = groups[group]!;
    await at(from);
    let job: Job;
    const opens = await momentOf(async () => {
      job = await container.start('serve-all', address, String(port));
      await job.said('listening');
    });
    measured.set(listening, { opens });
    if (until === undefined) return;
    await at(until);
    measured.set(listening, { opens, closes: await momentOf(() => container.stop(job)) });
  }

  async function call(one: Call): Promise<void> {
    const { from, to, family, port } = one;
    const container = from === 'outside' ? outside : groups[from]!;
    const address = typeof to === 'number' ? LAN[family](to) : to;
    await at(one.opens);
    let job: Job;
    const opens = await momentOf(async () => {
      job = await container.start('connect', address, String(port));
      await job.said('connected');
    });
    await at(one.closes);
    measured.set(one, { opens, closes: await momentOf(() => container.stop(job)) });
  }

  async function fail({ from, to, port, connects }: (typeof failing)[number]): Promise<void> {
    await at(2);
    const said = await groups[from]!.run('connections', '1', to, String(port));
    assert.deepEqual(said, [`connections ${connects}`]);
  }

  /** The edges of the script, by SPEC §7. */
  function expected(): Map<string, Happened[]> {
    const happened = [...listeners.map(listenerEdge), ...calls.flatMap(callEdges)];
    happened.sort((a, b) => a.opens.second - b.opens.second);
    const edges = new Map<string, Happened[]>();
    for (const one of happened) {
      const spans = edges.get(one.name) ?? [];
      edges.set(one.name, spans);
      const last = spans.at(-1);
      // Ports have no afterglow.
      const glow = one.name.includes(' listens ') ? 0 : AFTERGLOW;
      const dark = last === undefined ? Infinity : one.opens.second - last.closes!.second;
      assert.ok(dark <= 0 || Math.abs(dark - glow) >= CLEAR, `${one.name} is too near to call: ${dark} s`);
      if (dark > glow) spans.push(one);
      else if (one.closes!.second > last!.closes!.second) {
        spans[spans.length - 1] = { ...last!, closes: one.closes };
      }
    }
    return edges;
  }

  function listenerEdge(listening: Listening): Happened {
    const { group, port, address, from, until } = listening;
    const { opens, closes } = measured.get(listening)!;
    const family = address === '::' ? 'IPV6' : 'IPV4';
    return {
      name: edgeName.listener(groups[group]!.shortId, family, port),
      opens: { second: from, at: opens },
      closes: until === undefined ? undefined : { second: until, at: closes! },
    };
  }

  /** Those of the client and of the server, as far as they are containers. */
  function callEdges(one: Call): Happened[] {
    const { from, to, family, port } = one;
    const edges: Happened[] = [];
    if (from !== 'outside') {
      const peer = addressBytes(typeof to === 'number' ? LAN[family](to) : to);
      const { shortId } = groups[from]!;
      edges.push(...split(one, (isKnown) => edgeName.client(shortId, shown(peer, isKnown), port)));
    }
    if (typeof to === 'number') {
      const caller = from === 'outside' ? OUTSIDE[family === 'v4' ? 0 : 1] : LAN[family](from);
      const isDual = listeners.some(
        ({ group, port: own, address }) => group === to && own === port && address === '::',
      );
      const peer = addressBytes(isDual && family === 'v4' ? `::ffff:${caller}` : caller);
      const { shortId } = groups[to]!;
      edges.push(...split(one, (isKnown) => edgeName.server(shortId, shown(peer, isKnown), port)));
    }
    return edges;
  }

  /** One edge, or one until Sensor's networks change and another from then on. */
  function split(one: Call, nameOf: (isKnown: boolean) => string): Happened[] {
    const opens = { second: one.opens, at: measured.get(one)!.opens };
    const closes = { second: one.closes, at: measured.get(one)!.closes! };
    for (const second of [one.opens, one.closes]) {
      assert.ok(second < CHANGE - CLEAR || second > CHANGE, `${second} is too near to the change`);
    }
    const [before, after] = [nameOf(false), nameOf(true)];
    if (one.closes < CHANGE || before === after) return [{ name: before, opens, closes }];
    if (one.opens > CHANGE) return [{ name: after, opens, closes }];
    const between = { second: CHANGE, at: change };
    return [
      { name: before, opens, closes: between },
      { name: after, opens: between, closes },
    ];
  }
});

/** What a peer is shown as, by SPEC §7, Normalise, before and after Sensor has told of its networks. */
function shown(address: Uint8Array, isKnown: boolean): string {
  const is = (...hosts: readonly string[]) =>
    hosts.some((host) => Buffer.from(addressBytes(host)).equals(address));
  const isIn = (...prefix: number[]) => prefix.every((byte, index) => address[index] === byte);
  const mapped = Buffer.from(addressBytes('::ffff:0.0.0.0')).subarray(0, 12);
  const isMapped = address.length === 16 && mapped.equals(address.subarray(0, 12));
  const withPrefix = (bits: number) =>
    peerName(address, isKnown ? Uint8Array.of(...address, bits) : new Uint8Array());
  const none = new Uint8Array();

  if (isIn(10)) return withPrefix(24);
  if (isIn(...mapped, 10)) return withPrefix(96 + 24);
  if (isIn(0xfd)) return withPrefix(64);
  if (isKnown && is('35.127.0.15')) return withPrefix(16);
  if (isKnown && is('::ffff:35.127.0.15')) return withPrefix(96 + 16);
  if (isKnown && is('35.127.0.16')) return peerName(none, Uint8Array.of(35, 127, 0, 0, 16));
  if (isKnown && is('2600:1f18:0:1::15')) {
    return peerName(none, Uint8Array.of(...addressBytes('2600:1f18:0:1::'), 64));
  }
  assert.ok(isMapped || is(...OUTSIDE), 'an address of the script');
  return peerName(new Uint8Array(address.length).fill(0xff), none);
}

async function momentOf(act: () => unknown): Promise<Moment> {
  const earliest = Date.now();
  await act();
  return { earliest, latest: Date.now() };
}

function isNear(time: number, { earliest, latest }: Moment): boolean {
  return time >= earliest - TOLERANCE_MS && time <= latest + TOLERANCE_MS;
}

function seconds(time: number | undefined): string {
  return time === undefined ? 'no time' : new Date(time).toISOString();
}

function counted([name, spans]: [string, readonly unknown[]]): string {
  return `${name}: ${spans.length}`;
}
