import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BACK_OFF } from '../../actors/sensor/actor.js';
import { containerId } from '../../actors/containers/id.js';
import { fullestSecond, JITTERED, perSecond, returnsOf, UNJITTERED } from '../../scripts/fleet/burst.js';
import { EventClock } from '../../scripts/fleet/clock.js';
import type { FleetData } from '../../scripts/fleet/fleet.js';
import { DEFAULTS, kindOf, playOf, readRecordings, SAVINGS } from '../../scripts/fleet/kinds.js';
import {
  errorOf,
  fullestSecondOfConnections,
  fullestSecondOfStreams,
  steadyBytes,
} from '../../scripts/fleet/model.js';
import { runNode } from '../../scripts/fleet/node.js';
import { picture } from '../../scripts/fleet/picture.js';
import { playedFacts } from '../../scripts/fleet/play.js';
import { readPlayed, USUAL } from '../../scripts/fleet/recordings.js';
import { render } from '../../scripts/fleet/report.js';
import { shifted } from '../../scripts/fleet/shift.js';
import { simulate, together, withOpeningsAt } from '../../scripts/fleet/simulate.js';
import { SizeMeter } from '../../scripts/fleet/sizes.js';
import { TrafficCurve } from '../../scripts/fleet/traffic.js';
import { method } from '../../scripts/sensor/codec.js';

const NODES = 1000;
const SEED = 7;
const LONGEST = BACK_OFF.signals.first;
/** A short simulation, in seconds. */
const SPAN = { warmUp: 60, measured: 60, after: 40 };
const OPENED = { signals: 3.5, network: 4.5 };

