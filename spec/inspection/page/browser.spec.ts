import assert from 'node:assert/strict';
import { Browser, hasChromium } from '../../support/browser.js';
import { Daemon } from '../../support/collector.js';
import { WIRE, type Container } from '../../support/container.js';
import { recording } from '../../support/corpus.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { pair } from '../../support/pair.js';
import { isRoot, requires } from '../../support/requirements.js';
import { resources } from '../../support/resources.js';
import { TestSensor } from '../../support/sensor.js';
import { workload } from '../../support/workload.js';

/** Reports every second; rings of a page or so are filled by a short burst. */
const ENV = {
  ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true',
  ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
  ROX_ENABLE_AFTERGLOW: 'false',
  ROX_COLLECTOR_SINSP_BUFFER_SIZE: '65536',
};
const PORT = 7654;
const BURST = 2000;

/** The address of the page, as the daemon's log has it. */
async function pageOf(daemon: Daemon): Promise<string> {
  const [, address] = await eventually(
    () => /Watch it at (\S+)|HTTP server listens on (\S+)/.exec(daemon.stderr) ?? undefined,
    () => `the log names the page:\n${daemon.stderr}`,
  ).then(([, page, server]) => ['', page ?? `http://${server}/inspect/`] as const);
  return address;
}

describe('The page at /inspect, in Chromium', function () {
  this.timeout(60_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
    requires(this, hasChromium, 'no Chromium');
  });

  describe('of a Collector with a Sensor that is away, comes, and goes', () => {
    let daemon: Daemon;
    let sensor: TestSensor;
    let browser: Browser;
    let caller: Container;
    let callee: Container;
    let port: number;

    before(async () => {
      [caller, callee] = await pair(keep);
      port = await freePort();
      daemon = await keep(new Daemon([`--grpc-server=127.0.0.1:${port}`], { env: ENV }));
      browser = await keep(Browser.open(await pageOf(daemon)));
    });

    it('says whom Collector waits for, and lights that phase', async () => {
      await browser.shows('#now', /Sensor/);
      await browser.shows('#now', `127.0.0.1:${port}`);
      await browser.shows('#panel-charts .active', 'connect-sensor');
      await browser.inspect('charts-waiting');
    });

    it('follows the start-up once Sensor is there', async () => {
      sensor = await keep(TestSensor.start({ address: `127.0.0.1:${port}` }));
      await browser.shows('#now', 'Collecting', 30_000);
      await browser.shows('#panel-charts', 'load done');
      await browser.inspect('charts-collecting');
    });

    it('shows a process, a connection and a listening port of a container', async () => {
      await sensor.opens('network');
      await browser.tab('Node');
      const server = await callee.start('serve-all', WIRE.v4[1], String(PORT));
      await server.said('listening');
      const call = await caller.start('connect', WIRE.v4[1], String(PORT));
      await call.said('connected');
      await browser.shows('#panel-node', caller.shortId);
      await browser.page.getByRole('tab', { name: /^Connections/ }).click();
      await browser.shows('#panel-node', `${WIRE.v4[1]}:${PORT}`);
      await browser.inspect('node');
    });

    it('shows events as they happen', async () => {
      await browser.tab('Events');
      await browser.shows('#panel-events', /events\/s/);
      await eventually(async () => {
        await caller.run('exec', workload(), 'exit', 'seen-in-the-page');
        return (await browser.page.locator('#panel-events').innerText()).includes('seen-in-the-page');
      }, 'an exec is in the table of events');
      await browser.inspect('events');
    });

    it('shows a loss in red where it happened', async () => {
      await browser.tab('Road');
      daemon.signal('SIGSTOP');
      await caller.run('connections', String(BURST), WIRE.v4[1], String(PORT));
      daemon.signal('SIGCONT');
      await browser.shows('.top .is-bad, .top .bad', /Lost: [1-9]/);
      await browser.shows('.box.is-bad', /Kernel|Rings/);
      await browser.inspect('road-loss');
    });

    it('shows that a broken stream backs off', async () => {
      await sensor.remove();
      await browser.shows('.streams', 'backing off');
      await browser.inspect('road-broken');
    });

    it('says that Collector ended', async () => {
      await daemon.remove();
      await browser.shows('#connection', 'Collector ended; trying again');
    });

    it('asked nobody but Collector, and met no error', () => assert.deepEqual(browser.faults, []));
  });

  describe('of a recording', () => {
    let browser: Browser;

    before(async () => {
      const daemon = await keep(
        new Daemon([`--replay=${recording('web-load')}`, '--inspect=127.0.0.1:0'], {}),
      );
      browser = await keep(Browser.open(await pageOf(daemon)));
    });

    it('plays, pauses, and goes where its slider is put', async () => {
      await browser.shows('#replay', /\d/);
      await browser.tab('Node');
      const slider = browser.page.getByRole('slider');
      await slider.focus();
      await slider.press('End');
      await browser.shows('#panel-node', 'workload');
      await browser.inspect('replay');
      await slider.press('Home');
      await eventually(async () => {
        const at = await slider.evaluate(
          (element: HTMLInputElement) => Number(element.value) / Number(element.max),
        );
        return at < 0.5;
      }, 'the slider is back');
    });

    it('asked nobody but Collector, and met no error', () => assert.deepEqual(browser.faults, []));
  });
});
