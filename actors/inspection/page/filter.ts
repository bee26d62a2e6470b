import type { ContainerRef } from '../protocol.js';

/** Fields of a container for a filter. */
export interface ContainerFields extends ContainerRef {
  readonly image?: string;
}

/** Fields of a row for a filter: all rows of the protocol have some of them. No word matches an absent field. */
export interface RowFields {
  readonly path?: string;
  readonly process?: string;
  readonly args?: string;
  readonly pid?: number;
  readonly protocol?: string;
  readonly port?: number;
  readonly local?: string;
  readonly localPort?: number;
  readonly remote?: string;
  readonly remotePort?: number;
  readonly kind?: string;
}

/** A key of the filter language, for its help. */
export interface FilterKey {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly example: string;
  readonly help: string;
}

export const NODE_KEYS: readonly FilterKey[] = [
  { key: 'namespace', aliases: ['ns'], example: 'namespace:payments', help: 'part of the namespace' },
  { key: 'pod', aliases: [], example: 'pod:checkout', help: 'part of the name of the pod' },
  {
    key: 'container',
    aliases: [],
    example: 'container:01e8c0',
    help: 'start of the id, or part of the name',
  },
  { key: 'process', aliases: ['proc'], example: 'process:nginx', help: 'part of its path' },
  { key: 'pid', aliases: [], example: 'pid:4711', help: 'process id' },
  { key: 'port', aliases: [], example: 'port:443,8000-8999', help: 'of either end; a number or a range' },
  {
    key: 'address',
    aliases: ['addr', 'ip'],
    example: 'address:10.0.0.0/8',
    help: 'of either end; whole, its start, or a network',
  },
  { key: 'protocol', aliases: ['proto'], example: 'protocol:udp', help: 'tcp or udp' },
];

export const EVENT_KEYS: readonly FilterKey[] = [
  {
    key: 'kind',
    aliases: [],
    example: 'kind:exec,exit',
    help: 'exec, enter, exit, connect, accept, close, listen or unlisten',
  },
  ...NODE_KEYS,
];

/** A condition. The container decides it, or (undefined) the row. */
interface Word {
  readonly negated: boolean;
  readonly container: (container: ContainerFields) => boolean | undefined;
  readonly row: (row: RowFields) => boolean;
}

/** The words of a filter: a row has to match every one of them. */
export class Filter {
  static readonly none = new Filter([], []);
  readonly #words: readonly Word[];
  /** Sentences for the writer of the filter about words in doubt. */
  readonly problems: readonly string[];

  private constructor(words: readonly Word[], problems: readonly string[]) {
    this.#words = words;
    this.problems = problems;
  }

  /** Reads `key:value`, `-key:value`, `key:one,other`, `key:=exact` and free text, each with quotes if need be. */
  static parse(text: string, keys: readonly FilterKey[] = NODE_KEYS): Filter {
    const words: Word[] = [];
    const problems: string[] = [];
    for (const [, minus, name, quoted, plain] of text.matchAll(WORD)) {
      const negated = minus === '-';
      const value = quoted ?? plain ?? '';
      const key = name === undefined ? undefined : findKey(name, keys);
      if (key !== undefined) {
        if (value === '') continue;
        const made = MAKERS[key]!(value);
        if (typeof made === 'string') problems.push(made);
        else words.push({ negated, ...made });
        continue;
      }
      if (name !== undefined && looksLikeKey(name, value)) {
        problems.push(`“${name}” is no key here: “${name}:${value}” is searched as text.`);
      }
      const free = name === undefined ? value : `${name}:${value}`;
      if (free !== '') words.push({ negated, ...freeText(free) });
    }
    return new Filter(words, problems);
  }

  /** Matches everything. */
  get isEmpty(): boolean {
    return this.#words.length === 0;
  }

  /** The words left for the rows of a container to decide; undefined: none of its rows can match. */
  within(container: ContainerFields): Filter | undefined {
    if (this.isEmpty) return this;
    const left: Word[] = [];
    for (const word of this.#words) {
      const decided = word.container(container);
      if (decided === undefined) left.push(word);
      else if (decided === word.negated) return undefined;
    }
    return new Filter(left, []);
  }

  /** Whether a container without rows matches, from the words left by `within`. */
  get matchesContainer(): boolean {
    return this.#words.every(({ negated }) => negated);
  }

