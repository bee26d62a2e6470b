import type { Plain } from '../protocol.js';

/** Reads of plain data: a field of another shape than expected is absent. */

export type PlainRecord = Readonly<Record<string, Plain>>;

export function isRecord(value: Plain | undefined): value is PlainRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recordOf(value: Plain | undefined): PlainRecord {
  return isRecord(value) ? value : {};
}

export function listOf(value: Plain | undefined): readonly Plain[] {
  return Array.isArray(value) ? (value as readonly Plain[]) : [];
}

export function numberOf(value: Plain | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** @returns undefined for an empty text too */
export function textOf(value: Plain | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The value below the keys. */
export function at(value: Plain | undefined, ...keys: readonly string[]): Plain | undefined {
  return keys.reduce<Plain | undefined>((found, key) => recordOf(found)[key], value);
}

/** A failure with its cause, in a context or in the fields of an event. */
export interface FailureText {
  readonly cause: string;
  readonly remedy?: string;
  readonly code?: string;
  readonly phase?: string;
}

const MOST_DEPTH = 4;

/** The first failure in a context, outermost first; undefined: there is none. */
export function failureIn(value: Plain | undefined): FailureText | undefined {
  let level: readonly PlainRecord[] = isRecord(value) ? [value] : [];
  for (let depth = 0; depth < MOST_DEPTH && level.length > 0; depth++) {
    for (const one of level) {
      const failure = failureOf(one);
      if (failure !== undefined) return failure;
    }
    level = level.flatMap((one) => Object.values(one).filter(isRecord));
  }
  return undefined;
}

/** A record with a failure's fields, or around an error: `{ phase, error }`. */
function failureOf(record: PlainRecord): FailureText | undefined {
  const error = isRecord(record['error']) ? record['error'] : record;
  const cause = textOf(error['cause']) ?? textOf(error['message']);
  const remedy = textOf(error['remedy']);
  const code = textOf(error['code']);
  const phase = textOf(record['phase']);
  if (cause === undefined || (remedy === undefined && code === undefined && error === record))
    return undefined;
  return { cause, ...(remedy && { remedy }), ...(code && { code }), ...(phase && { phase }) };
}
