import assert from 'node:assert/strict';
import type { StateSettings } from '../../actors/capture/facts.js';
import { parseAddress } from '../../actors/connections/address.js';
import type { WhyStep, WhyView } from '../../actors/inspection/protocol.js';
import { why, type SensorView, type WhyQuery } from '../../actors/inspection/why.js';
import {
  batch,
  containerNumber,
  execRecord,
  exitRecord,
  socketRecord,
  type Socket,
} from '../support/records.js';
import { A, events, Node, SECOND, sockets } from './support.js';

const [TCP, UDP] = [6, 17];

/** A Sensor with both streams open and nothing lost, but for changes. */
function sensor(changes: Partial<SensorView> = {}): SensorView {
  const queue = { waiting: 0, dropped: 0, uncertain: 0 };
  return {
    streams: () => ['signals', 'network'].map((name) => ({ name, state: 'open', breaks: 1 })),
    queues: () => ({ signals: queue, network: queue }),
    hasDropped: () => false,
    ...changes,
  };
}

function run(settings: Partial<StateSettings> = {}, changes: Partial<SensorView> = {}): Node {
  return new Node(settings, sensor(changes));
}

function client(socket: Socket = {}): Socket {
  return {
    container: A,
    role: 'client',
    local: '10.0.0.1',
    localPort: 40_000,
    remote: '10.0.0.9',
    remotePort: 80,
    ...socket,
  };
}

interface Asked {
  container?: string;
  protocol?: number;
  local?: string;
  localPort?: number;
  remote?: string;
  remotePort?: number;
}

/** Asks about the connection of `client`, but for changes. */
function connection(node: Node, changes: Asked = {}): WhyView {
  const { container, local, remote, ...rest } = { ...client(), container: A, protocol: TCP, ...changes };
  return ask(node, {
    of: 'connection',
    container: container === '' ? 0 : containerNumber(container),
    protocol: rest.protocol,
    localPort: rest.localPort!,
    remotePort: rest.remotePort!,
    local: parseAddress(local!)!,
    remote: parseAddress(remote!)!,
  });
}

function endpoint(node: Node, port = 8080): WhyView {
  return ask(node, { of: 'endpoint', container: containerNumber(A), protocol: TCP, port });
}

function container(node: Node, id = A): WhyView {
  return ask(node, { of: 'container', container: id === '' ? 0 : containerNumber(id) });
}

function ask(node: Node, query: WhyQuery): WhyView {
  const steps = why(node, query);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value!;
  }
}

/** Holds the verdict and the first failed step, whose text has to have these parts. */
function holds(view: WhyView, verdict: WhyView['verdict'], step: WhyStep['step'], ...parts: RegExp[]): void {
  const held = view.steps.find(({ passed }) => !passed);
  assert.deepEqual([view.verdict, held?.step], [verdict, step], JSON.stringify(view, null, 2));
  for (const part of parts) assert.match(held!.text, part);
  assert.ok(view.summary.includes(held!.text), view.summary);
}

function reported(view: WhyView, ...parts: RegExp[]): void {
  assert.equal(view.verdict, 'reported', JSON.stringify(view, null, 2));
  assert.ok(view.steps.every(({ passed }) => passed));
  for (const part of parts) assert.match(view.summary, part);
}

