import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Flow, Link } from '../../actors/connections/rows.js';
import { ACTIVE, hash, SlotTable } from '../../actors/connections/table.js';

const SEED = 0x1234_5678;
const KEY = 3;
const PAYLOAD = 1;

describe('table', () => {
  it('finds what was put, and nothing else', () => {
    const table = new SlotTable(2, 0, 10, SEED);
    write(table, 1, 2);
    const slot = table.put();
    assert.equal(table.find(), slot);
    assert.equal(table.put(), slot);
    assert.equal(table.size, 1);
    assert.equal(table.lastActive[slot], -Infinity);
    write(table, 2, 1);
    assert.equal(table.find(), -1);
  });

  it('identifies an entry by its key and keeps the payload it was put with', () => {
    const table = new SlotTable(1, 1, 10, SEED);
    write(table, 5, 77);
    table.put();
    write(table, 5, 88);
    const slot = table.put();
    assert.equal(table.get(slot, 1), 77);
  });

  it('takes no more than its maximum and counts what it refused', () => {
    const table = new SlotTable(1, 0, 3, SEED);
    const slots = [1, 2, 3, 4, 5].map((value) => putValue(table, value));
    assert.deepEqual(
      slots.map((slot) => slot >= 0),
      [true, true, true, false, false],
    );
    assert.equal(table.full, true);
    assert.equal(table.refused, 2);
    write(table, 2);
    assert.ok(table.put() >= 0, 'an entry that is there is no new one');
    assert.equal(table.refused, 2);
  });

  it('grows with its entries, and gives the room back when they are gone', () => {
    const table = new SlotTable(1, 0, 1e6, SEED);
    const empty = table.capacity;
    fill(table, 50_000);
    assert.ok(table.capacity >= 50_000 && table.capacity <= 1.25 * 50_000 + 1);
    table.retain((slot) => valueAt(table, slot) < 100);
    table.trim();
    assert.equal(table.size, 100);
    assert.equal(table.capacity, empty);
    for (let value = 0; value < 100; value++) {
      write(table, value);
      assert.ok(table.find() >= 0);
    }
  });

  it('keeps room for as many entries as there were when it is cleared', () => {
    const table = new SlotTable(1, 0, 1e6, SEED);
    fill(table, 50_000);
    const { capacity } = table;
    table.clear();
    assert.equal(table.size, 0);
    assert.equal(putValue(table, 7), 0);
    table.remove(0);
    assert.equal(table.capacity, capacity);
    table.clear();
    assert.ok(table.capacity < capacity);
  });

  it('costs at most 165 bytes a connection and the link it is reported as, at any size past 1,000', () => {
    const flows = new SlotTable(Flow.KEY, Flow.WORDS - Flow.KEY, 1e6, SEED);
    const links = new SlotTable(Link.WORDS, 0, 1e6, SEED, 'reported');
    for (let value = 0; value < 100_000; value++) {
      putValue(flows, value);
      putValue(links, value);
      const bytes = flows.bytes + links.bytes;
      if (value < 1000) continue;
      assert.ok(bytes / flows.size <= 165, `${bytes / flows.size} bytes at ${flows.size} entries`);
    }
  });

  it('does not let one seed choose the places of another', () => {
    const places = (seed: number) =>
      Array.from({ length: 100 }, (_, value) => hash(Uint32Array.of(value), 0, 1, seed) & 1023);
    assert.notDeepEqual(places(1), places(2));
    // Keys colliding under one seed are spread by another.
    const together = Array.from({ length: 50_000 }, (_, value) => value).filter(
      (value) => (hash(Uint32Array.of(value), 0, 1, 1) & 1023) === 0,
    );
    const spread = new Set(together.map((value) => hash(Uint32Array.of(value), 0, 1, 2) & 1023));
    assert.ok(together.length > 25 && spread.size > together.length / 4);
  });

  it('shows each entry once while it takes entries out', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { maxLength: 700, minLength: 300 }), fc.nat(5), (values, rest) => {
        const table = new SlotTable(1, 0, 1e6, SEED);
        for (const value of values) putValue(table, value);
        const seen: number[] = [];
        table.retain((slot) => {
          const value = valueAt(table, slot);
          seen.push(value);
          return value % 6 <= rest;
        });
        const sorted = (list: number[]) => [...list].sort((a, b) => a - b);
        assert.deepEqual(sorted(seen), sorted(values));
        const left = values.filter((value) => value % 6 <= rest);
        assert.deepEqual(sorted(contents(table).map(([key]) => Number(key))), sorted(left));
      }),
      { numRuns: 50 },
    );
  });

  it('is a Map of rows, whatever its history', () => {
    // Few keys, many of them absent at a time, so that runs of neighbours form, wrap around and break up.
    const key = fc.tuple(fc.nat(3), fc.nat(20), fc.nat(20));
    const kind = fc.oneof(
      { weight: 300, arbitrary: fc.constant('put' as const) },
      { weight: 60, arbitrary: fc.constantFrom('remove' as const, 'find' as const) },
      { weight: 1, arbitrary: fc.constant('retain' as const) },
    );
    const step = fc.record({ kind, key, value: fc.nat(1000) });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 3000, size: 'max' }),
        fc.integer(),
        (steps, seed) => {
          const table = new SlotTable(KEY, PAYLOAD, 1200, seed);
          const oracle = new Map<string, { value: number; payload: number }>();
          let refused = 0;
          for (const { kind, key, value } of steps) {
            const name = key.join();
            write(table, ...key, value);
            if (kind === 'put') {
              const slot = table.put();
              if (!oracle.has(name) && oracle.size === 1200) refused++;
              else {
                oracle.set(name, { value, payload: oracle.get(name)?.payload ?? value });
                table.lastActive[slot] = value;
                table.flags[slot] = value % 2 === 0 ? 0 : ACTIVE;
              }
            } else if (kind === 'retain') {
              const divisor = 2 + (value % 5);
              table.retain((slot) => table.lastActive[slot]! % divisor !== 0);
              if (divisor < 4) table.trim();
              for (const [name, entry] of oracle) if (entry.value % divisor === 0) oracle.delete(name);
            } else {
              const slot = table.find();
              assert.equal(slot >= 0, oracle.has(name));
              if (slot >= 0) assert.equal(table.lastActive[slot], oracle.get(name)!.value);
              if (slot >= 0 && kind === 'remove') table.remove(slot);
              if (kind === 'remove') oracle.delete(name);
            }
            assert.equal(table.size, oracle.size);
          }
          assert.equal(table.refused, refused);
          assert.deepEqual(
            new Map(contents(table)),
            new Map(
              [...oracle].map(([name, { value, payload }]) => [name, `${value} ${payload} ${value % 2}`]),
            ),
          );
          for (const name of oracle.keys()) {
            write(table, ...name.split(',').map(Number), 0);
            assert.ok(table.find() >= 0);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

function write(table: SlotTable, ...row: number[]): void {
  table.key.set(row);
}

function putValue(table: SlotTable, value: number): number {
  write(table, value);
  return table.put();
}

function valueAt(table: SlotTable, slot: number): number {
  return table.get(slot, 0);
}

function fill(table: SlotTable, count: number): void {
  for (let value = 0; value < count; value++) putValue(table, value);
}

/** Each entry's key, and its time with its payload and whether it is active. */
function contents(table: SlotTable): [string, string][] {
  const all: [string, string][] = [];
  const { words } = table;
  for (let slot = 0; slot < table.size; slot++) {
    const row = table.page(slot).subarray(table.at(slot, 0), table.at(slot, 0) + words);
    const key = words === KEY + PAYLOAD ? row.subarray(0, KEY) : row;
    const active = (table.flags[slot]! & ACTIVE) === 0 ? 0 : 1;
    all.push([key.join(), `${table.lastActive[slot]} ${row.at(-1)} ${active}`]);
  }
  return all;
}
