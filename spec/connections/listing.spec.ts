import assert from 'node:assert/strict';
import fc from 'fast-check';
import { peerKinds } from '../../actors/connections/peer-counts.js';
import type { View } from '../../actors/connections/listing.js';
import { containerNumber, type Socket } from '../support/records.js';
import { client, listener, server, Story } from './support.js';

type Listing = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

const [A, B] = ['c6f030bc4b42', '01e8c0454972'];

const nginx = { name: 'nginx', path: '/usr/sbin/nginx', args: '-g "daemon off;"' };

function view(options: Partial<View> = {}): View {
  return { normalize: true, originator: () => nginx, ...options };
}

function connections({ state }: Story, options?: Partial<View>): Listing {
  return JSON.parse([...state.connections(view(options))].join('')) as Listing;
}

function endpoints({ state }: Story, options?: Partial<View>): Listing {
  return JSON.parse([...state.endpoints(view(options))].join('')) as Listing;
}

describe('The listing of connections', () => {
  it('has the form that the guide shows', () => {
    const story = new Story().events(client({ type: 'open', container: A, remotePort: 443 }));
    assert.equal(
      [...story.state.connections(view())].join(''),
      `{
  "${A}" : 
  [
    {
      "active" : true,
      "l4proto" : "TCP",
      "port" : 443,
      "to" : "10.0.0.9"
    }
  ]
}
`,
    );
  });

  it('is an empty object when there is none', () => {
    assert.deepEqual(connections(new Story()), {});
    assert.deepEqual(endpoints(new Story()), {});
  });

  const story = () =>
    new Story().events(
      client({ type: 'open', container: A, time: 1 }),
      client({ type: 'open', container: A, localPort: 40001, time: 1 }),
      client({ type: 'open', container: A, remote: '8.8.8.8', remotePort: 53, time: 1 }),
      client({ type: 'close', container: A, remote: '8.8.8.8', remotePort: 53, time: 2 }),
      server({ type: 'open', container: B, local: 'fd00::1', remote: 'fd00::9', time: 1 }),
    );

  it('is normalised as reports are, grouped by container, without afterglow', () => {
    const all = connections(story());
    assert.deepEqual(Object.keys(all), [B, A]);
    assert.deepEqual(all[B], [{ active: true, from: 'fd00::9', l4proto: 'TCP', port: 8080 }]);
    assert.deepEqual(
      [...all[A]!].sort((one, other) => Number(one['port']) - Number(other['port'])),
      [
        { active: false, l4proto: 'TCP', port: 53, to: '255.255.255.255' },
        { active: true, l4proto: 'TCP', port: 80, to: '10.0.0.9' },
      ],
    );
  });

  it('shows each connection as the kernel has it if asked to', () => {
    const all = connections(story(), { normalize: false });
    assert.deepEqual(all[A]!.map(({ local_port: port, to }) => `${String(port)} ${String(to)}`).sort(), [
      '40000 10.0.0.9',
      '40000 8.8.8.8',
      '40001 10.0.0.9',
    ]);
    assert.deepEqual(all[B], [
      {
        active: true,
        from: 'fd00::9',
        l4proto: 'TCP',
        local_address: 'fd00::1',
        local_port: 8080,
        port: 8080,
        remote_port: 50000,
      },
    ]);
  });

  it('shows one container alone', () => {
    assert.deepEqual(Object.keys(connections(story(), { container: containerNumber(B) })), [B]);
    assert.deepEqual(connections(story(), { container: containerNumber('aaaaaaaaaaaa') }), {});
    assert.deepEqual(Object.keys(connections(story(), { container: containerNumber(A), normalize: false })), [
      A,
    ]);
  });

  it('tells external peers as the configuration in force has them told', () => {
    const told = story().config(3, { externalIps: 'both' });
    assert.ok(connections(told)[A]!.some(({ to }) => to === '8.8.8.8/32'));
  });

  it('changes nothing that is reported', () => {
    const [looked, unseen] = [story(), story()];
    connections(looked);
    endpoints(looked, { normalize: false });
    assert.deepEqual(looked.tick(10), unseen.tick(10));
  });

  it('goes on with what there was when it began, whatever comes meanwhile', () => {
    const open = (from: number, count: number): Socket[] =>
      Array.from({ length: count }, (_, n) =>
        client({ type: 'open', container: A, localPort: 1024 + ((from + n) % 60_000), remotePort: 1 + n }),
      );
    const busy = new Story().events(...open(0, 3000));
    let text = '';
    let pieces = 0;
    for (const piece of busy.state.connections(view({ normalize: false }))) {
      text += piece;
      if (pieces++ === 0) busy.events(...open(30_000, 3000));
    }
    assert.ok(pieces > 5, `${pieces} pieces`);
    assert.equal((JSON.parse(text) as Listing)[A]!.length, 3000);
  });
});

