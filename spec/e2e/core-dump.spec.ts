import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Collector } from '../support/collector.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

describe('The daemon, on core dumps', function () {
  this.timeout(30_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
  });

  const started = (limits: string, env = {}) =>
    keep(Collector.start([], { env, through: ['prlimit', `--core=${limits}`, '--'] }));
  const softLimit = ({ pid }: Collector) =>
    /^Max core file size +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];

  it('leaves none unless told to', async () => {
    const collector = await started('0:8192');
    assert.equal(softLimit(collector), '0');
    assert.doesNotMatch(collector.stderr, /core dump/);
  });

  it('leaves one as large as the hard limit allows, if told to, and says how large', async () => {
    const collector = await started('0:8192', { ENABLE_CORE_DUMP: 'true' });
    assert.equal(softLimit(collector), '8192');
    assert.match(collector.stderr, /A crash leaves a core dump of 8192 bytes at most\./);
  });

  it('warns, with what to do, where the hard limit allows none', async () => {
    const collector = await started('0:0', { ENABLE_CORE_DUMP: 'true' });
    assert.match(collector.stderr, /WARNING.*ENABLE_CORE_DUMP has no effect.*Remedy: raise it/);
  });
});
