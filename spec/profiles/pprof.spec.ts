import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Profiler, Runtime } from 'node:inspector';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';
import fc from 'fast-check';
import { Positions } from '../../actors/profiles/positions.js';
import { encodeProfile, MOST_STACKS } from '../../actors/profiles/pprof.js';
import type { RawProfile } from '../../actors/profiles/sampler.js';
import { sampledProfile } from '../../actors/profiles/stacks.js';
import { pprof } from '../../proto/generated/profile.js';
import { scratchFolder } from '../support/workload.js';

const SECOND_MS = 1000;
const root = node(1, frame('(root)'), 0);

/** A function of the script at `url`; its line from 0, as V8 has it. */
function frame(functionName: string, url = '', lineNumber = -1, columnNumber = -1): Runtime.CallFrame {
  return { functionName, scriptId: '1', url, lineNumber, columnNumber };
}

function node(id: number, callFrame: Runtime.CallFrame, hitCount: number, children: number[] = []) {
  return { id, callFrame, hitCount, children };
}

/** A profile of a second in which V8 looked 100 times. */
function cpu(nodes: readonly Profiler.ProfileNode[]): RawProfile {
  return { kind: 'cpu', time: 1_700_000_000_000, duration: SECOND_MS, samples: 100, nodes };
}

/** A profile of the heap: functions with the bytes that they allocated. */
function heap(...functions: readonly (readonly [name: string, bytes: number])[]): RawProfile {
  const children = functions.map(([name, selfSize]) => ({
    callFrame: frame(name),
    selfSize,
    id: 0,
    children: [],
  }));
  const head = { callFrame: frame('(root)'), selfSize: 0, id: 0, children };
  return { kind: 'heap', time: 1_700_000_000_000, duration: SECOND_MS, head };
}

/** What pprof would read: values by stack, the innermost call first. */
function read(raw: RawProfile) {
  const encoded = encodeProfile(sampledProfile(raw), new Positions());
  const profile = pprof.Profile.decode(gunzipSync(encoded));
  const text = (index: unknown) => profile.stringTable[Number(index)]!;
  const functions = new Map(profile.function.map((one) => [Number(one.id), one]));
  const places = new Map(
    profile.location.map(({ id, line }) => {
      const { functionId, line: number } = line![0]!;
      const { name, filename } = functions.get(Number(functionId))!;
      return [Number(id), `${text(name)} ${text(filename)}:${Number(number)}`];
    }),
  );
  const type = (of: pprof.ValueType.$Properties) => `${text(of.type)}/${text(of.unit)}`;
  return {
    types: profile.sampleType.map(type),
    periodType: type(profile.periodType!),
    shown: text(profile.defaultSampleType),
    period: Number(profile.period),
    times: [Number(profile.timeNanos) / 1e9, Number(profile.durationNanos) / 1e9],
    stacks: profile.sample.map(({ locationId, value }) => ({
      stack: locationId!.map((id) => places.get(Number(id))!),
      values: value!.map(Number),
    })),
  };
}

