import assert from 'node:assert/strict';
import { detachPrograms } from '../../scripts/lab/links.js';
import { ask } from '../http/support.js';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import { samplesIn } from '../support/exposition.js';
import { history } from '../support/history.js';
import { client, overUdp } from '../support/messages.js';
import { asUserWith, LEAST, nobodyCanRead } from '../support/nobody.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

describe('A daemon that somebody tampers with', function () {
  this.timeout(60_000);
  const keep = resources();
  let caller: Container;

  before(async function () {
    requires(this, isRoot, 'no root');
    requires(this, await nobodyCanRead(), 'other users cannot read the repository');
    [caller] = await pair(keep);
  });

  it('attaches programs again that were detached, although it gave up all rights', async () => {
    const collector = await keep(Collector.start([], { env, through: asUserWith(LEAST) }));
    const detached = detachPrograms(collector.pid);
    assert.ok(detached > 0);
    const line = /WARNING .*Somebody detached BPF programs of Collector: .*udp_connect4.* attached again/;
    await collector.shows(
      () => 'a warning',
      () => line.test(collector.stderr),
    );
    const [to, port] = [WIRE.v4[1], 5399];
    await caller.run('udp-send', '1', to, String(port));
    assert.equal(
      (await history(collector, overUdp(client(caller.shortId, to, port)), 'closed')).at(-1),
      'closed',
    );
    const { text } = await ask(collector.address('Metrics'), '/metrics');
    const count = samplesIn(text).get('collector_losses_total{stage="kernel",cause="program_detached"}');
    assert.equal(count, detached);
  });
});
