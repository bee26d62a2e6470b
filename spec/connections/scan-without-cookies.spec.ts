import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Story, listener } from './support.js';

const ENDPOINT = '1 0.0.0.0 in 0.0.0.0/32 :8080 by 0';
const INODE = 1n << 63n;

/** The same socket as a scan through /proc lists it: by its inode. */
function byInode(cookie: number): bigint {
  return INODE | BigInt(cookie + 1000);
}

describe('A listening socket that events know by its cookie and scans by its inode', () => {
  it('is one endpoint, which stays as long as scans list it', () => {
    const story = new Story();
    story.events(listener({ time: 1 }));
    story.scan(29, listener({ cookie: byInode(100) }));
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    for (const second of [60, 90, 120]) {
      story.scan(second - 1, listener({ cookie: byInode(100) }));
      assert.deepEqual(story.endpoints(second), []);
    }
  });

  it('closes once, when its event said', () => {
    const story = new Story();
    story.events(listener({ time: 1 }));
    story.scan(29, listener({ cookie: byInode(100) }));
    story.endpoints(30);
    story.events(listener({ type: 'unlisten', time: 41 }));
    story.scan(59);
    assert.deepEqual(story.endpoints(60), [`${ENDPOINT} closed 41`]);
    story.scan(89);
    assert.deepEqual(story.endpoints(90), []);
  });

  it('closes without an event when scans list it no more, at the last one that did', () => {
    const story = new Story();
    story.scan(29, listener({ cookie: byInode(100) }));
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    story.scan(59);
    assert.deepEqual(story.endpoints(60), [`${ENDPOINT} closed 29`]);
  });

  it('has the port that the kernel chose after it announced the socket', () => {
    const story = new Story();
    story.events(listener({ time: 1, localPort: 0 }));
    story.scan(29, listener({ cookie: byInode(100) }));
    assert.deepEqual(story.endpoints(30), [ENDPOINT]);
    story.events(listener({ type: 'unlisten', time: 31 }));
    story.scan(59);
    assert.deepEqual(story.endpoints(60), [`${ENDPOINT} closed 31`]);
  });

  it('is reported as if scans knew its cookie, whatever happens before and during scans', () => {
    const toggle = fc.record({ socket: fc.nat(3), isSeen: fc.boolean() });
    const round = fc.record({
      before: fc.array(toggle, { maxLength: 4 }),
      during: fc.array(toggle, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 8 }), (rounds) => {
        const [known, unknown] = [new Story(), new Story()];
        const listening = new Map<number, number>();
        let cookies = 0;
        rounds.forEach(({ before, during }, index) => {
          const start = 30 * index;
          const happen = (toggles: typeof before, from: number, listed?: Set<string>) => {
            toggles.forEach(({ socket, isSeen }, step) => {
              const cookie = listening.get(socket) ?? ++cookies;
              const isEnd = listening.delete(socket);
              if (!isEnd) listening.set(socket, cookie);
              if (isSeen) listed?.[isEnd ? 'delete' : 'add'](`${socket} ${cookie}`);
              const record = listener({
                type: isEnd ? 'unlisten' : 'listen',
                time: from + (step + 1) / 8,
                cookie,
                localPort: portOf(socket),
              });
              late.push(() => [known, unknown].forEach((story) => story.events(record)));
            });
          };
          const late: (() => void)[] = [];
          happen(before, start);
          late.splice(0).forEach((tell) => tell());
          const listed = new Set([...listening].map(([socket, cookie]) => `${socket} ${cookie}`));
          // Events during the scan are read after the next tick.
          happen(during, start + 29, listed);
          const scanned = (cookieOf: (cookie: number) => number | bigint) =>
            [...listed].map((text) => {
              const [socket, cookie] = text.split(' ').map(Number) as [number, number];
              return listener({ cookie: cookieOf(cookie), localPort: portOf(socket) });
            });
          known.scan(start + 29, ...scanned((cookie) => cookie));
          unknown.scan(start + 29, ...scanned(byInode));
          assert.deepEqual(unknown.endpoints(start + 29.9), known.endpoints(start + 29.9));
          late.forEach((tell) => tell());
        });
      }),
    );
  });
});

/** Two sockets share each port. */
function portOf(socket: number): number {
  return 8080 + (socket % 2);
}
