import { isIP } from 'node:net';
import { parseAddress, parseNetwork, type Network } from '../connections/address.js';
import { Networks } from '../connections/networks.js';
import { shorten } from '../settings/shorten.js';
import type { ContainerRef, EventRow } from './protocol.js';

/** A row of any view, as far as a filter looks at it. */
export interface FilterRow
  extends
    ContainerRef,
    Partial<
      Pick<
        EventRow,
        'kind' | 'signal' | 'process' | 'args' | 'uid' | 'local' | 'localPort' | 'remote' | 'remotePort'
      >
    > {
  /** Of a listening socket. */
  readonly port?: number;
}

type Test = (row: FilterRow) => boolean;

interface Field {
  /** For people: form and meaning of a value. */
  readonly allowed: string;
  /** @returns undefined for a refused value */
  readonly test: (value: string) => Test | undefined;
  /** Tests all values at once, if that is cheaper than one after the other. */
  readonly any?: (values: readonly string[]) => Test;
}

const NAME = "a name; * stands for any characters, as in 'web-*'";
const MOST_PORT = 65_535;
/** Values in a filter: each row is held against them, in the loop that collects. */
const MOST_VALUES = 32;
const DIGITS_OF_ID = 12;

/** The events by their names in the compact view, and in rows. */
const eventTests: Readonly<Record<string, Test>> = {
  exec: ({ kind }) => kind === 'exec',
  enter: ({ kind }) => kind === 'enter',
  exit: ({ kind }) => kind === 'exit',
  killed: ({ kind, signal }) => kind === 'exit' && signal !== undefined,
  connect: ({ kind }) => kind === 'connect',
  accept: ({ kind }) => kind === 'accept',
  close: ({ kind }) => kind === 'close',
  listen: ({ kind }) => kind === 'listen',
  stop: ({ kind }) => kind === 'unlisten',
};
export const eventNames: readonly string[] = Object.keys(eventTests);

/** What rows can be chosen by. */
const fields = {
  namespace: { allowed: NAME, test: (value) => named(value, (row) => row.namespace) },
  pod: { allowed: NAME, test: (value) => named(value, (row) => row.pod) },
  container: {
    allowed: "the start of an id, or a name; * stands for any characters, as in 'web-*'",
    test: (value) => {
      const byName = named(value, (row) => row.name);
      const id = value.toLowerCase().slice(0, DIGITS_OF_ID);
      if (!/^[\da-f]+$/.test(value.toLowerCase())) return byName;
      return (row) => row.container.startsWith(id) || byName?.(row) === true;
    },
  },
  process: {
    allowed: "a path or the name at its end; * stands for any characters, as in '*/bin/sh'",
    test: (value) => {
      const isFit = glob(value);
      return isFit && (({ process = '' }) => isFit(process) || isFit(lastName(process)));
    },
  },
  args: {
    allowed: "a part of the arguments; * stands for any characters, as in '--user*root'",
    test: (value) => {
      const isFit = glob(`*${value}*`);
      return value === '' ? undefined : isFit && (({ args }) => args !== undefined && isFit(args));
    },
  },
  user: {
    allowed: 'the number of a user, such as 0',
    test: (value) => (/^\d{1,10}$/.test(value) ? ({ uid }) => uid === Number(value) : undefined),
  },
  port: {
    allowed: 'a port of either side, or a range, such as 8080 or 8000-8099',
    test: (value) => {
      const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(value) ?? [];
      const [from, to] = [Number(first), Number(last)];
      if (first === undefined || from > to || to > MOST_PORT) return undefined;
      const isIn = (port: number | undefined) => port !== undefined && port >= from && port <= to;
      return ({ port, localPort, remotePort }) => isIn(port) || isIn(localPort) || isIn(remotePort);
    },
  },
  address: {
    allowed: 'an address or a network of either side, such as 10.0.0.7 or fd00::/8',
    test: (value) => (networkOf(value) === undefined ? undefined : within([value])),
    any: within,
  },
  event: {
    allowed: eventNames.join(', '),
    test: (value) => (Object.hasOwn(eventTests, value) ? eventTests[value] : undefined),
  },
  host: {
    allowed: 'true',
    test: (value) => (value === 'true' ? ({ container }) => container === '' : undefined),
  },
} satisfies Readonly<Record<string, Field>>;