  /** @param row of a container with these words left by `within` */
  matchesRow(row: RowFields): boolean {
    for (const word of this.#words) if (word.row(row) === word.negated) return false;
    return true;
  }

  matches(row: ContainerFields & RowFields): boolean {
    return this.within(row)?.matchesRow(row) ?? false;
  }
}

/** A minus, a key, and a value in quotes or up to a blank. */
const WORD = /(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+)|(?<=:))/g;

function findKey(name: string, keys: readonly FilterKey[]): string | undefined {
  const lower = name.toLowerCase();
  return keys.find(({ key, aliases }) => key === lower || aliases.includes(lower))?.key;
}

/** Neither a part of an IPv6 address nor the scheme of a URL. */
function looksLikeKey(name: string, value: string): boolean {
  return !/^[a-f]{1,4}$/i.test(name) && !value.startsWith('//');
}

type Matcher = Omit<Word, 'negated'>;

const MAKERS: Readonly<Record<string, (value: string) => Matcher | string>> = {
  namespace: (value) => ofContainer(part(value), ({ namespace }) => namespace),
  pod: (value) => ofContainer(part(value), ({ pod }) => pod),
  container: containerWord,
  process: (value) => {
    const matches = part(value);
    return ofRow(({ path, process }) => matches(path ?? process));
  },
  pid: (value) => {
    const matches = ranges(value);
    if (matches === undefined) return 'pid: wants a number, such as pid:4711.';
    return ofRow(({ pid }) => matches(pid));
  },
  port: (value) => {
    const matches = ranges(value);
    if (matches === undefined) return 'port: wants a number or a range, such as port:443 or port:8000-8999.';
    return ofRow(
      ({ port, localPort, remotePort }) => matches(port) || matches(localPort) || matches(remotePort),
    );
  },
  address: (value) => {
    const matches = addresses(value);
    if (typeof matches === 'string') return matches;
    return ofRow(({ local, remote }) => matches(local) || matches(remote));
  },
  protocol: (value) => {
    const matches = start(value);
    return ofRow(({ protocol }) => matches(protocol));
  },
  kind: (value) => {
    const matches = start(value);
    return ofRow(({ kind }) => matches(kind));
  },
};

function ofRow(row: Matcher['row']): Matcher {
  return { container: () => undefined, row };
}

function ofContainer(matches: Test, field: (container: ContainerFields) => string): Matcher {
  return { container: (container) => matches(field(container)), row: () => false };
}

function containerWord(value: string): Matcher {
  const id = start(value);
  const name = part(value);
  return {
    container: (container) => name(container.name) || id(container.container || 'host'),
    row: () => false,
  };
}

function freeText(value: string): Matcher {
  const wanted = value.toLowerCase();
  const found = (text: string | undefined) => text?.toLowerCase().includes(wanted) === true;
  const number = /^\d+$/.test(value) ? Number(value) : undefined;
  return {
    container: ({ namespace, pod, name, container, image }) =>
      found(pod) || found(name) || found(namespace) || found(container || 'host') || found(image)
        ? true
        : undefined,
    row: (row) =>
      found(row.path) ||
      found(row.process) ||
      found(row.args) ||
      found(row.local) ||
      found(row.remote) ||
      found(row.kind) ||
      (number !== undefined &&
        (row.port === number || row.localPort === number || row.remotePort === number || row.pid === number)),
  };
}

type Test = (text: string | undefined) => boolean;

/** Matches a text with one of the values, separated by commas, in it; `=value` has to be the whole text. */
function part(value: string): Test {
  return some(value, (wanted) =>
    wanted.startsWith('=')
      ? (text) => text.toLowerCase() === wanted.slice(1)
      : (text) => text.toLowerCase().includes(wanted),
  );
}

function start(value: string): Test {
  return some(value, (wanted) =>
    wanted.startsWith('=')
      ? (text) => text.toLowerCase() === wanted.slice(1)
      : (text) => text.toLowerCase().startsWith(wanted),
  );
}

function some(value: string, make: (wanted: string) => (text: string) => boolean): Test {
  const tests = alternatives(value.toLowerCase()).map(make);
  return (text) => text !== undefined && tests.some((test) => test(text));
}

