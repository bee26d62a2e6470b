import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMPTY, Subject } from 'rxjs';
import type { Fact } from '../../actors/capture/facts.js';
import type { NetworkUpdate } from '../../actors/connections/actor.js';
import type { ProcessUpdate } from '../../actors/processes/actor.js';
import { signalId } from '../../actors/processes/signal.js';
import { Sensor } from '../../actors/sensor/actor.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { createLog } from '../../actors/telemetry/log.js';
import { BlackHole } from '../support/black-hole.js';
import { eventually } from '../support/eventually.js';
import { containerNumber } from '../support/records.js';
import { requires } from '../support/requirements.js';
import { TestSensor } from '../support/sensor.js';
import { spawnStream } from '../support/spawn-stream.js';
import type { DoubleOptions } from '../../scripts/sensor/double.js';

const MADE = 3000;
const ARGS = 'x'.repeat(300);
const QUEUE_SIZE = 16 * 1024 * 1024;
const noFact: Fact = { kind: 'tick', time: 0, epoch: 0, audience: 'none' };
const backOff = { signals: { first: 5, most: 20 }, network: { first: 5, most: 20 } };

/** What goes wrong with Sensor while half of the signals are made. */
interface Fault {
  readonly name: string;
  readonly options?: DoubleOptions;
  readonly queueSize?: number;
  readonly before: (sensor: TestSensor, way: BlackHole) => unknown;
  readonly after?: (sensor: TestSensor, way: BlackHole) => unknown;
  /** Left out unless SLOW_SPECS is set. */
  readonly isSlow?: boolean;
  /** Whether the queue is too small for all of them. */
  readonly overflows?: boolean;
}

const SMALL = 256 * 1024;
const faults: readonly Fault[] = [
  { name: 'goes at once', before: ({ double }) => double.reset() },
  { name: 'ends its streams with a status', before: ({ double }) => double.hangUp('signals', 'network') },
  { name: 'asks for another connection and breaks its own', before: ({ double }) => double.goAway(20) },
  {
    name: 'reads slowly until the queue is full',
    options: { onEvent: (event) => ('message' in event ? sleep(2) : undefined) },
    queueSize: SMALL,
    overflows: true,
    before: () => undefined,
  },
  {
    name: 'cannot be reached and nothing says so, for longer than the keepalive waits',
    isSlow: true,
    before: (_, way) => way.swallow(),
    after: async (sensor, way) => {
      const opened = sensor.opened('signals').length;
      await sleep(25_000);
      way.restore();
      await sensor.opens('signals', opened + 1);
    },
  },
  {
    name: 'is away for a while',
    before: ({ double }) => double.refuse(),
    after: ({ double }) => double.accept(),
  },
  {
    name: 'is away until the queue is full',
    queueSize: SMALL,
    overflows: true,
    before: ({ double }) => double.refuse(),
    after: ({ double }) => double.accept(),
  },
  {
    name: 'hangs, and is replaced',
    before: ({ double }) => double.stall('signals'),
    after: ({ double }) => {
      double.reset();
      double.resume('signals');
    },
  },
  {
    name: 'hangs until the queue is full, and is replaced',
    queueSize: SMALL,
    overflows: true,
    before: ({ double }) => double.stall('signals'),
    after: ({ double }) => {
      double.reset();
      double.resume('signals');
    },
  },
];

