import assert from 'node:assert/strict';
import fc from 'fast-check';
import { QuantileSketch } from '../../actors/telemetry/quantile-sketch.js';
import { WindowSummary } from '../../actors/telemetry/window-summary.js';

const QUANTILES = [0.5, 0.9, 0.95];

function targets(error: number) {
  return QUANTILES.map((quantile) => ({ quantile, error }));
}

/** Distance of `answer` from the quantile of the values, as a part of them: 0 for any value of the same rank. */
function rankError(values: readonly number[], quantile: number, answer: number): number {
  const rank = quantile * values.length;
  const below = values.filter((value) => value < answer).length;
  const upTo = values.filter((value) => value <= answer).length;
  assert.ok(upTo > below, `${answer} is one of the values`);
  return Math.max(0, below + 1 - rank, rank - upTo) / values.length;
}

/** An error of a rank that no answer can avoid: the quantile falls between two values. */
const between = (count: number) => 1 / count;

describe('The sketch of quantiles', () => {
  it('answers within its error, whatever the values and their order', () => {
    const value = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.double({ min: 0, max: 1e9, noNaN: true }));
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 3000 }),
        fc.constantFrom(0.001, 0.01, 0.05),
        fc.constantFrom('as they come', 'rising', 'falling'),
        (given, error, order) => {
          const values = [...given];
          if (order !== 'as they come') values.sort((a, b) => (order === 'rising' ? a - b : b - a));
          const sketch = new QuantileSketch(targets(error));
          for (const each of values) sketch.insert(each);
          for (const quantile of QUANTILES) {
            const off = rankError(values, quantile, sketch.query(quantile));
            assert.ok(off <= error + between(values.length), `${quantile} of ${values.length}: ${off}`);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('keeps few of a hundred thousand values, and still answers within its error', () => {
    const values = Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 100_003);
    const sketch = new QuantileSketch(targets(0.01));
    for (const value of values) sketch.insert(value);
    assert.ok(sketch.size < 500, `${sketch.size} are kept`);
    for (const quantile of QUANTILES) {
      assert.ok(rankError(values, quantile, sketch.query(quantile)) <= 0.01);
    }
  });

  it('has no answer without a value', () => {
    assert.ok(Number.isNaN(new QuantileSketch(targets(0.01)).query(0.5)));
  });
});

describe('The summary of a window', () => {
  const HOUR = 3600;

  it('answers an hour of intervals as their exact quantiles, within its error', () => {
    const interval = fc.record({ step: fc.constantFrom(1, 5, 30), seed: fc.integer({ min: 1, max: 1000 }) });
    fc.assert(
      fc.property(interval, ({ step, seed }) => {
        const summary = new WindowSummary(targets(0.01), HOUR);
        const seen: { time: number; value: number }[] = [];
        // Three hours, whose load rises and falls: only the last one may count.
        for (let time = 0; time < 3 * HOUR; time += step) {
          const value = Math.round(1000 * (1 + Math.sin(time / 900))) + ((time * seed) % 97);
          summary.observe(value, time);
          seen.push({ time, value });
        }
        assert.equal(summary.count, seen.length);
        // What is covered begins at one of the fifths of the window.
        const covers = [4 / 5, 1].map((part) => seen.filter(({ time }) => time >= 3 * HOUR - HOUR * part));
        for (const quantile of QUANTILES) {
          const answer = summary.quantile(quantile);
          const errors = covers.map((window) => {
            const values = window.map(({ value }) => value);
            return values.includes(answer) ? rankError(values, quantile, answer) : Infinity;
          });
          assert.ok(
            Math.min(...errors) <= 0.01 + between(covers[0]!.length),
            `${quantile}: ${errors.join()}`,
          );
        }
      }),
      { numRuns: 30 },
    );
  });

  it('forgets what is older than the window, but not that it was', () => {
    const summary = new WindowSummary(targets(0.01), HOUR);
    for (let time = 0; time < HOUR; time += 30) summary.observe(1_000_000, time);
    for (let time = HOUR; time <= 2 * HOUR; time += 30) summary.observe(1, time);
    assert.deepEqual(
      QUANTILES.map((quantile) => summary.quantile(quantile)),
      [1, 1, 1],
    );
    assert.equal(summary.count, 241);
    assert.equal(summary.sum, 120_000_121);
  });

  it('forgets all that came before a gap longer than the window', () => {
    const summary = new WindowSummary(targets(0.01), HOUR);
    summary.observe(5, 0);
    summary.observe(7, 10 * HOUR);
    summary.observe(7, 10 * HOUR + 30);
    assert.equal(summary.quantile(0.5), 7);
    assert.equal(summary.sum, 19);
  });
});
