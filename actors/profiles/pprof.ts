import { gzipSync } from 'node:zlib';
import type { Runtime } from 'node:inspector';
import { pprof } from '../../proto/generated/profile.js';
import type { Position, Positions } from './positions.js';
import type { Frame, SampledProfile, Stack } from './stacks.js';

/** Room for stacks in a result; the smallest beyond it become one stack, named by their number. */
export const MOST_STACKS = 20_000;

const NS_PER_MS = 1e6;
const PROGRAM = 'collector';

/** The profile in pprof's format, gzipped; at most some MiB. */
export function encodeProfile(
  { time, duration, types, period, stacks }: SampledProfile,
  positions: Positions,
): Buffer {
  const table = new StringTable(positions);
  const valueTypes = types.map(([type, unit]) => ({ type: table.string(type), unit: table.string(unit) }));
  const profile: pprof.Profile.$Properties = {
    sampleType: valueTypes,
    sample: samples(stacks, types.length, table),
    mapping: [
      {
        id: 1,
        filename: table.string(PROGRAM),
        hasFunctions: true,
        hasFilenames: true,
        hasLineNumbers: true,
      },
    ],
    location: table.locations,
    function: table.functions,
    stringTable: table.strings,
    timeNanos: time * NS_PER_MS,
    durationNanos: Math.round(duration * NS_PER_MS),
    periodType: valueTypes.at(-1)!,
    period: Math.round(period),
    defaultSampleType: valueTypes.at(-1)!.type,
  };
  return gzipSync(pprof.Profile.encode(profile).finish());
}

function samples(stacks: readonly Stack[], width: number, table: StringTable): pprof.Sample.$Properties[] {
  const last = width - 1;
  const sorted = stacks.toSorted((a, b) => b.values[last]! - a.values[last]!);
  const largest = sorted.slice(0, MOST_STACKS).map(({ frame, line, values }) => {
    const locationId = [table.leaf(frame, line)];
    for (let caller = frame.caller; caller !== undefined; caller = caller.caller)
      locationId.push(table.leaf(caller));
    return { locationId, value: [...values] };
  });
  const rest = sorted.slice(MOST_STACKS);
  if (rest.length === 0) return largest;
  const value = Array.from({ length: width }, (_, index) =>
    rest.reduce((sum, { values }) => sum + values[index]!, 0),
  );
  return [...largest, { locationId: [table.named(`(${rest.length} smaller stacks)`)], value }];
}

/** Numbers the strings, functions and locations of a profile; samples refer to them by number. */
class StringTable {
  readonly strings: string[] = [];
  readonly functions: pprof.Function.$Properties[] = [];
  readonly locations: pprof.Location.$Properties[] = [];
  readonly #positions: Positions;
  readonly #strings = new Map<string, number>();
  readonly #functions = new Map<string, { id: number; start: Position }>();
  readonly #locations = new Map<string, number>();

  constructor(positions: Positions) {
    this.#positions = positions;
    this.string('');
  }

  string(text: string): number {
    return getOrMake(this.#strings, text, () => this.strings.push(text) - 1);
  }

  /**
   * The location of a call.
   * @param line of generated code; undefined: the function's first line
   */
  leaf({ callFrame }: Frame, line?: number): number {
    const { id, start } = this.#function(callFrame);
    return this.#location(id, line === undefined ? start.line : this.#within(callFrame, start, line));
  }

  /** The location of a stack outside our functions. */
  named(functionName: string): number {
    const callFrame = { functionName, scriptId: '', url: '', lineNumber: -1, columnNumber: -1 };
    return this.#location(this.#function(callFrame).id, 0);
  }

  /**
   * The line in source, if it can be the function's; else the function's first. V8 counts code inlined from another
   * script by the line there, as if it were of this script.
   */
  #within({ url }: Runtime.CallFrame, start: Position, line: number): number {
    const found = this.#positions.find(url, line);
    return found.file === start.file && found.line >= start.line ? found.line : start.line;
  }

  #location(functionId: number, line: number): number {
    return getOrMake(this.#locations, `${functionId}:${line}`, () =>
      this.locations.push({
        id: this.locations.length + 1,
        mappingId: 1,
        line: [{ functionId, line }],
      }),
    );
  }

  #function({ functionName, url, lineNumber, columnNumber }: Runtime.CallFrame): {
    id: number;
    start: Position;
  } {
    const key = `${url}:${lineNumber}:${columnNumber}:${functionName}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const start = this.#positions.find(url, lineNumber + 1, columnNumber);
    const name = this.string(functionName === '' ? '(anonymous)' : functionName);
    const id = this.functions.length + 1;
    const filename = this.string(start.file);
    this.functions.push({ id, name, systemName: name, filename, startLine: start.line });
    const made = { id, start };
    this.#functions.set(key, made);
    return made;
  }
}

/** The value of a key, made on first use. */
function getOrMake(known: Map<string, number>, key: string, make: () => number): number {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = make()));
  return value;
}
