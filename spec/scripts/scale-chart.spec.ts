import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Curve } from '../../scripts/scale/data.js';
import { growthChart } from '../../scripts/scale/growth-chart.js';
import { picture, render } from '../../scripts/scale/report.js';
import { own } from '../../scripts/bench/figures.js';

const SERIES = [
  { name: 'CPU for 1,000 execs', unit: 'ms', along: 'live connections', origin: 'rings', most: 0 },
  { name: 'CPU for 1,000 execs', unit: 'ms', along: 'live connections', origin: 'kernel', most: 0 },
  { name: 'CPU for a tick', unit: 'ms', along: 'live connections', origin: 'rings', most: 1 },
  { name: 'CPU for a steady tick', unit: 'ms', along: 'live connections', origin: 'facts', most: 1 },
  { name: 'resident memory', unit: 'MB', along: 'live connections', origin: 'rings', most: 1 },
  { name: 'CPU for 1,000 connections', unit: 'ms', along: 'rings', origin: 'rings', most: 0 },
] as const;

/** Costs from microseconds to hours, at numbers of anything. */
const anyCurves: fc.Arbitrary<Curve[]> = fc
  .array(fc.constantFrom(...SERIES), { minLength: 1, maxLength: 8 })
  .chain((series) =>
    fc.tuple(
      ...series.map((one) =>
        fc
          .uniqueArray(
            fc.record({
              x: fc.integer({ min: 1, max: 10_000_000 }),
              y: fc.double({ min: 1e-6, max: 1e7, noNaN: true }),
            }),
            { minLength: 2, maxLength: 6, selector: ({ x }) => x },
          )
          .map((points): Curve => ({ ...one, points: points.sort((a, b) => a.x - b.x) })),
      ),
    ),
  );

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The numbers of the attributes of all shapes of a kind. */
function shapesOf(svg: string, tag: string): Record<string, number>[] {
  return [...svg.matchAll(new RegExp(`<${tag} ([^>]*)>`, 'g'))].map(([, attributes = '']) =>
    Object.fromEntries(
      [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, Number(value)]),
    ),
  );
}

function isInside(x: number, y: number, frame: Rectangle): boolean {
  return x >= frame.x && x <= frame.x + frame.width && y >= frame.y && y <= frame.y + frame.height;
}

describe('the chart of growth', () => {
  it('has every point of every curve, and each inside of a frame', () => {
    fc.assert(
      fc.property(anyCurves, (curves) => {
        const svg = growthChart(curves);
        const frames = shapesOf(svg, 'rect') as unknown as Rectangle[];
        const dots = shapesOf(svg, 'circle');
        const points = curves.reduce((sum, curve) => sum + curve.points.length, 0);
        const inFrames = dots.filter(({ cx, cy }) => frames.some((frame) => isInside(cx!, cy!, frame)));
        // The legend has one for each curve.
        assert.equal(dots.length, points + curves.length);
        assert.equal(inFrames.length, points);
      }),
    );
  });

  it('has frames inside of the picture, and none on another', () => {
    fc.assert(
      fc.property(anyCurves, (curves) => {
        const svg = growthChart(curves);
        const [whole] = shapesOf(svg, 'svg');
        const frames = shapesOf(svg, 'rect') as unknown as Rectangle[];
        for (const [n, frame] of frames.entries()) {
          assert.ok(frame.x >= 0 && frame.x + frame.width <= whole!['width']!);
          assert.ok(frame.y >= 0 && frame.y + frame.height <= whole!['height']!);
          for (const other of frames.slice(n + 1))
            assert.ok(
              other.x >= frame.x + frame.width ||
                frame.x >= other.x + other.width ||
                other.y >= frame.y + frame.height ||
                frame.y >= other.y + other.height,
            );
        }
      }),
    );
  });

  it('draws larger costs higher, and larger numbers further to the right', () => {
    fc.assert(
      fc.property(anyCurves, (curves) => {
        const svg = growthChart(curves.slice(0, 1));
        const [, ...dots] = shapesOf(svg, 'circle');
        const { points } = curves[0]!;
        for (let n = 1; n < points.length; n++) {
          assert.ok(dots[n]!['cx']! >= dots[n - 1]!['cx']!);
          const [higher, lower] = points[n]!.y > points[n - 1]!.y ? [n, n - 1] : [n - 1, n];
          assert.ok(dots[higher]!['cy']! <= dots[lower]!['cy']!);
        }
      }),
    );
  });

  it('is a function of the curves, with both themes and its units', () => {
    const points = [1000, 10_000, 100_000].map((x) => ({ x, y: x / 50 }));
    const curves: Curve[] = [{ ...SERIES[2], points, limits: [{ x: 10_000, y: 300 }] }];
    const svg = growthChart(curves);
    assert.equal(growthChart(structuredClone(curves)), svg);
    for (const words of ['CPU for a tick, ms', 'live connections', 'n^1.00 ± 0.00', '10k', '≤ 300'])
      assert.ok(svg.includes(words), words);
    assert.ok(svg.includes('prefers-color-scheme: dark'));
  });
});

describe('the page of the measurement of scale', () => {
  const points = [1, 10, 100].map((x) => ({ x, y: 2 * x ** 1.5 }));
  const data = {
    fed: {
      curves: [{ ...SERIES[2], points }],
      figures: [own('memory at 10000 connections', 'MB', 90, 80)],
    },
  };

  it('says what is met, what is not, and where the facts come from', () => {
    const page = render(data);
    assert.ok(page.includes('| memory at 10000 connections | 90 MB | ≤ 80 MB | **not met** |'));
    assert.ok(page.includes('n^1.50 ± 0.00 | ≤ n^1: **not met** | rings |'));
    assert.match(page, /- _rings_: records written into the kernel's rings/);
    assert.ok(!page.includes('- _kernel_'));
  });

  it('has a picture if there is a curve', () => {
    assert.ok(picture(data)?.startsWith('<svg'));
    assert.equal(picture({ idle: { curves: [], figures: [] } }), undefined);
  });
});
