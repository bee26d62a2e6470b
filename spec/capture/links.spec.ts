import assert from 'node:assert/strict';
import { Links } from '../../actors/capture/links.js';

const lost = (program: string, errno?: string) => ({ program, errno });

describe('the account of programs that somebody detached', () => {
  let links: Links;
  const look = (...found: ReturnType<typeof lost>[]) =>
    links.look(found).map(({ level, message }) => `${level}: ${message}`);

  beforeEach(() => (links = new Links()));

  it('is silent while all are attached', () => {
    assert.deepEqual(look(), []);
    assert.equal(links.detached, 0);
    assert.equal(links.failure, undefined);
  });

  it('names those that are attached again, each time', () => {
    for (let time = 1; time <= 2; time++) {
      const [line, ...more] = look(lost('udp_connect4'), lost('udp_release'));
      assert.match(line!, /^warning: .*udp_connect4, udp_release.*attached again/);
      assert.deepEqual(more, []);
      assert.equal(links.detached, 2 * time);
    }
    assert.equal(links.failure, undefined);
  });

  it('says once what cannot be attached again, with a remedy, and when it can be', () => {
    const [cause, remedy] = look(lost('udp_release', 'EPERM'));
    assert.match(cause!, /^error: .*\(EPERM\): udp_release/);
    assert.match(remedy!, /^error: Remedy: /);
    assert.match(links.failure!.message, /udp_release/);
    assert.deepEqual(look(lost('udp_release', 'EPERM')), []);
    assert.equal(links.detached, 1);
    assert.match(look(lost('udp_release')).join('\n'), /^info: .*attached again: udp_release/);
    assert.equal(links.failure, undefined);
    assert.equal(links.detached, 1);
  });
});
