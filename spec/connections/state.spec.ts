import assert from 'node:assert/strict';
import { RecordFlag } from '../../actors/capture/layout.js';
import { AF_INET, AF_INET6 } from '../../actors/connections/address.js';
import { batch, containerNumber, execRecord, socketRecord } from '../support/records.js';
import { SECOND, Story, client, listener, server } from './support.js';

const CLIENT = '1 client nothing - 10.0.0.9 :80';
const SERVER = '1 server :8080 - 10.0.0.9';
const ENDPOINT = '1 0.0.0.0 in 0.0.0.0/32 :8080 by 0';

describe('connections', () => {
  it('are reported when they open and when they close', () => {
    const story = new Story();
    story.events(client({ time: 1 }), server({ time: 2 }));
    assert.deepEqual(story.connections(30), [CLIENT, SERVER]);
    assert.deepEqual(story.connections(60), []);
    story.events(client({ type: 'close', time: 61 }));
    assert.deepEqual(story.connections(90), [`${CLIENT} closed 61`]);
    assert.deepEqual(story.connections(120), []);
  });

  it('carry the Unix time, in µs, at which they closed', () => {
    const epoch = 1_700_000_000 * SECOND;
    const story = new Story({ epoch });
    story.events(client({ type: 'close', time: 61.25 }));
    const [report] = story.delta(90).connections;
    assert.equal(report?.closedAt, 1_700_000_061_250_000);
  });

  it('are reported as closed when they opened and closed between two ticks', () => {
    const story = new Story();
    story.events(client({ time: 1 }), client({ type: 'close', time: 2 }));
    assert.deepEqual(story.connections(30), [`${CLIENT} closed 2`]);
    assert.deepEqual(story.connections(60), []);
  });

  it('that are short are active for the afterglow period, then closed', () => {
    const story = new Story({ afterglowPeriod: 50 });
    story.events(client({ time: 1 }), client({ type: 'close', time: 29 }));
    assert.deepEqual(story.connections(30), [CLIENT]);
    assert.deepEqual(story.connections(60), []);
    assert.deepEqual(story.connections(90), [`${CLIENT} closed 29`]);
    assert.deepEqual(story.connections(120), []);
  });

  it('that come back within the afterglow period are not reported again', () => {
    const story = new Story({ afterglowPeriod: 50 });
    story.events(client({ time: 1 }));
    assert.deepEqual(story.connections(30), [CLIENT]);
    story.events(client({ type: 'close', time: 31 }));
    assert.deepEqual(story.connections(60), []);
    story.events(client({ time: 61, localPort: 40001 }));
    assert.deepEqual(story.connections(90), []);
  });

  it('are one as long as one of those that look alike is open', () => {
    const story = new Story();
    story.events(server({ time: 1 }), server({ time: 1, remotePort: 50001 }));
    assert.deepEqual(story.connections(30), [SERVER]);
    story.events(server({ type: 'close', time: 31 }));
    assert.deepEqual(story.connections(60), []);
    story.events(server({ type: 'close', time: 61, remotePort: 50001 }));
    assert.deepEqual(story.connections(90), [`${SERVER} closed 61`]);
  });

  it('that were never seen to open are reported when they close', () => {
    const story = new Story();
    story.events(client({ type: 'close', time: 1, opened: 0, role: 'unknown' }));
    story.events(client({ type: 'close', time: 2, localPort: 80, remotePort: 40000, role: 'unknown' }));
    assert.deepEqual(story.connections(30), [`${CLIENT} closed 1`, '1 server :80 - 10.0.0.9 closed 2']);
  });

  it('keep the role that they are known to have', () => {
    const story = new Story();
    const known = server({ localPort: 40000, remotePort: 80 });
    const unknown = { ...known, role: 'unknown' } as const;
    story.events({ ...known, time: 1 });
    story.scan(29, unknown);
    assert.deepEqual(story.connections(30), ['1 server :40000 - 10.0.0.9']);
    story.events({ ...unknown, type: 'close', time: 31 });
    assert.deepEqual(story.connections(60), ['1 server :40000 - 10.0.0.9 closed 31']);
  });

  it('are told apart by container', () => {
    const story = new Story();
    const containers = ['000000000000', '00000000ffff', 'ffff00000000', 'ffffffffffff'];
    story.events(...containers.map((container) => client({ container, time: 1 })));
    assert.deepEqual(
      new Set(story.delta(30).connections.map(({ container }) => container)),
      new Set(containers.map(containerNumber)),
    );
  });

  it('of the host are left out unless the scope is all', () => {
    const sockets = [client({ container: 0, time: 1 }), listener({ container: 0, time: 1 })];
    const nothing = { connections: [], endpoints: [] };
    assert.deepEqual(
      new Story()
        .events(...sockets)
        .scan(2, ...sockets)
        .tick(30),
      nothing,
    );
    assert.deepEqual(new Story({ scope: 'all' }).events(...sockets).tick(30), {
      connections: [CLIENT.replace('1', '0')],
      endpoints: [ENDPOINT.replace('1', '0')],
    });
  });

  for (const remote of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
    it(`with the loopback peer ${remote} are left out`, () => {
      const story = new Story({ scope: 'all' });
      const socket = client({ time: 1, local: remote.includes(':') ? '::1' : '127.0.0.1', remote });
      story.events(socket).scan(2, socket);
      assert.deepEqual(story.connections(30), []);
      assert.equal(story.state.counts.connections, 0);
    });
  }

  it('with peers of ignored networks are left out', () => {
    const story = new Story({ ignoredNetworks: ['169.254.0.0/16', 'fe80::/10'] });
    const peers = ['169.254.1.1', '::ffff:169.254.1.1', 'fe80::1', '169.253.1.1', 'fec0::1'];
    const sockets = peers.map((remote) =>
      client({ time: 1, remote, local: remote.includes(':') ? 'fd00::1' : '10.0.0.1' }),
    );
    story.events(...sockets).scan(2, ...sockets);
    assert.deepEqual(story.connections(30), [
      '1 client nothing - 255.255.255.255 :80',
      '1 client nothing - ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff :80',
    ]);
  });

  it('with peers of non-aggregated networks keep their address', () => {
    const story = new Story({ nonAggregatedNetworks: ['203.0.113.0/24'] });
    story.events(client({ time: 1, remote: '203.0.113.7' }));
    assert.deepEqual(story.connections(30), ['1 client nothing - 203.0.113.7 :80']);
  });

  it('are none when the network is disabled', () => {
    const story = new Story({ networkDisabled: true, scope: 'all' });
    story.events(client({ time: 1 }), listener({ time: 1 })).scan(2, client(), listener());
    assert.deepEqual(story.tick(30), { connections: [], endpoints: [] });
    assert.deepEqual(story.state.counts, {
      connections: 0,
      listeners: 0,
      refused: 0,
      rateLimited: 0,
      rateLost: 0,
      endpointsRateLimited: 0,
      endpointsRateLost: 0,
    });
  });

  it('are no matter of records of processes', () => {
    const story = new Story();
    const records = batch(
      execRecord({ container: 1, path: '/bin/sh' }),
      socketRecord(client({ time: SECOND })),
    );
    for (let at = 0; at < records.length; at += records.size(at)) story.state.record(records, at);
    assert.deepEqual(story.connections(30), [CLIENT]);
  });
});