describe('The listing of endpoints', () => {
  const story = () =>
    new Story({ originatorOf: () => 1 }).events(
      listener({ container: A, time: 1 }),
      listener({ container: A, cookie: 101, time: 1 }),
      listener({ container: B, cookie: 102, localPort: 9090, time: 1 }),
      listener({ type: 'unlisten', container: B, cookie: 102, localPort: 9090, time: 2 }),
    );
  const any = (port: number) => ({ address: '0.0.0.0', port });
  const originator = {
    process_name: nginx.name,
    process_exec_file_path: nginx.path,
    process_args: nginx.args,
  };

  it('has one entry an endpoint, and who listens', () => {
    assert.deepEqual(endpoints(story()), {
      [B]: [{ active: false, endpoint: any(9090), l4proto: 'TCP', originator, port: 9090 }],
      [A]: [{ active: true, endpoint: any(8080), l4proto: 'TCP', originator, port: 8080 }],
    });
  });

  it('has one entry a socket if asked to', () => {
    const [one, other] = endpoints(story(), { normalize: false, container: containerNumber(A) })[A]!;
    const endpoint = any(8080);
    assert.deepEqual(one, { active: true, endpoint, l4proto: 'TCP', originator, port: 8080, pid: 7 });
    assert.deepEqual(other, one);
  });

  it('has the address that a socket listens on if asked to, and any address as reported', () => {
    const bound = [
      listener({ container: A, cookie: 1, local: '10.0.0.1' }),
      listener({ container: A, cookie: 2, local: 'fd00::1' }),
      listener({ container: A, cookie: 3, local: '::' }),
    ];
    const addresses = (of: Story, normalize: boolean) =>
      Array.from(
        endpoints(of, { normalize })[A]!,
        ({ endpoint }) => (endpoint as { address: string }).address,
      ).sort();
    const [told, scanned] = [new Story().events(...bound), new Story().scan(1, ...bound)];
    for (const story of [told, scanned]) {
      assert.deepEqual(addresses(story, false), ['10.0.0.1', '::', 'fd00::1']);
      assert.deepEqual(addresses(story, true), ['0.0.0.0', '::']);
    }
  });

  it('says nothing of a process that it does not know', () => {
    const unknown = new Story().events(listener({ container: A, time: 1 }));
    assert.deepEqual(endpoints(unknown)[A], [
      { active: true, endpoint: any(8080), l4proto: 'TCP', port: 8080 },
    ]);
  });
});

describe('The census', () => {
  const zeros = () => peerKinds.map(() => 0);
  const kinds = peerKinds.map(({ direction, peer }) => `${direction} ${peer}`);

  it('counts by direction and kind of peer what was there since the last report', () => {
    const story = new Story().events(
      client({ type: 'open', time: 1 }),
      client({ type: 'open', remote: '8.8.8.8', time: 1 }),
      client({ type: 'close', remote: '8.8.8.8', time: 2 }),
      server({ type: 'open', time: 1 }),
      server({ type: 'open', remote: '1.1.1.1', time: 1 }),
      server({ type: 'open', remote: '1.1.1.1', remotePort: 50_001, time: 1 }),
    );
    const { peerCounts: census } = story.state;
    const counts = (values: Float64Array) => Object.fromEntries(kinds.map((kind, at) => [kind, values[at]]));
    story.tick(10);
    const first = { 'in private': 1, 'in public': 2, 'out private': 1, 'out public': 1 };
    assert.deepEqual(counts(census.known), first);
    assert.deepEqual(counts(census.created), first);
    story.tick(20);
    assert.deepEqual(counts(census.known), { ...first, 'out public': 0 });
    assert.deepEqual(counts(census.created), first);
    assert.equal(census.removed, 1);
  });

  it('agrees with who counts all connections, whatever happens', () => {
    const socket = fc.record({
      type: fc.constantFrom('open', 'close'),
      role: fc.constantFrom('unknown', 'server', 'client'),
      remote: fc.constantFrom('10.0.0.9', '8.8.8.8', 'fd00::9', '2001:db8::1'),
      localPort: fc.integer({ min: 80, max: 82 }),
      container: fc.integer({ min: 1, max: 2 }),
    });
    const rounds = fc.array(fc.array(socket, { maxLength: 20 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rounds, (histories) => {
        const story = new Story();
        let time = 1;
        for (const history of histories) {
          for (const one of history) {
            const local = one.remote.includes(':') ? 'fd00::1' : '10.0.0.1';
            story.events(client({ ...one, local, time: time++ }));
          }
          const expected = zeros();
          for (const entry of Object.values(connections(story, { normalize: false })).flat()) {
            const peer = String(entry['from'] ?? entry['to']);
            const isPublic = ['8.8.8.8', '2001:db8::1'].includes(peer);
            expected[(entry['from'] === undefined ? 2 : 0) + (isPublic ? 1 : 0)]!++;
          }
          story.tick(time++);
          assert.deepEqual([...story.state.peerCounts.known], expected);
        }
      }),
    );
  });
});
