import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Collector, runToEnd } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { asUserWith, LEAST, nobodyCanRead } from '../support/nobody.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

describe('The daemon with the least privileges', function () {
  this.timeout(30_000);
  const keep = resources();

  before(async function () {
    requires(this, isRoot, 'no root');
    requires(this, await nobodyCanRead(), 'other users cannot read the repository');
  });

  for (const one of LEAST) {
    it(`needs CAP_${one.toUpperCase()}, and names it where it is missing`, async () => {
      const through = asUserWith(LEAST.filter((name) => name !== one));
      const { code, stderr } = await runToEnd([], { through });
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`Cause: Collector runs as user 65532 without CAP_${one.toUpperCase()}\\.`),
      );
    });
  }

  it('sees what a container does although it has given up all of them', async () => {
    const container = await keep(Container.create());
    const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
    const collector = await keep(Collector.start([], { env, through: asUserWith(LEAST) }));
    const threads = readdirSync(`/proc/${collector.pid}/task`).map((thread) => {
      const status = readFileSync(`/proc/${collector.pid}/task/${thread}/status`, 'utf8');
      const mask = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)![1]}`);
      return { permitted: mask('CapPrm'), blocksSignals: (mask('SigBlk') & 0x7fff_ffff_0000_0000n) !== 0n };
    });
    assert.ok(threads.length > 1);
    for (const { permitted, blocksSignals } of threads) assert.ok(permitted === 0n || blocksSignals);
    // Node's own, which waits for SIGUSR1.
    assert.ok(threads.filter(({ permitted }) => permitted !== 0n).length <= 1);

    await container.start('exec', '/bin/sleep', '1000.5');
    await eventually(
      () => collector.signals(container.shortId).some(({ args }) => args === '1000.5'),
      'the process of the container',
    );
    const serving = await container.start('serve', '0.0.0.0', '1');
    const port = Number(await serving.said('listening'));
    await eventually(
      () => collector.endpoints(container.shortId).some(({ listenAddress }) => listenAddress.port === port),
      'the port that the container listens on',
    );
  });
});
