import assert from 'node:assert/strict';
import { IPPROTO_UDP } from '../../actors/capture/linux.js';
import { listener, Story } from './support.js';

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