describe('events', () => {
  const first = client({ time: 1 });
  const end = client({ type: 'close', time: 2 });
  const again = client({ time: 3 });
  const orders = [
    [first, end, again],
    [first, again, end],
    [end, first, again],
    [end, again, first],
    [again, first, end],
    [again, end, first],
  ];
  for (const order of orders) {
    it(`read from several rings mean the same in any order: ${order.map(({ time }) => time).join()}`, () => {
      assert.deepEqual(new Story().events(...order).connections(30), [CLIENT]);
    });
  }

  it('that close before what was read before them opened close nothing', () => {
    assert.deepEqual(new Story().events(end, first).connections(30), [`${CLIENT} closed 2`]);
  });
});

describe('scan', () => {
  it('shows what was open before', () => {
    assert.deepEqual(new Story().scan(1, client(), server()).connections(30), [CLIENT, SERVER]);
  });

  it('closes what it does not list, when that was last seen', () => {
    const story = new Story();
    story.scan(10, client());
    assert.deepEqual(story.connections(30), [CLIENT]);
    story.scan(40);
    assert.deepEqual(story.connections(60), [`${CLIENT} closed 10`]);
  });

  for (const [what, begin] of [
    ['that an event opened', (story: Story) => story.events(client({ time: 9 }))],
    [
      'that the kernel side owns',
      (story: Story) => story.scan(9, client({ flags: RecordFlag.owned })).scan(10, client()),
    ],
  ] as const) {
    it(`leaves a connection ${what} to its end, although it does not list it`, () => {
      const story = new Story();
      begin(story);
      assert.deepEqual(story.scan(29).connections(30), [CLIENT]);
      assert.deepEqual(story.scan(59).connections(60), []);
      story.events(client({ type: 'close', time: 61 }));
      assert.deepEqual(story.scan(89).connections(90), [`${CLIENT} closed 61`]);
    });

    it(`closes a connection ${what} if its end may be lost`, () => {
      const story = new Story();
      begin(story);
      assert.equal(story.scanAfterLoss(29, client()).connections(30).length, 1);
      assert.deepEqual(story.scanAfterLoss(59).connections(60), [`${CLIENT} closed 29`]);
    });
  }

  it('takes a connection that it lists anew for one of its own, although an event opened the one before', () => {
    const story = new Story().events(client({ time: 1 }), client({ type: 'close', time: 2 }));
    story.scan(29, client());
    assert.deepEqual(story.connections(30), [CLIENT]);
    assert.deepEqual(story.scan(59).connections(60), [`${CLIENT} closed 29`]);
  });

  it('does not close what opened after it began', () => {
    const story = new Story();
    story.events(client({ time: 10.001 })).scan(10);
    assert.deepEqual(story.connections(30), [CLIENT]);
  });

  it('does not reopen what closed after it began, whichever is read first', () => {
    const end = client({ type: 'close', time: 10.001 });
    assert.deepEqual(new Story().events(end).scan(10, client()).connections(30), [`${CLIENT} closed 10.001`]);
    assert.deepEqual(new Story().scan(10, client()).events(end).connections(30), [`${CLIENT} closed 10.001`]);
  });

  it('reopens what an older event closed', () => {
    const story = new Story().events(client({ type: 'close', time: 9 })).scan(10, client());
    assert.deepEqual(story.connections(30), [CLIENT]);
  });

  it('stands against an older event that is read later', () => {
    const story = new Story().scan(10, client()).events(client({ type: 'close', time: 9 }));
    assert.deepEqual(story.connections(30), [CLIENT]);
  });

  it('ends what it does not list although its opening is read later, a connection only after a loss', () => {
    const opened = [client({ time: 9 }), listener({ time: 9 })];
    assert.deepEqual(
      new Story()
        .scan(10)
        .events(...opened)
        .connections(30),
      [CLIENT],
    );
    const story = new Story().scanAfterLoss(10).events(...opened);
    assert.deepEqual(story.tick(30), {
      connections: [`${CLIENT} closed 9`],
      endpoints: [`${ENDPOINT} closed 9`],
    });
  });

  it('of processes says nothing about sockets', () => {
    const story = new Story().events(client({ time: 1 }));
    story.state.scan({
      kind: 'scan',
      of: 'processes',
      audience: 'same',
      time: 10 * SECOND,
      records: batch(),
    });
    assert.deepEqual(story.connections(30), [CLIENT]);
  });

  it('tells roles by its own listeners, wherever it lists them', () => {
    const sockets = [
      client({ role: 'unknown', localPort: 40000 }),
      client({ role: 'unknown', localPort: 40001 }),
      listener({ localPort: 40000 }),
    ];
    assert.deepEqual(new Story({ endpoints: false }).scan(10, ...sockets).tick(30), {
      connections: [CLIENT, '1 server :40000 - 10.0.0.9'],
      endpoints: [],
    });
  });

  it('tells no role by the listeners of an earlier scan', () => {
    const story = new Story().scan(10, listener({ localPort: 40000 }));
    story.scan(40, client({ role: 'unknown', localPort: 40000 }));
    assert.deepEqual(story.connections(60), [CLIENT]);
  });
});

