import assert from 'node:assert/strict';
import { Story, client, listener, server } from './support.js';

const UDP = { protocol: 17, role: 'unknown' } as const;
const DNS = { ...UDP, remotePort: 53 };
const SHOWN = '1 client nothing - 10.0.0.9 :53';

describe('UDP flows', () => {
  it('that are connected open by a scan and close by their end', () => {
    const story = new Story();
    story.scan(29, client(DNS));
    assert.deepEqual(story.connections(30), [SHOWN]);
    story.events(client({ ...DNS, type: 'close', time: 31 }));
    assert.deepEqual(story.connections(60), [`${SHOWN} closed 31`]);
  });

  const roles = [
    { local: 40000, remote: 53, ports: 'client' },
    { local: 53, remote: 40000, ports: 'server' },
    { local: 514, remote: 514, ports: 'client' },
    { local: 51820, remote: 40000, ports: 'client' },
  ] as const;
  const sides = {
    client: (_: number, remote: number) => `1 client nothing - 10.0.0.9 :${remote}`,
    server: (local: number) => `1 server :${local} - 10.0.0.9`,
  };
  for (const { local, remote, ports } of roles) {
    for (const role of ['unknown', 'server', 'client'] as const) {
      const expected = role === 'unknown' ? ports : role;
      it(`from port ${local} to ${remote} have the role ${expected} when records say ${role}`, () => {
        const shown = sides[expected](local, remote);
        const flow = client({ ...UDP, role, localPort: local, remotePort: remote });
        assert.deepEqual(new Story().scan(29, flow).connections(30), [shown]);
        const seen = new Story().events({ ...flow, type: 'datagram', time: 25 });
        assert.deepEqual(seen.connections(30), [`${shown} closed 25`]);
      });
    }
  }

  it('of sockets that nobody saw connect are those of a server where its port is listened on', () => {
    const flow = client({ ...UDP, localPort: 51820, remotePort: 40000 });
    const story = new Story().scan(29, listener({ protocol: 17, localPort: 51820 }), flow);
    assert.deepEqual(story.connections(30), ['1 server :51820 - 10.0.0.9']);
    const overTcp = new Story().scan(29, listener({ localPort: 51820 }), flow);
    assert.deepEqual(overTcp.connections(30), ['1 client nothing - 10.0.0.9 :40000']);
  });

  for (const role of ['unknown', 'client'] as const) {
    it(`to port 0 are never reported when records say ${role}, but from there they are`, () => {
      const toZero = client({ ...UDP, role, remotePort: 0 });
      assert.deepEqual(new Story().scan(29, toZero).connections(30), []);
      for (const type of ['close', 'datagram'] as const)
        assert.deepEqual(new Story().events({ ...toZero, type, time: 1 }).connections(30), []);
      const fromZero = server({ ...UDP, role: 'server', remotePort: 0, type: 'datagram', time: 1 });
      assert.equal(new Story().events(fromZero).connections(30).length, 1);
    });
  }

  it('of datagrams are active when they were last told of', () => {
    const story = new Story();
    story.events(
      client({ ...DNS, type: 'datagram', time: 10 }),
      client({ ...DNS, type: 'datagram', time: 25 }),
    );
    assert.deepEqual(story.connections(30), [`${SHOWN} closed 25`]);
    assert.deepEqual(story.connections(60), []);
  });

  it('of datagrams stay open through the afterglow for as long as they go on, and close with their last', () => {
    const story = new Story({ afterglowPeriod: 50 });
    for (const tick of [30, 60, 90]) {
      story.events(client({ ...DNS, type: 'datagram', time: tick - 10 }));
      story.scan(tick - 1);
      assert.deepEqual(story.connections(tick), tick === 30 ? [SHOWN] : []);
    }
    assert.deepEqual(story.connections(120), []);
    assert.deepEqual(story.connections(150), [`${SHOWN} closed 80`]);
  });

  it('that a connected socket holds open are not closed by a datagram', () => {
    const story = new Story();
    story.scan(20, client(DNS));
    story.events(client({ ...DNS, type: 'datagram', time: 25 }));
    assert.deepEqual(story.connections(30), [SHOWN]);
    story.scan(50);
    assert.deepEqual(story.connections(60), [`${SHOWN} closed 25`]);
  });

  it('of datagrams close by themselves where there are no scans', () => {
    const story = new Story({ afterglowPeriod: 20 });
    story.events(client({ ...DNS, type: 'datagram', time: 25 }));
    assert.deepEqual(story.connections(30), [SHOWN]);
    assert.deepEqual(story.connections(60), [`${SHOWN} closed 25`]);
  });

  it('are told from TCP of the same addresses', () => {
    const story = new Story();
    story.events(client({ remotePort: 53, time: 1 }));
    story.scan(20, client({ remotePort: 53 }), client(DNS));
    assert.equal(story.delta(30).connections.length, 2);
  });

  it('of another scope, of networks to ignore and of the loopback are not told of', () => {
    const story = new Story({ ignoredNetworks: ['169.254.0.0/16'] });
    const datagram = { ...DNS, type: 'datagram', time: 1 } as const;
    story.events(client({ ...datagram, container: 0 }), client({ ...datagram, remote: '169.254.0.1' }));
    story.events(client({ ...datagram, remote: '127.0.0.1' }));
    assert.deepEqual(story.connections(30), []);
  });

  describe('of port 9', () => {
    const toNine = client({ ...UDP, remotePort: 9 });
    const atNine = server({ ...UDP, localPort: 9 });
    const flows = [toNine, atNine];
    const tcp = client({ remotePort: 9 });

    for (const dropIgnored of [true, false]) {
      it(`are ${dropIgnored ? 'dropped' : 'reported'} with ROX_NETWORK_DROP_IGNORED=${dropIgnored}`, () => {
        const seen = dropIgnored ? 0 : 2;
        const scanned = new Story({ dropIgnored }).scan(29, ...flows);
        assert.equal(scanned.connections(30).length, seen);
        const told = new Story({ dropIgnored });
        told.events(...flows.map((flow) => ({ ...flow, type: 'datagram', time: 1 }) as const));
        assert.equal(told.connections(30).length, seen);
        const ended = new Story({ dropIgnored });
        ended.events(...flows.map((flow) => ({ ...flow, type: 'close', time: 1 }) as const));
        assert.equal(ended.connections(30).length, seen);
        const bound = new Story({ dropIgnored }).scan(29, listener({ protocol: 17, localPort: 9 }));
        assert.equal(bound.delta(30).endpoints.length, dropIgnored ? 0 : 1);
      });
    }

    it('are reported where port 9 is the client, and over TCP', () => {
      const fromNine = server({ ...UDP, localPort: 7, remotePort: 40000 });
      const story = new Story().scan(29, client({ ...UDP, localPort: 40009, remotePort: 90 }), fromNine, tcp);
      assert.equal(story.connections(30).length, 3);
      const listening = new Story().scan(29, listener({ localPort: 9 }));
      assert.equal(listening.delta(30).endpoints.length, 1);
    });
  });
});
