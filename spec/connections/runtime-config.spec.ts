import assert from 'node:assert/strict';
import { Story, client, server } from './support.js';

const PEER = '35.127.0.15';
const EGRESS = client({ remote: PEER });
const INGRESS = server({ remote: PEER });
const EGRESS_AGGREGATED = '1 client nothing - 255.255.255.255 :80';
const EGRESS_TOLD = `1 client nothing - in ${PEER}/32 :80`;
const INGRESS_AGGREGATED = '1 server :8080 - 255.255.255.255';
const INGRESS_TOLD = `1 server :8080 - in ${PEER}/32`;

describe('external IPs', () => {
  for (const [externalIps, egress, ingress] of [
    ['none', EGRESS_AGGREGATED, INGRESS_AGGREGATED],
    ['ingress', EGRESS_AGGREGATED, INGRESS_TOLD],
    ['egress', EGRESS_TOLD, INGRESS_AGGREGATED],
    ['both', EGRESS_TOLD, INGRESS_TOLD],
  ] as const) {
    it(`of ${externalIps} are told from the start when it is set so`, () => {
      const story = new Story({ externalIps });
      story.events({ ...EGRESS, time: 1 }, { ...INGRESS, time: 1 });
      assert.deepEqual(story.connections(30), [egress, ingress].sort());
    });
  }

  for (const afterglowPeriod of [0, 20, 300]) {
    describe(`with an afterglow of ${afterglowPeriod} s`, () => {
      const begun = (): Story => {
        const story = new Story({ afterglowPeriod });
        story.events({ ...EGRESS, time: 1 }, { ...INGRESS, time: 1 });
        assert.deepEqual(story.connections(30), [EGRESS_AGGREGATED, INGRESS_AGGREGATED]);
        return story;
      };

      it('turned on close the aggregated entries at the next tick, once', () => {
        const story = begun().config(31, { externalIps: 'both' });
        assert.deepEqual(
          story.connections(60),
          [
            `${EGRESS_AGGREGATED} closed 1`,
            EGRESS_TOLD,
            `${INGRESS_AGGREGATED} closed 1`,
            INGRESS_TOLD,
          ].sort(),
        );
        for (let second = 90; second <= 480; second += 30) assert.deepEqual(story.connections(second), []);
      });

      it('turned off close those that now aggregate at the next tick, once', () => {
        const story = begun().config(31, { externalIps: 'both' });
        story.tick(60);
        story.config(61, { externalIps: 'none' });
        assert.deepEqual(
          story.connections(90),
          [
            EGRESS_AGGREGATED,
            `${EGRESS_TOLD} closed 1`,
            INGRESS_AGGREGATED,
            `${INGRESS_TOLD} closed 1`,
          ].sort(),
        );
        for (let second = 120; second <= 480; second += 30) assert.deepEqual(story.connections(second), []);
      });

      it('change only the direction that was turned', () => {
        const story = begun().config(31, { externalIps: 'ingress' });
        assert.deepEqual(story.connections(60), [`${INGRESS_AGGREGATED} closed 1`, INGRESS_TOLD].sort());
        story.config(61, { externalIps: 'egress' });
        assert.deepEqual(
          story.connections(90),
          [
            INGRESS_AGGREGATED,
            `${INGRESS_TOLD} closed 1`,
            `${EGRESS_AGGREGATED} closed 1`,
            EGRESS_TOLD,
          ].sort(),
        );
      });

      it('turned on and off again between two ticks change nothing', () => {
        const story = begun().config(31, { externalIps: 'both' }).config(32, { externalIps: 'none' });
        assert.deepEqual(story.connections(60), []);
      });

      it('leave alone what is private or in a network that Sensor knows', () => {
        const story = new Story({ afterglowPeriod });
        story.state.control({
          kind: 'control',
          time: 0,
          networks: Uint32Array.of(2, 32, 0x237f_0010, 0, 0, 0),
        });
        const sockets = [client(), client({ remote: '35.127.0.16', localPort: 40001 })];
        story.events(...sockets.map((socket) => ({ ...socket, time: 1 })));
        assert.deepEqual(story.connections(30), [
          '1 client nothing - 10.0.0.9 :80',
          '1 client nothing - in 35.127.0.16/32 :80',
        ]);
        for (const [at, externalIps] of (['both', 'none'] as const).entries())
          assert.deepEqual(story.config(31 + at * 30, { externalIps }).connections(60 + at * 30), []);
      });

      it('close and tell IPv6 in the same way', () => {
        const story = new Story({ afterglowPeriod });
        story.events(client({ local: 'fd00::1', remote: '2001:db8::7', time: 1 }));
        const aggregated = '1 client nothing - ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff :80';
        const told = '1 client nothing - in 2001:db8::7/128 :80';
        assert.deepEqual(story.connections(30), [aggregated]);
        story.config(31, { externalIps: 'egress' });
        assert.deepEqual(story.connections(60), [`${aggregated} closed 1`, told].sort());
        story.config(61, { externalIps: 'ingress' });
        assert.deepEqual(story.connections(90), [aggregated, `${told} closed 1`].sort());
      });

      it('turned while nobody hears close what the one heard who comes back', () => {
        const story = begun();
        story.config(31, { externalIps: 'egress' });
        assert.deepEqual(story.connections(60, 'none'), []);
        assert.deepEqual(story.connections(90), [`${EGRESS_AGGREGATED} closed 1`, EGRESS_TOLD].sort());
      });

      it('turned on tell a fresh audience that the aggregated entries are closed', () => {
        const story = begun().config(31, { externalIps: 'both' });
        assert.deepEqual(
          story.connections(60, 'fresh'),
          [
            `${EGRESS_AGGREGATED} closed 1`,
            EGRESS_TOLD,
            `${INGRESS_AGGREGATED} closed 1`,
            INGRESS_TOLD,
          ].sort(),
        );
        for (let second = 90; second <= 480; second += 30) assert.deepEqual(story.connections(second), []);
      });
    });
  }

  it('turned in one direction leave to the afterglow what Sensor changed in the other', () => {
    const known = (...networks: number[]) =>
      ({ kind: 'control', time: 0, networks: Uint32Array.from(networks) }) as const;
    const story = new Story({ afterglowPeriod: 300 });
    story.state.control(known(2, 32, 0x237f_000f, 0, 0, 0));
    story.events({ ...EGRESS, time: 1 });
    assert.deepEqual(story.connections(30), [EGRESS_TOLD]);
    story.state.control(known());
    assert.deepEqual(story.config(31, { externalIps: 'ingress' }).connections(60), [EGRESS_AGGREGATED]);
    assert.deepEqual(story.connections(330), [`${EGRESS_TOLD} closed 1`]);
  });

  it('turned on close an aggregated entry of which only the afterglow is left', () => {
    const story = new Story({ afterglowPeriod: 300 });
    story.events({ ...EGRESS, time: 1 }, { ...EGRESS, type: 'close', time: 2 });
    assert.deepEqual(story.connections(30), [EGRESS_AGGREGATED]);
    assert.deepEqual(story.config(31, { externalIps: 'both' }).connections(60), [
      `${EGRESS_AGGREGATED} closed 2`,
    ]);
    assert.deepEqual(story.connections(330), []);
  });

  it('turned on tell nothing of what was closed and told so before', () => {
    const story = new Story();
    story.events({ ...EGRESS, time: 1 }, { ...EGRESS, type: 'close', time: 2 });
    assert.deepEqual(story.connections(30), [`${EGRESS_AGGREGATED} closed 2`]);
    assert.deepEqual(story.config(31, { externalIps: 'both' }).connections(60), []);
  });
});