describe('endpoints', () => {
  it('are reported when somebody starts and ends to listen', () => {
    const story = new Story();
    story.events(listener({ time: 1 }));
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    assert.deepEqual(story.endpoints(60), []);
    story.events(listener({ type: 'unlisten', time: 61 }));
    assert.deepEqual(story.endpoints(90), [`${ENDPOINT} closed 61`]);
    assert.deepEqual(story.endpoints(120), []);
  });

  it('have no afterglow', () => {
    const story = new Story({ afterglowPeriod: 300 });
    story.events(listener({ time: 1 }), listener({ type: 'unlisten', time: 2 }));
    assert.deepEqual(story.endpoints(30), [`${ENDPOINT} closed 2`]);
  });

  it('tell of the address no more than its family', () => {
    const story = new Story();
    story.events(
      listener({ time: 1, local: '10.0.0.1', localPort: 65535, protocol: 17, container: 'ffffffffffff' }),
      listener({ time: 1, cookie: 2, local: 'fd00::1', container: 'ffffffffffff' }),
    );
    const endpoints = story.delta(30).endpoints.sort((a, b) => a.family - b.family);
    const container = containerNumber('ffffffffffff');
    const common = { container, originator: 0, closedAt: undefined };
    assert.deepEqual(endpoints, [
      {
        ...common,
        protocol: 17,
        family: AF_INET,
        listen: { address: new Uint8Array(4), port: 65535, network: Uint8Array.of(0, 0, 0, 0, 32) },
      },
      {
        ...common,
        protocol: 6,
        family: AF_INET6,
        listen: {
          address: new Uint8Array(16),
          port: 8080,
          network: Uint8Array.of(...new Uint8Array(16), 128),
        },
      },
    ]);
  });

  it('are there until the last of their sockets goes', () => {
    const story = new Story();
    story.events(listener({ time: 1 }), listener({ time: 2, cookie: 101, pid: 8, local: '10.0.0.1' }));
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    story.events(listener({ type: 'unlisten', time: 31 }));
    assert.deepEqual(story.endpoints(60), []);
    story.events(listener({ type: 'unlisten', time: 61, cookie: 101, pid: 8 }));
    assert.deepEqual(story.endpoints(90), [`${ENDPOINT} closed 61`]);
  });

  it('follow the scan as connections do', () => {
    const story = new Story();
    story.scan(1, listener());
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    story.events(listener({ time: 40.001, cookie: 101, localPort: 9090 })).scan(40);
    assert.deepEqual(story.endpoints(60), [`${ENDPOINT} closed 1`, ENDPOINT.replace('8080', '9090')].sort());
  });

  it('are left out when they are not wanted', () => {
    const story = new Story({ endpoints: false });
    story.events(listener({ time: 1 })).scan(2, listener());
    assert.deepEqual(story.endpoints(30), []);
    assert.equal(story.state.counts.listeners, 0);
  });

  describe('of a port that is not known yet', () => {
    const unbound = listener({ time: 1, localPort: 0 });
    const bound = ENDPOINT.replace('8080', '40000');

    it('wait until a scan shows it', () => {
      const story = new Story().events(unbound);
      assert.deepEqual(story.endpoints(30), []);
      story.scan(31, listener({ localPort: 40000 }));
      assert.deepEqual(story.endpoints(60), [bound]);
    });

    it('wait until an accepted connection shows it', () => {
      const story = new Story().events(unbound, server({ time: 2, pid: 7, localPort: 40000 }));
      assert.deepEqual(story.endpoints(30), [bound]);
      story.events(listener({ type: 'unlisten', time: 31, localPort: 0 }));
      assert.deepEqual(story.endpoints(60), [`${bound} closed 31`]);
    });

    it('are not told by a connection of another process, nor by one that it made', () => {
      const story = new Story().events(
        unbound,
        server({ time: 2, pid: 8, localPort: 40000 }),
        server({ time: 2, pid: 7, container: 2, localPort: 40000 }),
        client({ time: 2, pid: 7, localPort: 40001 }),
      );
      assert.deepEqual(story.endpoints(30), []);
    });

    it('are told once, by the first connection', () => {
      const story = new Story().events(
        unbound,
        server({ time: 2, pid: 7, localPort: 40000 }),
        server({ time: 3, pid: 7, localPort: 8080 }),
      );
      assert.deepEqual(story.endpoints(30), [bound]);
    });

    it('are no matter of connections once a scan has told them', () => {
      const story = new Story().events(unbound).scan(2, listener({ localPort: 40000 }));
      story.events(server({ time: 3, pid: 7, localPort: 8080 }));
      assert.deepEqual(story.endpoints(30), [bound]);
    });

    it('are forgotten with their socket', () => {
      const story = new Story().events(unbound, listener({ type: 'unlisten', time: 2, localPort: 0 }));
      assert.deepEqual(story.endpoints(30), []);
      assert.equal(story.state.counts.listeners, 0);
    });
  });

  describe('and their originators', () => {
    const by = (originator: number) => ENDPOINT.replace(/0$/, String(originator));

    it('are asked for by container and process', () => {
      const story = new Story({ originatorOf: (container, pid) => container * 1000 + pid });
      story.events(listener({ time: 1 }));
      assert.deepEqual(story.endpoints(30), [by(1007)]);
    });

    it('make two endpoints of one port when they differ', () => {
      const story = new Story({ originatorOf: (_, pid) => pid });
      story.events(listener({ time: 1 }), listener({ time: 1, cookie: 101, pid: 8 }));
      assert.deepEqual(story.endpoints(30), [by(7), by(8)]);
    });

    it('are asked for again at the tick when they were not known', () => {
      const known = new Map<number, number>();
      const story = new Story({ originatorOf: (_, pid) => known.get(pid) ?? 0 });
      story.events(listener({ time: 1 }));
      known.set(7, 42);
      assert.deepEqual(story.endpoints(30), [by(42)]);
    });

    it('stay who listened when their process is gone at the end', () => {
      const known = new Map([[7, 42]]);
      const story = new Story({ originatorOf: (_, pid) => known.get(pid) ?? 0 });
      story.events(listener({ time: 1 }));
      assert.deepEqual(story.endpoints(30), [by(42)]);
      known.set(7, 43);
      story.events(listener({ type: 'unlisten', time: 31 }));
      assert.deepEqual(story.endpoints(60), [`${by(42)} closed 31`]);
    });

    it('stay known when a scan finds their process gone', () => {
      const known = new Map([[7, 42]]);
      const story = new Story({ originatorOf: (_, pid) => known.get(pid) ?? 0 });
      story.events(listener({ time: 1 }));
      known.clear();
      story.scan(20, listener());
      assert.deepEqual(story.endpoints(30), [by(42)]);
    });

    it('follow the scan, the oldest holder of a socket before others', () => {
      const story = new Story({ originatorOf: (_, pid) => pid });
      story.events(listener({ time: 1 }));
      story.scan(20, listener({ pid: 9, startTime: 5 }), listener({ pid: 8, startTime: 4 }));
      assert.deepEqual(story.endpoints(30), [by(8)]);
      story.scan(40, listener({ pid: 9 }));
      assert.deepEqual(story.endpoints(60), [`${by(8)} closed 20`, by(9)].sort());
    });

    it('are not asked for when they are not wanted', () => {
      const story = new Story({ originators: false, originatorOf: () => assert.fail('asked') });
      story.events(listener({ time: 1 })).scan(2, listener());
      assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    });
  });
});

