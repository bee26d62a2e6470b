import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SlotTable } from '../../actors/connections/table.js';
import { Refusals } from '../../actors/shares/refusals.js';
import { Sharers } from '../../actors/shares/sharers.js';
import { Story, client, listener } from './support.js';

const SEED = 0x1234_5678;
const MAXIMUM = 64;
const RESERVE = MAXIMUM / 8;

/** Rows of two words of container and its tag, then a number. */
function shared(mayDrop?: (slot: number) => boolean, sharers = new Sharers()) {
  const refusals = new Refusals('rows');
  const table = new SlotTable(3, 0, MAXIMUM, SEED, 'observed', {
    container: 0,
    refusals,
    sharers,
    ...(mayDrop && { mayDrop }),
  });
  const put = (container: number, number: number) => {
    table.key.set([container, 0, number]);
    return table.put();
  };
  const counts = () => {
    const all = new Map<number, number>();
    for (let slot = 0; slot < table.size; slot++) {
      const container = table.get(slot, 0);
      all.set(container, (all.get(container) ?? 0) + 1);
    }
    return all;
  };
  return { table, put, counts, refusals };
}

describe('a shared table', () => {
  it('gives one container all of its maximum, and the reserve to others', () => {
    const { table, put, refusals } = shared();
    for (let number = 0; number < 200; number++) put(1, number);
    assert.equal(table.size, MAXIMUM);
    for (let number = 0; number < RESERVE; number++) assert.ok(put(2, number) >= 0);
    assert.equal(table.size, MAXIMUM + RESERVE);
    assert.deepEqual(
      refusals.take().map(({ container, count }) => [container, count]),
      [[1, 200 - MAXIMUM]],
    );
  });

  it('drops of whoever has most when the reserve is used up, down to fair shares', () => {
    const { put, counts, refusals } = shared();
    for (let number = 0; number < MAXIMUM; number++) put(1, number);
    for (let number = 0; number < 40; number++) put(2, number);
    const [one, two] = [counts().get(1)!, counts().get(2)!];
    assert.ok(
      one >= MAXIMUM / 2 && two >= MAXIMUM / 2 - 1 && one + two <= MAXIMUM + RESERVE,
      `${one}, ${two}`,
    );
    assert.ok(put(3, 1) >= 0);
    assert.ok(refusals.take().some(({ container }) => container === 1));
  });

  it('lets a late container in after ever more greedy ones, which with thresholds alone would have left it nothing', () => {
    const { put, counts } = shared();
    for (let container = 1; container <= 20; container++)
      for (let number = 0; number < 500; number++) put(container, number);
    assert.ok(put(99, 1) >= 0);
    assert.ok(put(99, 2) >= 0);
    const all = [...counts().entries()].filter(([container]) => container !== 99).map(([, count]) => count);
    assert.ok(Math.min(...all) >= Math.floor(MAXIMUM / 21) - 1, String(all));
  });

  for (const { told, when } of [
    { told: 100, when: 'told of before they have entries' },
    { told: 120, when: 'told of later' },
  ]) {
    it(`takes containers that another one makes up for that one, ${when}`, () => {
      const sharers = new Sharers();
      const { put, counts, refusals } = shared(undefined, sharers);
      for (let number = 0; number < MAXIMUM; number++) put(1, number);
      for (let container = 100; container < 140; container++) {
        if (container === told) for (let id = 100; id < 140; id++) sharers.note(id, 1);
        for (let number = 0; number < 40; number++) put(container, number);
      }
      for (let number = 0; number < 20; number++) assert.ok(put(2, number) >= 0);
      for (let container = 100; container < 140; container++) put(container, 99);
      assert.equal(counts().get(2), 20);
      const named = refusals.take().map(({ container }) => container);
      assert.ok(named.includes(1) && !named.includes(2), String(named));
    });
  }

  it('refuses when nothing can be dropped, and tries again once something has changed', () => {
    let may = false;
    const { table, put } = shared(() => may);
    for (let number = 0; number < MAXIMUM; number++) put(1, number);
    for (let number = 0; number < RESERVE; number++) put(2, number);
    assert.equal(put(3, 1), -1);
    may = true;
    assert.equal(put(3, 1), -1);
    table.retain(() => true);
    assert.ok(put(3, 1) >= 0);
  });

  it('never refuses or drops for a container with more entries than another, whatever the history', () => {
    const step = fc.record({
      // Mostly the greedy ones; the others have a handful of numbers.
      container: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(1, 2) },
        { weight: 2, arbitrary: fc.integer({ min: 3, max: 9 }) },
      ),
      number: fc.nat(5000),
      removes: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 150, maxLength: 900, size: 'max' }),
        fc.integer(),
        (steps, seed) => {
          const refusals = new Refusals('rows');
          const table = new SlotTable(3, 0, MAXIMUM, seed, 'observed', {
            container: 0,
            refusals,
            sharers: new Sharers(),
          });
          const there = new Map<number, Set<number>>();
          const sizeOf = (container: number) => there.get(container)?.size ?? 0;
          const read = () => {
            there.clear();
            for (let slot = 0; slot < table.size; slot++) {
              const container = table.get(slot, 0);
              if (!there.has(container)) there.set(container, new Set());
              there.get(container)!.add(table.get(slot, 2));
            }
          };
          for (const { container, number, removes } of steps) {
            table.key.set([container, 0, number]);
            if (removes === 0) {
              const slot = table.find();
              if (slot >= 0) table.remove(slot);
              read();
              continue;
            }
            const before = new Map([...there].map(([name, { size }]) => [name, size]));
            const isThere = there.get(container)?.has(number) ?? false;
            const slot = table.put();
            read();
            assert.ok(table.size <= table.most);
            if (slot < 0) {
              assert.ok(!isThere);
              const largest = Math.max(...before.values());
              assert.ok(sizeOf(container) + 1 >= largest, `${sizeOf(container)} refused beside ${largest}`);
            }
            const fair = Math.floor(MAXIMUM / Math.max(there.size, 1));
            for (const [name, size] of before)
              assert.ok(sizeOf(name) >= Math.min(size, fair), `${name} lost of its fair share`);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('one container that takes all it can', () => {
  const SMALL = 2;
  const small = (second: number) => client({ container: SMALL, time: second, remotePort: 443 });

  it('of connections leaves room for those of another', () => {
    const story = new Story({ mostFlows: 100 });
    story.events(
      ...Array.from({ length: 500 }, (_, port) => client({ time: 1, localPort: 1 + port, remotePort: 80 })),
    );
    story.events(small(2));
    assert.ok(story.connections(30).includes('2 client nothing - 10.0.0.9 :443'));
    assert.deepEqual(
      story.state.takeRefusals().map(({ of, container }) => `${container} ${of}`),
      ['1 connections'],
    );
    assert.deepEqual(story.state.takeRefusals(), []);
  });

  it('of peers leaves room for those of another, also while nobody hears', () => {
    const story = new Story({ mostFlows: 100, afterglowPeriod: 300, maxConnectionsPerMinute: 100 });
    for (let second = 1; second < 20; second++) {
      const sockets = Array.from({ length: 100 }, (_, index) =>
        client({ time: second, remotePort: second * 100 + index }),
      );
      story.events(
        ...sockets,
        ...sockets.map((socket) => ({ ...socket, type: 'close' as const, time: second + 0.5 })),
      );
      story.tick(second + 0.6, 'none');
    }
    story.events(small(20), { ...small(20.5), type: 'close' });
    const told = story.connections(30);
    assert.ok(told.includes('2 client nothing - 10.0.0.9 :443'), String(told.length));
    const [links] = story.state.tables.filter(({ name }) => name === 'reported_connections');
    assert.equal(links!.entries, 50 + 1, 'what the rate limit withheld holds no place');
  });

  it('of listening sockets leaves room for that of another, and closes of others are not lost', () => {
    const story = new Story();
    const other = listener({ container: SMALL, cookie: 1, localPort: 443 });
    story.events({ ...other, time: 1 });
    assert.deepEqual(story.endpoints(30), ['2 0.0.0.0 in 0.0.0.0/32 :443 by 0']);
    for (let first = 0; first < 120_000; first += 10_000)
      story.events(
        ...Array.from({ length: 10_000 }, (_, index) =>
          listener({ time: 31, cookie: 10 + first + index, localPort: 1 + (index % 100) }),
        ),
      );
    story.events(listener({ time: 32, container: 3, cookie: 2, localPort: 8443 }));
    story.events({ ...other, type: 'unlisten', time: 33 });
    const told = story.endpoints(60).filter((line) => !line.startsWith('1 '));
    assert.equal(told.length, 2);
    assert.ok(told.some((line) => line.startsWith('3 ') && line.includes(':8443')));
    assert.ok(told.some((line) => line.startsWith('2 ') && line.endsWith('closed 33')));
    assert.ok(story.state.counts.refused > 0);
    assert.deepEqual(
      story.state.takeRefusals().map(({ of, container }) => `${container} ${of}`),
      ['1 listening sockets'],
    );
  });
});
