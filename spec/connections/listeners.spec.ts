import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RecordFlag } from '../../actors/capture/layout.js';
import { IPPROTO_UDP } from '../../actors/capture/linux.js';
import type { Socket } from '../support/records.js';
import { listener, server, Story } from './support.js';

describe('The state of listening sockets', () => {
  for (const local of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    it(`leaves out a port on ${local}, which nobody reaches from outside`, () => {
      const socket = listener({ local });
      const story = new Story().events({ ...socket, time: 1 }).scan(2, socket);
      assert.deepEqual(story.endpoints(3), []);
      assert.deepEqual(story.events({ ...socket, type: 'unlisten', time: 4 }).endpoints(5), []);
    });
  }

  it('leaves out a UDP port on the loopback', () => {
    const socket = listener({ local: '127.0.0.53', localPort: 53, protocol: IPPROTO_UDP });
    assert.deepEqual(new Story().scan(1, socket).endpoints(2), []);
  });

  it('reports a port that is listened on for the loopback and for all, while the latter is', () => {
    const [own, open] = [listener({ local: '127.0.0.1' }), listener({ cookie: 101 })];
    const story = new Story({ originatorOf: () => 7 }).events({ ...own, time: 1 }, { ...open, time: 1 });
    assert.deepEqual(story.endpoints(2), ['1 0.0.0.0 in 0.0.0.0/32 :8080 by 7']);
    story.events({ ...own, type: 'unlisten', time: 3 });
    assert.deepEqual(story.endpoints(4), []);
    story.events({ ...open, type: 'unlisten', time: 5 });
    assert.deepEqual(story.endpoints(6), ['1 0.0.0.0 in 0.0.0.0/32 :8080 by 7 closed 5']);
  });
});

/** Identity and number are the same: the process's image, shared by forks. */
const originatorOf = (_container: number, _pid: number, _startTime: number, image: number) => image;

describe('Who listens, of the processes that hold a socket', () => {
  const caller: Socket = listener({ pid: 7, startTime: 70, image: 1, flags: RecordFlag.listener });
  const fork: Socket = listener({ pid: 5, startTime: 80, image: 1 });
  const service: Socket = listener({ pid: 8, startTime: 90, image: 2 });
  const child: Socket = listener({ pid: 3, startTime: 75, image: 3 });
  const by = (image: number, container = 1) => `${container} 0.0.0.0 in 0.0.0.0/32 :8080 by ${image}`;
  const serves = (socket: Socket): Socket => ({
    ...server({ pid: Number(socket.pid), image: Number(socket.image), container: Number(socket.container) }),
    type: 'served',
  });

  it('is the one that called listen(), as long as it holds the socket, whatever pids and ages', () => {
    const story = new Story({ originatorOf }).events({ ...caller, time: 1 });
    story.scan(2, child, fork, caller, service);
    assert.deepEqual(story.endpoints(3), [by(1)]);
    story.scan(4, child, service);
    assert.deepEqual(
      story.endpoints(5),
      [by(1), by(3)].map((line, i) => (i === 0 ? `${line} closed 2` : line)),
    );
  });

  it('is one that accepts before an older one that does not, once the caller is gone', () => {
    const story = new Story({ originatorOf }).events({ ...caller, time: 1 }, { ...serves(service), time: 2 });
    story.scan(3, child, service);
    assert.deepEqual(story.endpoints(4), [by(2)]);
  });

  it('is told beside a program that serves what the caller listens on, and no child that inherited the socket', () => {
    const story = new Story({ originatorOf }).events({ ...caller, time: 1 }).scan(2, child, caller, service);
    assert.deepEqual(story.endpoints(3), [by(1)]);
    story.events({ ...serves(service), time: 4 }).scan(5, child, caller, service);
    assert.deepEqual(story.endpoints(6), [by(2)]);
    story.scan(7, child, caller, service);
    assert.deepEqual(story.endpoints(8), []);
    story.scan(9, child, caller);
    assert.deepEqual(story.endpoints(10), [`${by(2)} closed 7`]);
  });

  it('is asked for in each container that holds the socket, and closes where it is held no more', () => {
    const taken = { ...service, container: 2 };
    const story = new Story({ originatorOf }).events({ ...caller, time: 1 }).scan(2, caller, taken);
    assert.deepEqual(story.endpoints(3), [by(1), by(2, 2)]);
    story.scan(4, taken);
    assert.deepEqual(story.endpoints(5), [`${by(1)} closed 2`]);
  });

  it('ends everywhere with the socket, when its end is told of one container alone', () => {
    const taken = { ...service, container: 2 };
    const story = new Story({ originatorOf }).events({ ...caller, time: 1 }).scan(2, caller, taken);
    story.endpoints(3);
    story.events({ ...caller, type: 'unlisten', time: 4 });
    assert.deepEqual(story.endpoints(5), [`${by(1)} closed 4`, `${by(2, 2)} closed 4`]);
    assert.deepEqual(story.scan(6).endpoints(7), []);
  });

  /** Holders by their pid; the caller of listen() is among them. */
  const all = [
    caller,
    fork,
    service,
    child,
    { ...service, container: 2, pid: 9 },
    { ...child, container: 2, pid: 4 },
  ];
  const holders = fc.uniqueArray(fc.integer({ min: 0, max: all.length - 1 }));
  const step = fc.record({ held: holders, served: fc.option(fc.integer({ min: 0, max: all.length - 1 })) });

  it('is what the rule says, however holders come and go, and in whatever order they are listed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const story = new Story({ originatorOf }).events({ ...caller, time: 0.5 });
        const open = new Set<string>();
        /** Programs seen to serve since they hold the socket. */
        let servers = new Set<string>();
        const program = ({ container, image }: Socket) => `${Number(container)} ${Number(image)}`;
        steps.forEach(({ held, served }, at) => {
          const time = 10 * at + 1;
          if (served !== null) {
            story.events({ ...serves(all[served]!), time });
            servers.add(program(all[served]!));
          }
          const sockets = held.map((index) => all[index]!);
          story.scan(time + 1, ...sockets);
          servers = new Set([...servers].filter((one) => sockets.some((socket) => program(socket) === one)));
          for (const line of story.endpoints(time + 2)) {
            if (line.includes(' closed ')) open.delete(line.replace(/ closed .*/, ''));
            else open.add(line);
          }
          assert.deepEqual([...open].sort(), expected(sockets, servers, program).sort());
        });
      }),
    );
  });

  function expected(sockets: Socket[], servers: Set<string>, program: (socket: Socket) => string): string[] {
    const endpoints = new Set<string>();
    for (const container of new Set(sockets.map(({ container }) => Number(container)))) {
      const own = sockets.filter((socket) => socket.container === container);
      const serving = own.filter((socket) => socket !== caller && servers.has(program(socket)));
      const oldest = (some: Socket[]) =>
        some.toSorted(
          (a, b) => Number(a.startTime) - Number(b.startTime) || Number(a.pid) - Number(b.pid),
        )[0];
      const first = own.find((socket) => socket === caller) ?? oldest(serving) ?? oldest(own)!;
      for (const socket of [first, ...serving]) endpoints.add(by(Number(socket.image), container));
    }
    return [...endpoints];
  }
});