describe('A fleet of nodes when Sensor restarts', () => {
  const streams = ['signals', 'network'] as const;

  it('comes back within the longest wait, each stream at its own time, in no second more than a fifth of it', () => {
    const returns = returnsOf(NODES, 0, JITTERED, SEED);
    for (const name of streams) {
      assert.equal(returns[name].length, NODES);
      // A round trip more, and the connection's own.
      assert.ok(returns[name].every((time) => time >= 0 && time <= LONGEST + 2));
      assert.ok(fullestSecond(returns[name]) < NODES / 5);
      assert.ok(Math.min(...perSecond(returns[name], LONGEST / 1000)) > NODES / 20, 'it uses the whole wait');
    }
    assert.equal(returns.connections.length, NODES);
    assert.ok(fullestSecond(returns.connections) < NODES / 4);
  });

  it('came back in one second without jitter', () => {
    const { connections, signals, network } = returnsOf(NODES, 0, UNJITTERED, SEED);
    for (const times of [connections, signals, network]) assert.equal(fullestSecond(times), NODES);
  });

  it('comes back from any outage, with one connection a node, none before Sensor is back or long after', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer(), (down, seed) => {
        const returns = returnsOf(20, down, JITTERED, seed);
        assert.equal(returns.connections.length, 20);
        for (const time of [...returns.signals, ...returns.network]) {
          assert.ok(time >= down, `${time}`);
          // The longest wait of the channel, with its jitter, and then that of a stream.
          assert.ok(time <= down + 12_000 + LONGEST + 2, `${time} after ${down}`);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is the same for the same seed', () => {
    assert.deepEqual(returnsOf(10, 5000, JITTERED, SEED), returnsOf(10, 5000, JITTERED, SEED));
  });

  it('is counted in seconds that start anywhere', () => {
    assert.equal(fullestSecond([0, 900, 1000, 1500, 1899]), 4);
    assert.equal(fullestSecond([]), 0);
    assert.deepEqual(perSecond([0, 900, 1000, 1500, 5000], 3), [2, 2, 0]);
  });
});

describe('The clock of a simulated node', () => {
  it('runs timers by their times, those set meanwhile and none that was cleared', () => {
    const clock = new EventClock();
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name} at ${clock.now}`);
    clock.setTimeout(note('b'), 20);
    const cleared = clock.setTimeout(note('cleared'), 5);
    clock.setTimeout(() => {
      note('a')();
      clock.setTimeout(note('c'), 15);
    }, 10);
    clock.setTimeout(note('late'), 31);
    clock.clearTimeout(cleared);
    clock.runUntil(30);
    assert.deepEqual(seen, ['a at 10', 'b at 20', 'c at 25']);
    assert.equal(clock.now, 30);
  });
});

describe('The formula of a fleet', () => {
  it('adds up what messages are about', () => {
    const rates = { signals: 10, connections: 3, endpoints: 2, reports: 1 };
    const sizes = { signal: 100, connection: 40, endpoint: 200, report: 30 };
    assert.equal(steadyBytes(rates, sizes), 1550);
  });

  it('knows the simulated bytes of the very nodes it was made of', () => {
    const nodes = [{ node: 0 }, { node: 10 }];
    const { kinds, weighed } = simulate(nodes, readRecordings(), {
      settings: DEFAULTS,
      span: SPAN,
      isWeighed: true,
    });
    const meter = new SizeMeter();
    meter.addAll(weighed);
    const predicted = steadyBytes(kinds.usual, meter.sizes) + steadyBytes(kinds.ingress, meter.sizes);
    const bytes = kinds.usual.bytes + kinds.ingress.bytes;
    assert.ok(Math.abs(errorOf(predicted, bytes)) < 0.001, `${predicted} and ${bytes}`);
  });

  it('tells the fullest second of the simulated fleet, but for its chance', () => {
    const returns = returnsOf(NODES, 0, JITTERED, SEED);
    const wait = LONGEST / 1000;
    const off = (predicted: number, simulated: number) => Math.abs(errorOf(predicted, simulated));
    assert.ok(off(fullestSecondOfStreams(NODES, wait), fullestSecond(returns.signals)) < 0.2);
    assert.ok(off(fullestSecondOfConnections(NODES, wait), fullestSecond(returns.connections)) < 0.2);
  });
});

describe('A simulated node', () => {
  const recordings = readRecordings();

  it('has its facts in order, within its time', () => {
    for (const node of [0, 10, 50]) {
      const play = playOf(node, recordings, 120);
      let time = play.boot;
      for (const fact of playedFacts(play)) {
        assert.ok(fact.time >= time);
        ({ time } = fact);
      }
      assert.ok(time < play.boot + 120e9);
    }
  });

  it('has containers of its own: the same records otherwise, of the same size', () => {
    const [played] = USUAL.map(readPlayed);
    const containers = (salt: number) => {
      const shift = { time: 1e9, salt, node: salt, publicPorts: new Set<number>() };
      const ids = new Set<string>();
      for (const { records } of played!.facts) {
        const copy = shifted(records, shift);
        assert.equal(copy.length, records.length);
        for (let at = 0; at < copy.length; at += copy.size(at)) {
          assert.equal(copy.type(at), records.type(at));
          assert.equal(copy.time(at), records.time(at) + 1e9);
          ids.add(containerId(copy.container(at)));
        }
      }
      ids.delete('');
      return ids;
    };
    const [one, other] = [containers(1), containers(2)];
    assert.equal(one.size, other.size);
    assert.ok(one.size > 0);
    assert.deepEqual(
      [...one].filter((id) => other.has(id)),
      [],
    );
  });

  it('sends what the Sensor double can read, first who it is, and all anew after a restart', () => {
    const seconds = SPAN.warmUp + SPAN.after;
    const curve = new TrafficCurve(seconds);
    const read = {
      signals: method('sensor.SignalService', 'PushSignals').read,
      network: method('sensor.NetworkConnectionInfoService', 'PushNetworkConnectionInfo').read,
    };
    const messages: { stream: keyof typeof read; at: number; message: object }[] = [];
    runNode(
      {
        play: playOf(0, recordings, seconds),
        settings: DEFAULTS,
        phase: 1,
        networks: new Uint32Array(0),
        outage: { broken: 60, signals: 63.5, network: 64.5 },
        onMessage: (stream, bytes, at) => messages.push({ stream, at, message: read[stream](bytes) }),
        curve,
      },
      [0, seconds],
    );
    const isOpening = ({ message }: { message: object }) =>
      'register' in message || 'collectorRegisterRequest' in message;
    const openings = messages.filter(isOpening).map(({ stream, at }) => `${stream} ${at}`);
    assert.deepEqual(openings.sort(), ['network 0', 'network 64.5', 'signals 0', 'signals 63.5']);
    const scraped = (from: number, to: number) =>
      messages.filter(
        ({ at, message }) => at >= from && at < to && JSON.stringify(message).includes('"scraped":true'),
      );
    assert.ok(scraped(0, 0.1).length >= 120, 'four processes of 30 pods');
    assert.ok(scraped(63.5, 63.6).length >= 120);
    assert.deepEqual(
      messages.filter(({ at }) => at > 60 && at < 63.5),
      [],
    );
    assert.equal(curve.sum(0, seconds).messages, messages.length);
  });

  it('sends more without a saving where it has something to save', () => {
    const connections = (node: number, settings: typeof DEFAULTS) =>
      simulate([{ node }], recordings, { settings, span: SPAN }).kinds[kindOf(node)].connections;
    assert.ok(connections(10, SAVINGS.aggregation.settings) > 3 * connections(10, DEFAULTS));
    assert.ok(connections(50, SAVINGS['rate limit'].settings) > 2 * connections(50, DEFAULTS));
  });

  it('counts the same whether it runs with others or alone', () => {
    const nodes = [0, 1].map((node) => ({ node, opened: OPENED }));
    const simulation = { settings: DEFAULTS, span: SPAN };
    const both = simulate(nodes, recordings, simulation);
    const apart = nodes.map((node) => simulate([node], recordings, simulation));
    assert.deepEqual(together(apart, SPAN), both);
  });
});

describe('Openings of streams moved to other times', () => {
  it('keep their bytes, but for those moved behind the end', () => {
    const opening = { node: 0, opened: { signals: 0.5, network: 2 }, bytes: { signals: 10, network: 5 } };
    const bytes = [12, 0, 7, 1];
    const at = (signals: number, network: number) =>
      withOpeningsAt(bytes, [opening], () => ({ signals, network }));
    assert.deepEqual(at(1, 10), [2, 10, 2, 1]);
    assert.deepEqual(at(0.9, 2.9), bytes);
  });
});

describe('The figures of a fleet', () => {
  const minute = { nodes: 1, signals: 1, connections: 2, endpoints: 3, reports: 4, messages: 5, bytes: 6000 };
  const kinds = { usual: minute, ingress: minute, scanned: { ...minute, nodes: 0 } };
  const checked = { predicted: 11, simulated: 10, error: 0.1 };
  const comeback = { connections: 5, signals: 6, network: 7, last: 9.5, networkBySecond: [1, 2, 3, 0] };
  const wire = { signals: 1, network: 2, last: 3 };
  const data: FleetData = {
    nodes: 10,
    span: SPAN,
    kinds,
    total: { messages: 1, bytes: 2 },
    savings: { nodes: 10, none: kinds, off: { afterglow: kinds, aggregation: kinds, 'rate limit': kinds } },
    restarts: [{ down: 0, jittered: comeback, unjittered: { ...comeback, networkBySecond: [5000] } }],
    burst: { jittered: [1, 2], unjittered: [3] },
    model: {
      sample: 10,
      sizes: { signal: 1, connection: 2, endpoint: 3, report: 4 },
      bytesPerSecond: checked,
      messagesPerSecond: checked,
      connections: checked,
      streams: checked,
      larger: { nodes: 100, bytesPerSecond: 1, messagesPerSecond: 2, connections: checked, streams: checked },
    },
    wire: { clients: 3, jittered: wire, unjittered: wire, simulated: { jittered: wire, unjittered: wire } },
  };

  it('are tables, without kinds of nodes that were not there', () => {
    const text = render(data);
    for (const line of text.split('\n').filter((line) => line.startsWith('|')))
      assert.ok(line.endsWith('|') && !line.includes('undefined') && !line.includes('NaN'), line);
    assert.match(text, /\+10\.0 %/);
    assert.doesNotMatch(text, /scanned/);
  });

  it('are a picture with every bar inside of its frame', () => {
    const bars = fc.array(fc.nat(100_000), { maxLength: 40 });
    fc.assert(
      fc.property(bars, bars, (jittered, unjittered) => {
        const restart = (down: number) => ({
          down,
          jittered: { ...comeback, networkBySecond: jittered },
          unjittered: { ...comeback, networkBySecond: unjittered },
        });
        const svg = picture({ nodes: 10, restarts: [restart(0), restart(5)] });
        const [width, height] = [/ width="(\d+)"/, / height="(\d+)"/].map((one) => Number(one.exec(svg)![1]));
        for (const [, ...numbers] of svg.matchAll(
          /<rect class="\w+" x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"/g,
        )) {
          const [x, y, wide, high] = numbers.map(Number) as [number, number, number, number];
          assert.ok(
            x >= 0 && y >= 0 && wide > 0 && high >= 0 && x + wide <= width! && y + high <= height!,
            svg,
          );
        }
      }),
      { numRuns: 50 },
    );
  });
});
