import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  CURRENT,
  REPORTED,
  WAS_ACTIVE,
  settle,
  merge,
  type ReportTimes,
} from '../../actors/connections/afterglow.js';
import { SlotTable } from '../../actors/connections/table.js';
import { specifiedAfterglow, specifiedChanges, type Status } from './oracle.js';

type Model = Map<number, Status>;

const open = (last: number): Status => ({ active: true, last });
const closed = (last: number): Status => ({ active: false, last });

describe('delta', () => {
  // T0 = 1000, T = 1030.
  const cases: [
    title: string,
    period: number,
    old: Status | undefined,
    now: Status | undefined,
    report: string[],
  ][] = [
    ['still open', 0, open(1000), open(1030), []],
    ['closed', 0, open(1000), closed(1020), ['closed 1020']],
    ['opened again', 0, closed(990), open(1020), ['active']],
    ['closed and not seen again', 0, closed(990), undefined, []],
    ['closed once more', 0, closed(990), closed(1020), ['closed 1020']],
    ['closed and looked at twice', 0, closed(990), closed(990), []],
    ['new', 0, undefined, open(1020), ['active']],
    ['new and closed', 0, undefined, closed(1020), ['closed 1020']],
    ['gone', 0, open(1000), undefined, ['closed 1000']],
    ['closed by an event newer than the tick', 0, open(1000), closed(1031), ['closed 1031']],

    ['still open', 20, open(1000), open(1030), []],
    ['closed within the period', 20, open(1000), closed(1011), []],
    ['closed a period ago', 20, open(1000), closed(1010), ['closed 1010']],
    ['reopened within the period', 20, closed(981), open(1020), []],
    ['reopened after the period', 20, closed(980), open(1020), ['active']],
    ['closed anew and recent, but not recent before', 20, closed(980), closed(1020), ['active']],
    ['closed both times, later than before', 20, closed(900), closed(1010), ['closed 1010']],
    ['closed both times, at the same time', 20, closed(900), closed(900), []],
    ['new', 20, undefined, open(1030), ['active']],
    ['new and closed within the period', 20, undefined, closed(1011), ['active']],
    ['new and closed a period ago', 20, undefined, closed(1010), ['closed 1010']],
    ['gone, seen within the period', 20, open(1011), undefined, []],
    ['gone, seen a period ago', 20, open(1010), undefined, ['closed 1010']],
    ['gone, closed within the period before, outside now', 20, closed(981), undefined, ['closed 981']],
    ['gone, and told to be closed before', 20, closed(980), undefined, []],
  ];
  for (const [title, period, old, now, report] of cases) {
    it(`${period === 0 ? 'without' : 'with'} afterglow says ${report.join() || 'nothing'} of what is ${title}`, () => {
      assert.deepEqual(run(of(old), of(now), { now: 1030, before: 1000, period }).report, report);
    });
  }

  it('keeps what is within the period, and takes over all that is current', () => {
    const old: Model = new Map([
      [1, open(1011)],
      [2, open(1010)],
      [3, closed(1015)],
      [4, open(1000)],
    ]);
    const current: Model = new Map([
      [4, closed(1001)],
      [5, closed(900)],
    ]);
    const { reported } = run(old, current, { now: 1030, before: 1000, period: 20 });
    assert.deepEqual(
      reported,
      new Map([
        [1, open(1011)],
        [3, closed(1015)],
        [4, closed(1001)],
        [5, closed(900)],
      ]),
    );
  });

  const status = fc.tuple(fc.boolean(), fc.nat(60)).map(([active, last]): Status => ({ active, last }));
  const model = fc
    .uniqueArray(fc.tuple(fc.nat(12), status), { selector: ([key]) => key })
    .map((all) => new Map(all));
  const ticks = fc.array(fc.tuple(fc.nat(25), model), { maxLength: 8 });

  it('does over many ticks what the specification says of afterglow', () => {
    fc.assert(
      fc.property(ticks, fc.integer({ min: 1, max: 40 }), (ticks, period) => {
        let old: Model = new Map();
        let expectedOld: Model = new Map();
        let before = 0;
        for (const [step, drawn] of ticks) {
          const now = before + step;
          // Nothing is newer than its tick.
          const current: Model = new Map(
            [...drawn].map(([key, { active, last }]) => [key, { active, last: Math.min(last, now) }]),
          );
          const actual = run(old, current, { now, before, period });
          const expected = specifiedAfterglow(expectedOld, current, now, before, period);
          assert.deepEqual(actual.all, expected.report);
          assert.deepEqual(actual.reported, expected.old);
          old = actual.reported;
          expectedOld = expected.old;
          before = now;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('does over many ticks what the specification says without afterglow', () => {
    fc.assert(
      fc.property(ticks, (ticks) => {
        let old: Model = new Map();
        let expectedOld: Model = new Map();
        for (const [index, [, current]] of ticks.entries()) {
          const actual = run(old, current, { now: index, before: index - 1, period: 0 });
          assert.deepEqual(actual.all, specifiedChanges(expectedOld, current));
          old = actual.reported;
          expectedOld = current;
        }
      }),
      { numRuns: 500 },
    );
  });
});

function of(status: Status | undefined): Model {
  return new Map(status ? [[1, status]] : []);
}

/** Settles a table; `all` names the keys, `report` does not. */
function run(
  old: Model,
  current: Model,
  moment: ReportTimes,
): { report: string[]; all: string[]; reported: Model } {
  const table = tableOf(old, current);
  const keyOf = (slot: number) => table.get(slot, 0);
  const all: string[] = [];
  settle(table, moment, (slot, closed) =>
    all.push(`${keyOf(slot)} ${closed === undefined ? 'active' : `closed ${closed}`}`),
  );
  const left: Model = new Map();
  for (let slot = 0; slot < table.size; slot++) {
    assert.equal(table.flags[slot]! & CURRENT, 0);
    const active = (table.flags[slot]! & WAS_ACTIVE) !== 0;
    left.set(keyOf(slot), { active, last: table.reportedActive[slot]! });
  }
  return { report: all.map((line) => line.replace(/^\d+ /, '')), all: all.sort(), reported: left };
}

function tableOf(old: Model, current: Model): SlotTable {
  const table = new SlotTable(1, 0, 1000, 1, 'reported');
  const put = (key: number) => {
    table.key[0] = key;
    return table.put();
  };
  for (const [key, { active, last }] of old) {
    const slot = put(key);
    table.reportedActive[slot] = last;
    table.flags[slot] = REPORTED | (active ? WAS_ACTIVE : 0);
  }
  for (const [key, { active, last }] of current) merge(table, put(key), last, active);
  return table;
}
