import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Message } from '../../actors/inspection/protocol.js';
import { ask, dial } from '../http/support.js';
import { Collector, Daemon } from '../support/collector.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { workload } from '../support/workload.js';

const SECONDS_30 = 30_000;
const WATCHERS = 4;
const EXECS = 500;

/** Messages of the stream of an inspection. */
async function watch(address: string): Promise<{ readonly messages: Message[]; readonly end: () => void }> {
  const messages: Message[] = [];
  const ending = new AbortController();
  const response = await fetch(`http://${address}/inspect/stream`, { signal: ending.signal });
  assert.equal(response.status, 200);
  const read = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split('\n\n');
      text = events.pop()!;
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) messages.push(JSON.parse(data) as Message);
      }
    }
  };
  read().catch(() => undefined);
  return { messages, end: () => ending.abort() };
}

/** Pages of other sites can neither change the level of the log nor read by a name of their own. */
async function refusesForeignPages(address: string): Promise<void> {
  const foreign = { method: 'POST', body: 'trace', headers: { Origin: 'http://attacker.example' } };
  assert.equal((await ask(address, '/loglevel', foreign)).status, 403);
  const socket = await dial(address);
  socket.write('GET /state/runtime-config HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1.1 421 /);
}

describe('A daemon that is inspected', function () {
  this.timeout(60_000);
  const keep = resources();

  it('shows its start-up at a refused Sensor, then the collection, and a stream that breaks', async function () {
    requires(this, isRoot, 'no root');
    const sensorAddress = `127.0.0.1:${await freePort()}`;
    const daemon = await keep(
      new Daemon([`--grpc-server=${sensorAddress}`], {
        env: { ROX_COLLECTOR_INTROSPECTION_ENABLE: 'loopback' },
      }),
    );
    const [, page] = await eventually(
      () => /Watch it at http:\/\/(\S+)\/inspect/.exec(daemon.stderr) ?? false,
      'the page',
    );
    await refusesForeignPages(page!);
    const { messages, end } = await watch(page!);
    const failing = await eventually(
      () => messages.find((message) => message.type === 'transition' && message.event.type === 'obstacle'),
      'the obstacle',
    );
    assert.match(JSON.stringify(failing), /"code":"SENSOR_REFUSED".*"remedy":"Check/);

    const sensor = await keep(TestSensor.start({ address: sensorAddress }));
    const collects = (message: Message) =>
      message.type === 'transition' && message.snapshot.active.includes('collector.collecting');
    await eventually(() => messages.some(collects), 'it collects', SECONDS_30);
    const stream = await eventually(
      () => messages.find((message) => message.type === 'actor' && message.id === 'signals'),
      'the stream',
    );
    assert.ok(stream.type === 'actor');
    const states = () =>
      messages.flatMap((message) =>
        message.type === 'transition' && message.actor === stream.actor
          ? [message.snapshot.active.at(-1)]
          : [],
      );
    await eventually(() => states().includes('stream.live.open'), 'it opens');
    await eventually(
      () =>
        messages.some(
          ({ type, ...rest }) => type === 'snapshot' && JSON.stringify(rest).includes('"programs"'),
        ),
      'counts of the capture',
    );
    await sensor.remove();
    await eventually(() => states().includes('stream.backing off'), 'it backs off');
    assert.equal((await ask(page!, '/inspect/stream', { method: 'HEAD' })).status, 200);
    daemon.signal('SIGTERM');
    assert.equal(await daemon.ended, 0, daemon.stderr);
    end();
  });

  it('loses nothing and ends in time while its watchers do not read', async function () {
    requires(this, isRoot, 'no root');
    const container = await keep(Container.create());
    const collector = await keep(
      Collector.start([], { env: { ROX_COLLECTOR_INTROSPECTION_ENABLE: 'loopback' } }),
    );
    const { hostname, port } = new URL(`http://${collector.address('HTTP')}`);
    for (let watcher = 0; watcher < WATCHERS; watcher++) {
      const socket = connect(Number(port), hostname).pause();
      await keep({ remove: () => void socket.destroy() });
      socket.write('GET /inspect/stream?events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    }
    const names = Array.from({ length: EXECS }, (_, index) => `run-${index}`);
    for (const name of names) await container.run('exec', workload(), 'exit', name);
    const seen = () => new Set(collector.signals(container.shortId).map(({ args }) => args));
    await eventually(
      () => names.every((name) => seen().has(`exit ${name}`)),
      () => `all of ${EXECS} processes, not ${seen().size}`,
    );
    await collector.stop();
  });
});
