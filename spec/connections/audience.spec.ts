import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Audience } from '../../actors/capture/facts.js';
import type { Socket } from '../support/records.js';
import { Story, client, listener, server, type Changes } from './support.js';

const CLIENT = '1 client nothing - 10.0.0.9 :80';
const SERVER = '1 server :8080 - 10.0.0.9';
const ENDPOINT = '1 0.0.0.0 in 0.0.0.0/32 :8080 by 0';

describe('who hears the report of a tick', () => {
  it('hears nothing twice while it is the same', () => {
    const story = new Story();
    story.events(client({ time: 1 }));
    assert.deepEqual(story.connections(30), [CLIENT]);
    assert.deepEqual(story.connections(60), []);
  });

  it('hears all there is when it is fresh', () => {
    const story = new Story();
    story.events(client({ time: 1 }), listener({ time: 1 }));
    assert.deepEqual(story.tick(30), { connections: [CLIENT], endpoints: [ENDPOINT] });
    assert.deepEqual(story.tick(60, 'fresh'), { connections: [CLIENT], endpoints: [ENDPOINT] });
    assert.deepEqual(story.tick(90), { connections: [], endpoints: [] });
  });

  it('hears, when it is fresh, of what closed since the one before, which may not have heard it', () => {
    const story = new Story();
    story.events(client({ time: 1 }), listener({ time: 1 }));
    story.tick(30);
    story.events(client({ type: 'close', time: 31 }), listener({ type: 'unlisten', time: 31 }));
    const closed = { connections: [`${CLIENT} closed 31`], endpoints: [`${ENDPOINT} closed 31`] };
    assert.deepEqual(story.tick(60), closed);
    assert.deepEqual(story.tick(90, 'fresh'), closed);
    assert.deepEqual(story.tick(120), { connections: [], endpoints: [] });
    assert.deepEqual(story.tick(150, 'fresh'), { connections: [], endpoints: [] });
  });

  it('hears later of what happened while there was nobody', () => {
    const story = new Story();
    story.events(client({ time: 1 }), client({ type: 'close', time: 2 }));
    assert.deepEqual(story.connections(30, 'none'), []);
    story.events(server({ time: 31 }));
    assert.deepEqual(story.connections(60, 'none'), []);
    assert.deepEqual(story.connections(90), [`${CLIENT} closed 2`, SERVER]);
  });

  it('hears the true end of what closed long before, and that it is open if it opened again', () => {
    const story = new Story({ afterglowPeriod: 40 });
    story.events(client({ time: 1 }), server({ time: 1 }));
    story.tick(30);
    story.events(client({ type: 'close', time: 31 }), server({ type: 'close', time: 31 }));
    for (let tick = 2; tick < 10; tick++) story.tick(tick * 30, 'none');
    story.events(server({ time: 271, remotePort: 50001 }));
    assert.deepEqual(story.connections(300, 'fresh'), [`${CLIENT} closed 31`, SERVER]);
  });

  describe('whatever happens', () => {
    const SOCKETS = [
      client(),
      client({ remotePort: 443 }),
      server(),
      server({ remotePort: 50001 }),
      listener(),
    ];
    const event = fc.record({
      socket: fc.nat(SOCKETS.length - 1),
      opens: fc.boolean(),
      when: fc.integer({ min: 1, max: 29 }),
    });
    const audience = fc.constantFrom<Audience>('same', 'fresh', 'none');
    const history = fc.array(fc.record({ events: fc.array(event, { maxLength: 6 }), audience }), {
      minLength: 1,
      maxLength: 12,
    });

    it('draws the picture that somebody draws who was always there, and misses nothing in between', () => {
      fc.assert(
        fc.property(history, fc.constantFrom(0, 10, 40, 70), (history, afterglowPeriod) => {
          const constant = new Story({ afterglowPeriod });
          const interrupted = new Story({ afterglowPeriod });
          const whole = new Picture();
          let drawn = new Picture();
          /** Since the interrupted one heard something the last time. */
          let missed = new Set<string>();
          history.forEach(({ events, audience }, index) => {
            const sockets = events.map(({ socket, opens, when }) =>
              record(SOCKETS[socket]!, opens, index * 30 + when),
            );
            sockets.sort((a, b) => Number(a.time) - Number(b.time));
            constant.events(...sockets);
            interrupted.events(...sockets);
            const now = (index + 1) * 30;
            for (const name of whole.draw(constant.tick(now))) missed.add(name);
            if (audience === 'fresh') drawn = new Picture();
            const heard = drawn.draw(interrupted.tick(now, audience));
            if (audience === 'none') return;
            for (const name of missed) assert.ok(heard.has(name) || drawn.open.has(name), `${name} is told`);
            missed = new Set();
            assert.deepEqual(drawn.open, whole.open);
          });
        }),
      );
    });
  });
});

/** The knowledge of an audience. */
class Picture {
  open = new Set<string>();

  /** Takes in a report. Returns its subjects. */
  draw({ connections, endpoints }: Changes): Set<string> {
    const names = [...connections, ...endpoints].map((text) => {
      const [name = '', closed] = text.split(' closed ');
      if (closed === undefined) this.open.add(name);
      else this.open.delete(name);
      return name;
    });
    return new Set(names);
  }
}

function record(socket: Socket, opens: boolean, time: number): Socket {
  const [open, close] = socket.type === 'listen' ? ['listen', 'unlisten'] : ['open', 'close'];
  return { ...socket, type: (opens ? open : close) as NonNullable<Socket['type']>, time };
}