describe('a full table', () => {
  const flood = (count: number, start: number) =>
    Array.from({ length: count }, (_, index) => [
      server({ time: start + index / 1000, remotePort: 1 + index }),
      server({ type: 'close', time: start + (index + 0.5) / 1000, remotePort: 1 + index }),
    ]).flat();

  it('makes room by looking early at what is closed, and loses nothing', () => {
    const story = new Story({ mostFlows: 10 });
    story.events(client({ time: 1 }), ...flood(100, 2));
    assert.deepEqual(story.connections(30), [CLIENT, `${SERVER} closed 2.0995`]);
    assert.equal(story.state.counts.refused, 0);
    assert.equal(story.state.counts.connections, 1);
  });

  it('makes room again after a tick, although there was none to make before', () => {
    const story = new Story({ mostFlows: 10 });
    const open = Array.from({ length: 11 }, (_, index) => client({ time: 1, localPort: 1 + index }));
    story.events(...open);
    assert.equal(story.state.counts.refused, 1);
    story.tick(30);
    const close = open.slice(0, 10).map((socket) => ({ ...socket, type: 'close', time: 31 }) as const);
    story.events(...close, server({ time: 32 }));
    assert.equal(story.state.counts.refused, 1);
    assert.deepEqual(story.connections(60), [`${CLIENT} closed 31`, SERVER]);
  });

  it('refuses what it has no room for, and counts it', () => {
    const story = new Story({ mostFlows: 10 });
    const open = Array.from({ length: 15 }, (_, index) => client({ time: 1 + index, remotePort: 1 + index }));
    story.events(...open);
    assert.equal(story.connections(30).length, 10);
    assert.equal(story.state.counts.refused, 5);
    story.events(client({ type: 'close', time: 31, remotePort: 1 }));
    assert.equal(story.connections(60).length, 1);
    story.events(client({ time: 61, remotePort: 99 }));
    assert.deepEqual(story.connections(90), ['1 client nothing - 10.0.0.9 :99']);
  });
});