describe('the rate limit', () => {
  /** A client of `container`, connecting to a port of its own. */
  const call = (index: number, container = 1) => client({ container, remotePort: 1000 + index });
  const calls = (from: number, to: number, container = 1) =>
    Array.from({ length: to - from }, (_, index) => call(from + index, container));
  const at =
    (time: number, type: 'open' | 'close' = 'open') =>
    (socket: ReturnType<typeof client>) => ({ ...socket, type, time });

  for (const [scrapeInterval, maxConnectionsPerMinute, most] of [
    [30, 10, 5],
    [30, 11, 6],
    [60, 7, 7],
    [1, 30, 1],
    [1, 29, 0],
    [30, 0, 0],
    [90, 5, 8],
  ] as const) {
    it(`has room for ${most} in a report every ${scrapeInterval} s when ${maxConnectionsPerMinute} a minute are allowed`, () => {
      const story = new Story({ scrapeInterval, maxConnectionsPerMinute });
      story.events(...calls(0, 20).map(at(0.5)));
      assert.equal(story.connections(scrapeInterval).length, most);
      assert.equal(story.state.counts.rateLimited, 20 - most);
    });
  }

  for (const afterglowPeriod of [0, 40, 300]) {
    describe(`with an afterglow of ${afterglowPeriod} s`, () => {
      const story = (max = 10) => new Story({ afterglowPeriod, maxConnectionsPerMinute: max });

      it('reports what there was no room for later, each once, and then nothing', () => {
        const limited = story();
        limited.events(...calls(0, 12).map(at(1)));
        const told = [30, 60, 90, 120].map((second) => limited.connections(second));
        assert.deepEqual(
          told.map(({ length }) => length),
          [5, 5, 2, 0],
        );
        assert.equal(new Set(told.flat()).size, 12);
        assert.equal(limited.state.counts.rateLimited, 7 + 2);
      });

      it('is of each container by itself', () => {
        const limited = story();
        limited.events(...calls(0, 9).map(at(1)), ...calls(0, 6, 2).map(at(1)), ...calls(0, 5, 3).map(at(1)));
        const told = limited.connections(30);
        assert.deepEqual(
          [1, 2, 3].map((container) => told.filter((line) => line.startsWith(`${container} `)).length),
          [5, 5, 5],
        );
        assert.deepEqual(
          [...limited.state.limited].sort((a, b) => a.container - b.container),
          [
            { of: 'connections', container: 1, count: 4, most: 5 },
            { of: 'connections', container: 2, count: 1, most: 5 },
          ],
        );
      });

      it('names a container once', () => {
        const limited = story(0);
        limited.events(call(0)).tick(30);
        assert.equal(limited.state.limited.length, 1);
        limited.events(at(31)(call(1))).tick(60);
        assert.equal(limited.state.counts.rateLimited, 1 + 2);
        assert.deepEqual(limited.state.limited, []);
      });

      it('does not limit what is closed', () => {
        const limited = story(10);
        limited.events(...calls(0, 5).map(at(1)));
        assert.equal(limited.connections(30).length, 5);
        limited.events(...calls(0, 5).map(at(31, 'close')));
        limited.config(32, { maxConnectionsPerMinute: 0 });
        const told = [60, 90, 360].flatMap((second) => limited.connections(second));
        assert.deepEqual(
          told.sort(),
          calls(0, 5).map((_, index) => `1 client nothing - 10.0.0.9 :${1000 + index} closed 31`),
        );
      });

      it('keeps no place for what closes while it waits, reports that as closed or counts it as lost', () => {
        const limited = story(0);
        limited.events(...calls(0, 5).map(at(1)));
        assert.deepEqual(limited.connections(30), []);
        limited.events(...calls(0, 5).map(at(31, 'close')));
        const told = [60, 90, 120, 330, 360].flatMap((second) => {
          const { connections } = limited.tick(second);
          // Without an afterglow the table has the entries reported at this tick.
          assert.deepEqual(
            limited.state.tables.map(({ entries }) => entries),
            limited.state.tables.map(({ name }) =>
              name === 'reported_connections' ? connections.length : 0,
            ),
          );
          return connections;
        });
        // Without an afterglow it is not new and open, but closed, and so not limited.
        const isReported = afterglowPeriod === 0;
        assert.deepEqual(
          told.sort(),
          isReported
            ? calls(0, 5).map((_, index) => `1 client nothing - 10.0.0.9 :${1000 + index} closed 31`)
            : [],
        );
        assert.equal(limited.state.counts.rateLost, isReported ? 0 : 5);
      });

      it('follows the runtime configuration', () => {
        const limited = story(0);
        limited.events(...calls(0, 12).map(at(1)));
        assert.equal(limited.connections(30).length, 0);
        assert.equal(limited.config(31, { maxConnectionsPerMinute: 16 }).connections(60).length, 8);
        assert.equal(limited.connections(90).length, 4);
      });

      it('lets a fresh audience hear at once all that was told before', () => {
        const limited = story();
        limited.events(...calls(0, 10).map(at(1)));
        limited.tick(30);
        limited.tick(60);
        limited.events(...calls(10, 17).map(at(61)));
        assert.equal(limited.connections(90, 'fresh').length, 10 + 5);
        assert.equal(limited.connections(120).length, 2);
      });

      it('limits new endpoints in the same way, apart from connections', () => {
        const limited = story();
        limited.events(
          ...calls(0, 5).map(at(1)),
          ...[1, 2, 3, 4, 5, 6, 7].map((index) => ({
            ...server(),
            type: 'listen' as const,
            cookie: index,
            localPort: 80 + index,
            time: 1,
          })),
        );
        assert.deepEqual(
          [30, 60, 90].map((second) => limited.endpoints(second).length),
          [5, 2, 0],
        );
        assert.equal(limited.state.counts.rateLimited, 0);
        assert.equal(limited.state.counts.endpointsRateLimited, 2);
      });
    });
  }

  it('reports what was short as far as there is room, forgets the rest at once and counts it', () => {
    const limited = new Story({ afterglowPeriod: 100, maxConnectionsPerMinute: 4 });
    limited.events(...calls(0, 7).flatMap((socket) => [at(1)(socket), at(2, 'close')(socket)]));
    const told = [30, 60, 90, 120, 150, 300].map((second) => limited.connections(second));
    assert.deepEqual(
      told.map((lines) => [lines.length, lines.every((line) => line.endsWith(' closed 2'))]),
      [
        [2, false],
        [0, true],
        [0, true],
        [2, true],
        [0, true],
        [0, true],
      ],
    );
    assert.equal(limited.state.counts.rateLost, 5);
  });
});
