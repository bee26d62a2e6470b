import assert from 'node:assert/strict';
import { Metadata, type Client } from '@grpc/grpc-js';
import { openChannel } from '../../actors/sensor/channel.js';
import { methods, openStream, type OpenStream } from '../../actors/sensor/stream.js';
import { signalMessage, signalRegistration } from '../../actors/sensor/messages.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { signal } from '../support/reports.js';
import { TestSensor } from '../support/sensor.js';

/** Of HTTP/2, where a server does not set it, as the double does not. */
const WINDOW_BYTES = 65_535;
const COUNT = 200;

describe('A stream to Sensor', () => {
  let sensor: TestSensor;
  let channel: Client;

  beforeEach(async () => {
    sensor = await TestSensor.start();
    channel = openChannel({ address: sensor.address, serverName: '' }, undefined);
  });

  afterEach(async () => {
    channel.close();
    await sensor.remove();
  });

  it("finds the HTTP/2 stream of grpc-js, so that it knows Sensor's window and writes many messages at once", async () => {
    const ending = new Set<Promise<void>>();
    let isRead = false;
    let end: () => void = () => undefined;
    const stream = await new Promise<OpenStream>((opened) => {
      end = openStream({
        channel: () => channel,
        method: methods.signals,
        metadata: new Metadata(),
        user: {
          registration: signalRegistration({ hostname: 'node-1', instanceId: 'life-1' }),
          opened,
          closed: () => () => void (isRead = true),
        },
        ending,
        deadline: () => new Deadline(5000).start(),
        onStep: () => undefined,
      })(() => undefined);
    });
    assert.equal(stream.window(), WINDOW_BYTES);
    const messages = Array.from({ length: COUNT }, (_, pid) => signalMessage({ ...signal, pid: pid + 1 }));
    await new Promise<void>((flushed) => stream.write(messages, flushed));
    end();
    await Promise.all(ending);
    assert.ok(isRead, 'Sensor has read it to its end');
    assert.deepEqual(
      sensor.signals.map(({ pid }) => pid),
      Array.from({ length: COUNT }, (_, pid) => pid + 1),
    );
  });
});
