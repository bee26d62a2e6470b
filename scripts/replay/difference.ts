/** Compares two replays of one recording, message by message. */

/** Standard output of a replay, by its format. */
export interface Output {
  readonly json: string;
  readonly compact: string;
}

/** Kinds of messages, in the order of the table. */
export const kinds = [
  'process signal',
  'signal id',
  'connection',
  'endpoint',
  'report',
  'compact line',
] as const;
type Kind = (typeof kinds)[number];

/** Messages of one kind: their number in both replays, and the texts found in one replay only. */
export interface Difference {
  readonly kind: Kind;
  readonly base: number;
  readonly own: number;
  readonly onlyInBase: readonly string[];
  readonly onlyInOwn: readonly string[];
}

/** Comparison of two replays. */
export interface Comparison {
  /** Messages in the base's replay, and in this tree's, of every kind but `report` and `signal id`. */
  readonly base: number;
  readonly own: number;
  /** Kinds with a difference. */
  readonly differences: readonly Difference[];
  /** Format of the output with the same messages in another order. */
  readonly reordered: readonly (keyof Output)[];
}

interface Message {
  readonly signal?: { readonly processSignal: { readonly id: string } & object };
  readonly info?: {
    readonly time: string;
    readonly updatedConnections?: readonly object[];
    readonly updatedEndpoints?: readonly object[];
  };
}

export function compare(base: Output, own: Output): Comparison {
  const [before, after] = [messages(base), messages(own)];
  const differences = kinds
    .map((kind) => difference(kind, before[kind], after[kind]))
    .filter(({ onlyInBase, onlyInOwn }) => onlyInBase.length + onlyInOwn.length > 0);
  const isChanged = (format: keyof Output) =>
    differences.some(({ kind }) => (kind === 'compact line') === (format === 'compact'));
  const formats = ['json', 'compact'] as const;
  return {
    base: total(before),
    own: total(after),
    differences,
    reordered: formats.filter((format) => base[format] !== own[format] && !isChanged(format)),
  };
}

/**
 * Texts of all messages by kind. Ids are numbered through, so that one more signal would change all ids behind: they
 * are a kind of their own. Of a report without its changes, time and size are left.
 */
function messages({ json, compact }: Output): Record<Kind, string[]> {
  const found: Record<Kind, string[]> = {
    'process signal': [],
    'signal id': [],
    connection: [],
    endpoint: [],
    report: [],
    'compact line': lines(compact),
  };
  for (const line of lines(json)) {
    const { signal, info } = JSON.parse(line) as Message;
    if (signal !== undefined) {
      const { id, ...rest } = signal.processSignal;
      found['process signal'].push(JSON.stringify(rest));
      found['signal id'].push(id);
    }
    if (info !== undefined) {
      const { time, updatedConnections = [], updatedEndpoints = [] } = info;
      const text = (change: object) => JSON.stringify({ ...change, report: time });
      found.connection.push(...updatedConnections.map(text));
      found.endpoint.push(...updatedEndpoints.map(text));
      found.report.push(
        `${time}: ${updatedConnections.length} connections, ${updatedEndpoints.length} endpoints`,
      );
    }
  }
  return found;
}

function difference(kind: Kind, base: readonly string[], own: readonly string[]): Difference {
  return {
    kind,
    base: base.length,
    own: own.length,
    onlyInBase: without(base, own),
    onlyInOwn: without(own, base),
  };
}

/** Texts missing in `others`, or less frequent there, in their order. */
function without(texts: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of others) left.set(text, (left.get(text) ?? 0) + 1);
  return texts.filter((text) => {
    const count = left.get(text) ?? 0;
    if (count > 0) left.set(text, count - 1);
    return count === 0;
  });
}

function total(found: Record<Kind, string[]>): number {
  return kinds.reduce(
    (sum, kind) => (kind === 'report' || kind === 'signal id' ? sum : sum + found[kind].length),
    0,
  );
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