describe('Ports that are listened on for a moment', () => {
  const brief = (count: number, container: number, time: number) =>
    Array.from({ length: count }, (_, port) => {
      const socket = listener({ container, cookie: container * 10_000 + port, localPort: 1000 + port });
      return [
        { ...socket, time },
        { ...socket, type: 'unlisten' as const, time: time + 0.5 },
      ];
    }).flat();

  it('are bounded in a report for each container, and the rest is counted and told once', () => {
    const story = new Story({ maxConnectionsPerMinute: 20, scrapeInterval: 30 });
    story.events(...brief(50, 1, 1), ...brief(5, 2, 1));
    const reports = story.endpoints(2);
    assert.equal(reports.filter((line) => line.startsWith('1 ')).length, 10);
    assert.equal(reports.filter((line) => line.startsWith('2 ')).length, 5);
    const { endpointsRateLimited, endpointsRateLost } = story.state.counts;
    assert.deepEqual([endpointsRateLimited, endpointsRateLost], [40, 40]);
    assert.deepEqual(story.state.limited, [{ of: 'endpoints', container: 1, count: 40, most: 10 }]);
    assert.equal(story.state.tables.find(({ name }) => name === 'reported_endpoints')?.entries, 15);
    story.events(...brief(50, 1, 3));
    story.endpoints(4);
    assert.deepEqual(story.state.limited, []);
  });

  it('wait for a later report while they are open, and close without a limit', () => {
    const sockets = Array.from({ length: 25 }, (_, port) =>
      listener({ cookie: 1 + port, localPort: 1000 + port }),
    );
    const story = new Story({ maxConnectionsPerMinute: 20 }).events(
      ...sockets.map((one) => ({ ...one, time: 1 })),
    );
    const counts = [2, 3, 4].map((second) => story.scan(second, ...sockets).endpoints(second + 0.5).length);
    assert.deepEqual(counts, [10, 10, 5]);
    assert.equal(story.scan(5).endpoints(6).length, 25);
    assert.equal(story.state.counts.endpointsRateLost, 0);
  });
});