/** Process signals made = received + counted by cause, whatever Sensor does. */
describe('A process signal is received or counted', () => {
  for (const fault of faults) {
    const { name, options, queueSize = QUEUE_SIZE, before, after, isSlow, overflows = false } = fault;
    it(`when Sensor ${name}`, async function () {
      requires(
        this,
        isSlow !== true || process.env['SLOW_SPECS'] !== undefined,
        'slow: set SLOW_SPECS=1 to run it',
      );
      this.timeout(60_000);
      const double = await TestSensor.start(options);
      const way = await BlackHole.before(double.address);
      const log = createLog({ level: 'fatal', write: () => undefined });
      const registration = { hostname: 'node-1', instanceId: 'life-1' };
      const sensor = new Sensor({
        ...{ address: way.address, serverName: 'sensor.stackrox', tls: undefined },
        ...{ registration, queueSize, log, backOff },
      });
      const processes = new Subject<ProcessUpdate>();
      const originator = () => ({ name: '', path: '', args: '' });
      sensor.deliver({ processes, network: EMPTY, originator }).subscribe();
      let made = 0;
      const make = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n++) {
          const id = signalId('abcdef012345678', made++);
          const container = containerNumber('4f2a91bc03de');
          const ids = { container, sharer: container, pid: made, uid: 0, gid: 0 };
          const texts = { name: 'p', path: '/bin/p', args: ARGS };
          const signal = { record: 0, id, ...ids, ...texts, time: made, scraped: false, lineage: [] };
          processes.next({ fact: noFact, signals: [signal] });
          if (n % 50 === 0) await sleep(1);
        }
      };
      try {
        sensor.start(spawnStream);
        await double.opens('signals');
        await make(MADE / 3);
        await before(double, way);
        await make(MADE / 3);
        await after?.(double, way);
        await make(MADE / 3);
        const received = () => new Set(double.signals.map(({ id }) => id)).size;
        await eventually(
          () => sensor.counts.waiting === 0 && (overflows || received() === MADE),
          () => `${received()} of ${MADE}, ${JSON.stringify(sensor.counts)}`,
          30_000,
        );
        await sensor.close(new Deadline(5000).start());
        const { waiting, unconfirmed, dropped, uncertain } = sensor.counts;
        const counted = dropped + uncertain + waiting + unconfirmed;
        assert.ok(received() + counted >= MADE, `${received()} received, ${counted} counted`);
        assert.equal(received() + dropped <= MADE, true, 'a signal never sent was received');
        if (overflows) assert.ok(dropped > 0, 'the queue was full');
        else assert.equal(counted, 0, 'nothing was lost');
      } finally {
        await sensor.close(new Deadline(100).start());
        await way.remove();
        await double.remove();
      }
    });
  }
});

describe('The end of a connection is received or counted', () => {
  for (const [name, fault] of [
    ['goes at once', (double: TestSensor['double']) => double.reset()],
    ['hangs, and is replaced', (double: TestSensor['double']) => double.stall('network')],
  ] as const) {
    it(`when Sensor ${name}, with a report on its way`, async function () {
      this.timeout(60_000);
      const double = await TestSensor.start();
      const log = createLog({ level: 'fatal', write: () => undefined });
      const registration = { hostname: 'node-1', instanceId: 'life-1' };
      const sensor = new Sensor({
        ...{ address: double.address, serverName: 'sensor.stackrox', tls: undefined },
        ...{ registration, queueSize: QUEUE_SIZE, log, backOff },
      });
      const network = new Subject<NetworkUpdate>();
      const originator = () => ({ name: '', path: '', args: '' });
      sensor.deliver({ processes: EMPTY, network, originator }).subscribe();
      const nothing = new Uint8Array(0);
      const close = (port: number): void => {
        const connection = {
          ...{ container: containerNumber('4f2a91bc03de'), protocol: 6, role: 2, closedAt: 1 },
          local: { address: nothing, port: 0, network: nothing },
          remote: { address: Uint8Array.of(10, 0, 0, 1), port, network: nothing },
        };
        network.next({ time: 1, delta: { connections: [connection], endpoints: [] } });
      };
      try {
        sensor.start(spawnStream);
        await double.opens('network');
        await eventually(() => sensor.factAudience.audience() !== 'none', 'somebody listens');
        for (let port = 1; port <= 500; port++) close(port);
        fault(double.double);
        for (let port = 501; port <= 1000; port++) close(port);
        await sleep(50);
        double.double.reset();
        double.double.resume('network');
        const received = () =>
          new Set(double.connections.map(({ remoteAddress }) => remoteAddress.port)).size;
        await eventually(
          () => received() === 1000,
          () => `${received()}, ${JSON.stringify(sensor.networkCounts)}`,
        );
        assert.equal(sensor.networkCounts.dropped + sensor.networkCounts.uncertain, 0);
      } finally {
        await sensor.close(new Deadline(100).start());
        await double.remove();
      }
    });
  }
});