function alternatives(value: string): string[] {
  return value.split(',').filter((one) => one !== '');
}

/** Matches numbers and ranges, separated by commas; undefined: they are none. */
function ranges(value: string): ((number: number | undefined) => boolean) | undefined {
  const made: [first: number, last: number][] = [];
  for (const one of alternatives(value)) {
    const [, first, last] = /^(\d+)(?:-(\d*))?$/.exec(one) ?? [];
    if (first === undefined) return undefined;
    made.push([Number(first), Number(last || first)]);
  }
  return (number) => number !== undefined && made.some(([first, last]) => first <= number && number <= last);
}

/** Matches whole addresses, their starts, and networks, separated by commas; a sentence: one is no network. */
function addresses(value: string): Test | string {
  const tests: ((text: string) => boolean)[] = [];
  for (const one of alternatives(value.toLowerCase())) {
    const test = address(one);
    if (typeof test === 'string') return test;
    tests.push(test);
  }
  return (text) => text !== undefined && tests.some((test) => test(text));
}

function address(wanted: string): ((text: string) => boolean) | string {
  const [base, length] = wanted.split('/');
  const groups = parseAddress(base!);
  if (length === undefined) {
    if (groups === undefined || wanted.endsWith(':')) return (text) => text.startsWith(wanted);
    return network(groups, GROUP_BITS * groups.length);
  }
  if (groups === undefined) return `“${wanted}” is no network; one looks like 10.0.0.0/8 or fd00::/8.`;
  const most = GROUP_BITS * groups.length;
  const bits = length === '' ? most : Number(length);
  if (!(bits <= most)) return `A network of “${base!}” has at most ${most} bits.`;
  return network(groups, bits);
}

const GROUP_BITS = 16;

/** IPv6 addresses with a known answer; more are forgotten, since a long watch sees ever new ones. */
const REMEMBERED = 20_000;

/** Matches addresses with the same leading bits. */
function network(groups: readonly number[], bits: number): (text: string) => boolean {
  if (groups.length === 2) return (text) => !text.includes(':') && isWithin(parseIpv4(text), groups, bits);
  const known = new Map<string, boolean>();
  return (text) => {
    if (!text.includes(':')) return false;
    let answer = known.get(text);
    if (answer === undefined) {
      answer = isWithin(parseIpv6(text), groups, bits);
      if (known.size >= REMEMBERED) known.clear();
      known.set(text, answer);
    }
    return answer;
  };
}

/** Whether an address begins with as many bits of the network. */
function isWithin(address: readonly number[] | undefined, groups: readonly number[], bits: number): boolean {
  if (address === undefined) return false;
  let left = bits;
  for (let i = 0; left > 0; i++, left -= GROUP_BITS) {
    const difference = address[i]! ^ groups[i]!;
    if (difference >> Math.max(0, GROUP_BITS - left) !== 0) return false;
  }
  return true;
}

/** Groups of 16 bits, two or eight; undefined: it is no address. */
function parseAddress(text: string): number[] | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

const DOT = 46;
const ZERO = 48;

/** Reads character by character: a filter reads the addresses of 10,000 connections between two frames. */
function parseIpv4(text: string): number[] | undefined {
  let address = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT && digits > 0) {
      address = address * 256 + part;
      part = digits = 0;
      dots++;
    } else {
      const digit = code - ZERO;
      if (!(digit >= 0 && digit <= 9)) return undefined;
      part = part * 10 + digit;
      digits++;
      if (part > 255) return undefined;
    }
  }
  if (dots !== 3 || digits === 0) return undefined;
  address = address * 256 + part;
  return [Math.floor(address / 0x1_0000), address % 0x1_0000];
}

function parseIpv6(text: string): number[] | undefined {
  const [head, tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const first = parseGroups(head!);
  const last = parseGroups(tail ?? '');
  if (first === undefined || last === undefined) return undefined;
  const gap = 8 - first.length - last.length;
  if (tail === undefined ? gap !== 0 : gap < 1) return undefined;
  return [...first, ...Array<number>(gap).fill(0), ...last];
}

/** An IPv4 address at the end is two groups. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  for (const part of text.split(':')) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      const pair = parseIpv4(part);
      if (pair === undefined) return undefined;
      groups.push(...pair);
    }
  }
  return groups;
}