export type FilterField = keyof typeof fields;

export const filterFields: Readonly<Record<FilterField, { readonly allowed: string }>> = fields;

/** Before the name of a field: none of its values may match. */
export const NOT = 'not-';

/** Of each field, one of the values must match, and none of the negated ones. */
export class Filter {
  readonly #wanted: readonly (readonly Test[])[];
  readonly #unwanted: readonly Test[];

  constructor(wanted: readonly (readonly Test[])[], unwanted: readonly Test[]) {
    this.#wanted = wanted;
    this.#unwanted = unwanted;
  }

  matches(row: FilterRow): boolean {
    return (
      this.#wanted.every((tests) => tests.some((test) => test(row))) &&
      !this.#unwanted.some((test) => test(row))
    );
  }
}

/**
 * Reads the filter in a query: `pod=web-*&not-port=22`, each field any number of times.
 * @param query names and values; other names than these of fields are left alone
 * @param known the fields of the rows
 * @returns the error in it
 */
export function parseFilter(
  query: Iterable<readonly [name: string, value: string]>,
  known: readonly FilterField[],
): Filter | string {
  const wanted = new Map<FilterField, string[]>();
  const unwanted = new Map<FilterField, string[]>();
  let count = 0;
  for (const [name, value] of query) {
    const isNegated = name.startsWith(NOT);
    const field = isNegated ? name.slice(NOT.length) : name;
    if (!isField(field)) continue;
    if (!known.includes(field))
      return `--${field}: there is no such thing to filter by here (there are: ${known.map((one) => `--${one}`).join(', ')})`;
    const test = fields[field].test(value);
    if (test === undefined)
      return `--${field}: '${shorten(value)}' is not allowed (allowed: ${fields[field].allowed})`;
    if (++count > MOST_VALUES) return `--${field}: a filter has at most ${MOST_VALUES} values in all`;
    const values = isNegated ? unwanted : wanted;
    values.set(field, [...(values.get(field) ?? []), value]);
  }
  return new Filter(Array.from(wanted, testsOf), Array.from(unwanted, testsOf).flat());
}

function testsOf([name, values]: readonly [FilterField, readonly string[]]): readonly Test[] {
  const field: Field = fields[name];
  return field.any ? [field.any(values)] : values.flatMap((value) => field.test(value) ?? []);
}

function isField(name: string): name is FilterField {
  return Object.hasOwn(fields, name);
}

function named(value: string, of: (row: FilterRow) => string): Test | undefined {
  const isFit = glob(value);
  return isFit && ((row) => isFit(of(row)));
}

/** Whether a text fits a pattern in which `*` stands for any characters; undefined for an empty pattern. */
function glob(pattern: string): ((text: string) => boolean) | undefined {
  if (pattern === '') return undefined;
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return (text) => text === pattern;
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function within(values: readonly string[]): Test {
  const networks = new Networks(values.flatMap((value) => networkOf(value) ?? []));
  const isIn = (text: string | undefined): boolean => {
    const address = text === undefined ? undefined : parseAddress(text);
    return address !== undefined && networks.has(address.words, 0, address.family);
  };
  return ({ local, remote }) => isIn(local) || isIn(remote);
}

function networkOf(text: string): Network | undefined {
  const [, address = '', length] = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const bits = version === 6 ? 128 : 32;
  if (version === 0 || Number(length ?? bits) > bits) return undefined;
  return parseNetwork(`${address}/${length ?? bits}`);
}
