/** Faults of Sensor, and of the way to it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { underLoad, type Expected, type Fault } from '../fault.js';

/** Queues of the least size, to overflow: bytes. */
const SMALL_QUEUE = { ROX_COLLECTOR_SIGNAL_QUEUE_SIZE: '65536' };
/** Time of a slow Sensor for a message, ms: for a fraction of the load. */
const SLOW_MS = 50;
/** Half of a period of a flapping Sensor, ms. */
const FLAP_MS = 500;

const broke: Expected = {
  what: 'the break, and when it tries again',
  line: /to Sensor broke \(.*opened again in/,
  sources: 2,
};
const dropped: Expected = {
  what: 'what is dropped, and the setting',
  line: /Dropped \d+ process signals so far.*ROX_COLLECTOR_SIGNAL_QUEUE_SIZE/,
};

/** The cause of a Sensor out of reach, and a remedy. */
function unreachable(cause: string, remedy: string): Expected {
  return {
    what: 'cause and remedy',
    line: new RegExp(`(Sensor cannot be reached|Not connected to Sensor yet): .*${cause}.*${remedy}`),
  };
}

export const sensorFaults: readonly Fault[] = [
  underLoad({
    name: 'sensor-gone-at-start',
    title: 'Sensor is gone at the start, and comes',
    // Within the 30 s of a start, the waits of the channel (10 s) included: a start that fails is another fault.
    seconds: { long: 12, short: 4 },
    unwatched: 1,
    expects: [unreachable('ECONNREFUSED', 'Check that the Sensor pod is running')],
    prepare: async ({ sensor }) => {
      await sensor.refuse();
      return {
        isEarly: true,
        happen: async (last) => {
          await last();
          await sensor.accept();
        },
      };
    },
  }),
  underLoad({
    name: 'sensor-gone',
    title: 'Sensor goes, and comes back',
    seconds: { long: 40, short: 3 },
    expects: [broke, unreachable('ECONNREFUSED', 'Check that the Sensor pod is running')],
    prepare: ({ sensor }) => ({
      happen: async (last) => {
        await sensor.refuse();
        await last();
        await sensor.accept();
      },
    }),
  }),
  underLoad({
    name: 'sensor-gone-queue-full',
    title: 'Sensor goes for longer than the queue holds',
    seconds: { long: 20, short: 5 },
    expects: [broke, dropped],
    prepare: ({ sensor }) => ({
      start: { env: SMALL_QUEUE },
      happen: async (last) => {
        await sensor.refuse();
        await last();
        await sensor.accept();
      },
    }),
  }),
  underLoad({
    name: 'sensor-slow',
    title: 'Sensor is slow, until the queue is full',
    seconds: { long: 40 },
    expects: [dropped],
    prepare: (scene) => ({
      start: { env: SMALL_QUEUE },
      happen: async (last) => {
        scene.slowness = SLOW_MS;
        await last();
        scene.slowness = 0;
      },
    }),
  }),
  underLoad({
    name: 'sensor-half-open',
    title: 'the way to Sensor loses everything, and nothing says so',
    seconds: { long: 40, short: 25 },
    expects: [broke, unreachable('TLS handshake was not answered', 'proxy')],
    prepare: ({ way }) => ({
      start: { server: way.address },
      happen: async (last) => {
        way.swallow();
        await last();
        way.restore();
      },
    }),
  }),
  underLoad({
    name: 'sensor-hangs',
    title: 'Sensor hangs, and is replaced',
    seconds: { long: 30, short: 5 },
    expects: [broke],
    prepare: ({ sensor }) => ({
      happen: async (last) => {
        sensor.stall('signals', 'network');
        await last();
        sensor.reset();
        sensor.resume('signals', 'network');
      },
    }),
  }),
  underLoad({
    name: 'sensor-garbage',
    title: 'something else answers with garbage at Sensor’s address',
    seconds: { long: 20, short: 4 },
    expects: [broke, unreachable('TLS with Sensor|broke while it was made', '[A-Z]')],
    prepare: ({ sensor }) => ({
      happen: async (last) => {
        await sensor.refuse();
        const close = await babble(sensor.address);
        await last();
        await close();
        await sensor.accept();
      },
    }),
  }),
  underLoad({
    name: 'sensor-garbled-lists',
    title: 'Sensor sends messages that are none',
    seconds: { long: 10, short: 2 },
    expects: [{ what: 'the ignored message', line: /Ignored a message of Sensor/ }],
    prepare: ({ sensor }) => ({
      happen: async (last) => {
        for (let n = 0; n < 100; n++) sensor.send(randomBytes(n + 1));
        await last();
      },
    }),
  }),
  underLoad({
    name: 'sensor-flapping',
    title: 'Sensor goes and comes each second',
    seconds: { long: 40, short: 5 },
    expects: [broke],
    prepare: ({ sensor }) => ({
      happen: async (last) => {
        const over = new AbortController();
        void last().then(() => over.abort());
        while (!over.signal.aborted) {
          await sensor.refuse();
          await sleep(FLAP_MS);
          await sensor.accept();
          await sleep(FLAP_MS);
        }
      },
    }),
  }),
];

/** Answers with random bytes at an address. @returns closes it */
async function babble(address: string): Promise<() => Promise<unknown>> {
  const [host, port] = address.split(':');
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.end(randomBytes(4096));
  });
  server.listen(Number(port), host);
  await once(server, 'listening');
  return () => {
    const closed = once(server.close(), 'close');
    for (const socket of sockets) socket.destroy();
    return closed;
  };
}