describe('Why a connection is not in Sensor:', () => {
  const open = (changes: Socket = {}) => sockets(1, client({ type: 'open', ...changes }));
  const close = (second: number, changes: Socket = {}) =>
    sockets(second, client({ type: 'close', ...changes }));

  it('it is, as of the latest report', () => {
    const view = connection(run().fold(open()).tick(30));
    reported(
      view,
      /^It is in Sensor\. It is reported as active, with the peer 10\.0\.0\.9 up to 2023-11-14 22:13:50 UTC/,
    );
    assert.deepEqual(
      view.steps.map(({ step }) => step),
      [
        'seen',
        'container',
        'loopback',
        'ignored-network',
        'established',
        'rate-limit',
        'stream',
        'queue',
        'report',
      ],
    );
    assert.match(view.steps[0]!.text, /seen open by an event at 2023-11-14 22:13:21 UTC/);
  });

  it('it is, as a part of an aggregated one', () => {
    const remote = { remote: '8.8.8.8', remotePort: 53 };
    const view = connection(run().fold(open(remote)).tick(30), remote);
    reported(view, /with the peer 255\.255\.255\.255/);
  });

  it('it is of the host', () => {
    holds(connection(run().fold(open({ container: 0 })), { container: '' }), 'held', 'container', /host/);
    holds(
      connection(new Node(), { container: '' }),
      'held',
      'container',
      /ROX_COLLECTOR_SCOPE is containers/,
    );
    const node = new Node({ scope: 'all' }).fold(open({ container: 0 })).tick(30);
    reported(connection(node, { container: '' }), /in the output/);
  });

  for (const remote of ['127.0.0.1', '::1', '::ffff:127.1.2.3'])
    it(`its peer is on the loopback: ${remote}`, () => {
      holds(
        connection(run(), { remote }),
        'held',
        'loopback',
        new RegExp(remote.replaceAll('.', '\\.')),
        /loopback/,
      );
    });

  it('its peer is in an ignored network', () => {
    const node = run({ ignoredNetworks: ['169.254.0.0/16'] }).fold(open({ remote: '169.254.169.254' }));
    holds(
      connection(node, { remote: '169.254.169.254' }),
      'held',
      'ignored-network',
      /169\.254\.169\.254 is in the ignored network 169\.254\.0\.0\/16/,
    );
  });

  it('it is of UDP to the discard port', () => {
    holds(
      connection(run(), { protocol: UDP, remotePort: 9 }),
      'held',
      'ignored-network',
      /ROX_NETWORK_DROP_IGNORED/,
    );
  });

  it('the network is not watched', () => {
    holds(connection(run({ networkDisabled: true })), 'held', 'seen', /ROX_COLLECTOR_DISABLE_NETWORK_FLOWS/);
  });

  it('it was never seen established', () => {
    const node = run().fold(open());
    holds(connection(node, { remotePort: 81 }), 'unseen', 'established', /counts from being established on/);
    holds(connection(node, { protocol: UDP }), 'unseen', 'established', /connect\(\)/);
  });

  it('no report was due yet', () => {
    holds(connection(run().fold(open())), 'held', 'report', /no report yet; the next one is due within 30 s/);
  });

  it('its container is over the limit', () => {
    const node = run({ maxConnectionsPerMinute: 4 });
    for (let port = 1; port <= 5; port++) node.fold(open({ remotePort: port }));
    const fates = () => [1, 2, 3, 4, 5].map((remotePort) => connection(node, { remotePort }));
    node.tick(30);
    const views = fates();
    assert.equal(views.filter(({ verdict }) => verdict === 'reported').length, 2);
    for (const view of views.filter(({ verdict }) => verdict !== 'reported'))
      holds(view, 'held', 'rate-limit', /had 5 new connections of its container, and the limit is 2/);
    node.tick(60).tick(90);
    assert.ok(fates().every(({ verdict }) => verdict === 'reported'));
  });

  it('its end waits for the end of its afterglow, also once its flow is gone', () => {
    const node = run({ afterglowPeriod: 300 }).fold(open()).tick(30).fold(close(40));
    const parts = [
      /reported as active, and ended at 2023-11-14 22:14:00 UTC/,
      /until 2023-11-14 22:19:00 UTC/,
    ];
    holds(connection(node), 'held', 'afterglow', ...parts);
    holds(connection(node.tick(60)), 'held', 'afterglow', ...parts);
    node.fold({ kind: 'control', time: 341 * SECOND });
    holds(connection(node), 'held', 'report', /Its end at 2023-11-14 22:14:00 UTC is in no report yet/);
    holds(
      connection(node.tick(360)),
      'unseen',
      'established',
      /before the report of 2023-11-14 22:19:20 UTC/,
    );
  });

  it('its end is in Sensor', () => {
    const node = run().fold(open()).tick(30).fold(close(40)).tick(60);
    reported(connection(node), /as closed at 2023-11-14 22:14:00 UTC/);
  });

  it('it is open again since it was reported as closed', () => {
    const node = run()
      .fold(open())
      .tick(30)
      .fold(close(40))
      .tick(60)
      .fold(open({ time: 70 * SECOND }));
    holds(connection(node), 'held', 'report', /open again/);
  });

  it('the stream is not open', () => {
    const streams = () => [{ name: 'network', state: 'waiting', breaks: 3 }];
    const node = run({}, { streams }).fold(open()).tick(30, 'none');
    holds(connection(node), 'held', 'stream', /network reports to Sensor is waiting; it broke 3 times/);
    holds(connection(run({}, { streams: () => [] }).fold(open())), 'held', 'stream', /not started/);
  });

  it('reports wait in the queue', () => {
    const network = { waiting: 2, dropped: 5, uncertain: 1 };
    const node = run({}, { queues: () => ({ signals: network, network }) })
      .fold(open())
      .tick(30);
    holds(connection(node), 'held', 'queue', /2 network reports wait.*6 ends of connections/);
  });

  it('it is printed, without a Sensor', () => {
    reported(connection(new Node().fold(open()).tick(30)), /^It is in the output/);
  });

  it('parts of its addresses are enough; the newest match counts', () => {
    const node = run()
      .fold(open({ localPort: 1 }))
      .tick(30)
      .fold(sockets(40, client({ type: 'open', localPort: 2, remotePort: 81 })));
    const view = ask(node, {
      of: 'connection',
      container: containerNumber(A),
      remote: parseAddress('10.0.0.9')!,
    });
    holds(view, 'held', 'report');
    assert.match(view.steps[0]!.text, /2 connections match, and this is the newest/);
  });

  it('a scan may have seen it', () => {
    const scan = {
      kind: 'scan',
      of: 'sockets',
      audience: 'same',
      time: 29 * SECOND,
      records: batch(socketRecord({ ...client(), type: 'socket' })),
    } as const;
    const view = connection(run().fold(scan).tick(30));
    reported(view);
    assert.match(view.steps[0]!.text, /seen open by a scan/);
  });
});