describe('A profile for pprof', () => {
  it('of processor time says what it counts, and when it was taken', () => {
    const { stacks, ...said } = read(cpu([root]));
    assert.deepEqual(stacks, []);
    assert.deepEqual(said, {
      types: ['samples/count', 'cpu/nanoseconds'],
      periodType: 'cpu/nanoseconds',
      shown: 'cpu',
      period: 10_000_000,
      times: [1_700_000_000, 1],
    });
  });

  it('of the heap says what it counts', () => {
    const { types, periodType, shown, period } = read(heap());
    assert.deepEqual(
      [types, periodType, shown, period],
      [['inuse_space/bytes'], 'inuse_space/bytes', 'inuse_space', 32768],
    );
  });

  it('has no idle time, and of V8 its garbage collector', () => {
    const { stacks } = read(
      cpu([
        { ...root, children: [2, 3] },
        node(2, frame('(idle)'), 90),
        node(3, frame('(garbage collector)'), 10),
      ]),
    );
    assert.deepEqual(stacks, [{ stack: ['(garbage collector) :0'], values: [10, 100_000_000] }]);
  });

  it('has each call below those that made it', () => {
    const { stacks } = read(
      cpu([
        { ...root, children: [2] },
        node(2, frame('outer', 'node:a', 0, 0), 1, [3, 4]),
        node(3, frame('inner', 'node:b', 6, 0), 5),
        node(4, frame('', 'node:b', 8, 0), 3),
      ]),
    );
    assert.deepEqual(stacks, [
      { stack: ['inner node:b:7', 'outer node:a:1'], values: [5, 50_000_000] },
      { stack: ['(anonymous) node:b:9', 'outer node:a:1'], values: [3, 30_000_000] },
      { stack: ['outer node:a:1'], values: [1, 10_000_000] },
    ]);
  });

  it('loses nothing of a heap', () => {
    const sizes = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(1e9)), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, (all) => {
        const { stacks } = read(heap(...all));
        for (const name of ['a', 'b', 'c']) {
          const expected = all.reduce((sum, [of, size]) => sum + (of === name ? size : 0), 0);
          const found = stacks.filter(({ stack }) => stack[0] === `${name} :0`);
          assert.equal(
            found.reduce((sum, { values }) => sum + values[0]!, 0),
            expected,
          );
        }
      }),
    );
  });

  it('has a bounded number of stacks; the smallest are one, with all that is in them', () => {
    const children = Array.from({ length: MOST_STACKS + 3 }, (_, index): [string, number] => [
      `f${index}`,
      index < 3 ? 1 : 1000,
    ]);
    const { stacks } = read(heap(...children));
    assert.equal(stacks.length, MOST_STACKS + 1);
    assert.deepEqual(stacks.at(-1), { stack: ['(3 smaller stacks) :0'], values: [3] });
  });
});

describe('Positions in a profile', () => {
  const folder = path.join(scratchFolder(), 'bundled');
  const bundle = path.join(folder, 'dist/main.js');
  const url = pathToFileURL(bundle).href;
  let lines: string[];

  before(async () => {
    mkdirSync(path.join(folder, 'lib'), { recursive: true });
    writeFileSync(
      path.join(folder, 'lib/work.ts'),
      [
        'export interface Gone { a: number }',
        'export const zero: Gone = { a: Number("0") };',
        'export function work(all: Gone[]): number {',
        '  let sum = 0;',
        '  for (const { a } of all) sum += a;',
        '  return sum;',
        '}',
      ].join('\n'),
    );
    writeFileSync(
      path.join(folder, 'main.ts'),
      "import { work, zero } from './lib/work.js';\n\n\n\n\n\n\n\nprocess.title = String(work([zero]));\n",
    );
    await build({
      absWorkingDir: folder,
      entryPoints: ['main.ts'],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      sourcemap: true,
    });
    lines = readFileSync(bundle, 'utf8').split('\n');
  });

  after(() => rmSync(folder, { recursive: true }));

  /** The line of the bundle that has a text in it, from 0. */
  const lineOf = (text: string): number => {
    const index = lines.findIndex((line) => line.includes(text));
    assert.notEqual(index, -1);
    return index;
  };
  /** The only place where a profile has `work`, with samples at a line of the bundle, from 0; or at none. */
  const place = (line?: number): string => {
    const start = lineOf('function work(');
    const work = node(2, frame('work', url, start, lines[start]!.indexOf('(')), 1);
    const positionTicks = line === undefined ? [] : [{ line: line + 1, ticks: 1 }];
    const { stacks } = read(
      cpu([
        { ...root, children: [2] },
        { ...work, positionTicks },
      ]),
    );
    assert.equal(stacks.length, 1);
    return stacks[0]!.stack[0]!;
  };

  it('are those of the source, from the root of the project', () => {
    assert.equal(place(), 'work lib/work.ts:3');
  });

  it('are of the line that ran, where V8 knows it', () => {
    assert.equal(place(lineOf('sum += a')), 'work lib/work.ts:5');
  });

  it('are never of a line outside of the file or above the function, which was inlined from elsewhere', () => {
    assert.equal(place(lineOf('process.title')), 'work lib/work.ts:3');
    assert.equal(place(lineOf('Number("0")')), 'work lib/work.ts:3');
    assert.equal(place(0), 'work lib/work.ts:3');
  });

  it('are those of the bundle when its source map is not there', () => {
    rmSync(`${bundle}.map`);
    assert.equal(place(), `work ${url}:${lineOf('function work(') + 1}`);
  });
});