describe('Why an endpoint is not in Sensor:', () => {
  const listener = { container: A, pid: 7, cookie: 9, local: '0.0.0.0', localPort: 8080 } as const;
  const listen = sockets(1, { ...listener, type: 'listen' });

  it('it is', () => {
    reported(endpoint(run().fold(listen).tick(30)), /reported as active/);
  });

  it('none was seen on its port', () => {
    holds(endpoint(run().fold(listen), 9090), 'unseen', 'seen', /port 9090.*loopback/);
  });

  it('ports are not reported', () => {
    holds(endpoint(run({ endpoints: false }).fold(listen)), 'held', 'seen', /ROX_NETWORK_GRAPH_PORTS/);
  });

  it('no report was due yet', () => {
    holds(endpoint(run().fold(listen)), 'held', 'report');
    const ended = run()
      .fold(listen)
      .tick(30)
      .fold(sockets(40, { ...listener, type: 'unlisten' }));
    holds(endpoint(ended), 'held', 'report', /Its end at .* is in no report yet/);
    reported(endpoint(ended.tick(60)), /as closed/);
  });

  it('its container is over the limit', () => {
    const node = run({ maxConnectionsPerMinute: 2 });
    for (const [at, localPort] of [81, 82, 83].entries())
      node.fold(sockets(1, { ...listener, type: 'listen', localPort, cookie: 10 + at }));
    node.tick(30);
    const views = [81, 82, 83].map((port) => endpoint(node, port));
    const held = views.filter(({ verdict }) => verdict === 'held');
    assert.equal(held.length, 2);
    for (const view of held)
      holds(view, 'held', 'rate-limit', /3 new endpoints of its container, and the limit is 1/);
  });
});

describe('Why a container is not in Sensor:', () => {
  const shell = (pid: number, second: number) =>
    execRecord({
      container: A,
      pid,
      time: second * SECOND,
      startTime: second * SECOND,
      path: '/bin/sh',
      args: ['sh'],
      cgroupPath: `/kubepods/${A}`,
    });

  it('it is', () => {
    const view = container(run().fold(events(1, shell(7, 1))));
    reported(view, /Reports have 1 of its 1 running processes/);
    assert.match(view.steps[0]!.text, /by an event at .* Its cgroup is \/kubepods\/4f2a91bc03de/);
  });

  it('no process of it was seen', () => {
    holds(container(run()), 'unseen', 'seen', /from its first exec on/);
  });

  it('all of it has ended', () => {
    const node = run().fold(
      events(1, shell(7, 1)),
      events(2, exitRecord({ container: A, pid: 7, startTime: SECOND })),
    );
    reported(container(node.tick(30)));
  });

  it('it is the host', () => {
    holds(container(run(), ''), 'held', 'container');
  });

  it('its processes start too often', () => {
    const node = run();
    for (let n = 0; n < 11; n++) node.fold(events(1, shell(100 + n, 1)));
    holds(
      container(node),
      'held',
      'rate-limit',
      /11 of its 11 running processes .*\/bin\/sh until 2023-11-14 22:43:21 UTC/,
    );
  });

  it('nobody was there to get its processes', () => {
    const node = run().fold({
      kind: 'scan',
      of: 'processes',
      audience: 'none',
      time: SECOND,
      records: batch(Uint8Array.from(shell(7, 1)).fill(2, 2, 3)),
    });
    holds(container(node), 'held', 'report', /^Reports have 0 of its 1/);
  });

  it('its signals were dropped from the queue', () => {
    const node = run({}, { hasDropped: (sharer) => sharer === containerNumber(A) }).fold(
      events(1, shell(7, 1)),
    );
    holds(container(node), 'held', 'queue', /dropped/);
  });

  it('nothing is collected yet', () => {
    const { clock, refs, containers, processes, settings } = run();
    const before = { clock, refs, containers, processes, settings, sensor: undefined };
    const query = { of: 'container', container: 0 } as const;
    assert.deepEqual(why({ ...before, connections: () => undefined }, query).next(), {
      done: true,
      value: undefined,
    });
  });
});
