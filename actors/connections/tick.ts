import type { Sliced } from '../capture/slices.js';
import { settle, type ReportTimes, type Rules } from './afterglow.js';
import {
  connectionReport,
  endpointReport,
  type ConnectionReport,
  type Delta,
  type EndpointReport,
} from './report.js';
import type { SlotTable } from './table.js';

const NS_PER_US = 1e3;

/**
 * Entries a slice of a tick works through: some 3 to 5 ms when the tables are far too large for the processor's caches.
 * A reported entry costs several times as much as one only looked at.
 */
export const SLICE_ENTRIES = 8_192;
const REPORT_COST = 8;
/** Entries settled at once, and reports in each part of a tick's delta, at least, but for the last part. */
const PART_ENTRIES = 1_024;

/** Ends a slice: the caller may do other work. */
const PAUSE = undefined;

/** A tick's delta in parts, with pauses between. */
export type DeltaParts = Generator<Delta | typeof PAUSE, void, undefined>;

/** Bounds the slices of a tick by the entries they work through. */
export class Budget {
  readonly #slice: number;
  /** Entries left of the current slice. */
  #left: number;

  /** @param slice entries before a pause */
  constructor(slice: number) {
    this.#slice = slice;
    this.#left = slice;
  }

  /** Charges the current slice for more than the walk through its entries. */
  charge(entries: number): void {
    this.#left -= entries;
  }

  /** Calls `work` with parts of `[0, size)`, from the last on, and pauses at the end of each slice. */
  *spread(size: number, work: (from: number, to: number) => void): Sliced<void> {
    for (let to = size; to > 0;) {
      const from = Math.max(to - this.#left, 0);
      work(from, to);
      this.charge(to - from);
      to = from;
      if (this.#left > 0) continue;
      yield PAUSE;
      this.#left = this.#slice;
    }
  }
}

/** Collects the reports of a tick. */
export class DeltaBuilder {
  readonly #connections: ConnectionReport[] = [];
  readonly #endpoints: EndpointReport[] = [];
  readonly #epoch: number;

  /** @param epoch Unix time minus the tables' clock, ns */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** Reports not taken yet. */
  get size(): number {
    return this.#connections.length + this.#endpoints.length;
  }

  /** @param closed last activity of a closed connection, in the table's clock */
  addConnection(links: SlotTable, slot: number, closed: number | undefined): void {
    this.#connections.push(connectionReport(links, slot, this.#unixMicroseconds(closed)));
  }

  addEndpoint(endpoints: SlotTable, slot: number, closed: number | undefined): void {
    this.#endpoints.push(endpointReport(endpoints, slot, this.#unixMicroseconds(closed)));
  }

  take(): Delta {
    return { connections: this.#connections.splice(0), endpoints: this.#endpoints.splice(0) };
  }

  #unixMicroseconds(ns: number | undefined): number | undefined {
    return ns === undefined ? undefined : Math.floor(ns / NS_PER_US + this.#epoch / NS_PER_US);
  }
}

/** Settles a whole table, and hands out the reports in `delta` whenever they are enough for a part. */
export function* settleInParts(
  table: SlotTable,
  times: ReportTimes,
  emit: (slot: number, closed: number | undefined) => void,
  rules: Rules,
  delta: DeltaBuilder,
  budget: Budget,
): DeltaParts {
  for (let end = table.size; end > 0; end -= PART_ENTRIES) {
    const start = Math.max(end - PART_ENTRIES, 0);
    yield* budget.spread(end - start, (from, to) => {
      const before = delta.size;
      settle(table, times, emit, rules, start + from, start + to);
      budget.charge((delta.size - before) * REPORT_COST);
    });
    if (delta.size >= PART_ENTRIES) yield* handOut(delta.take());
  }
  table.trim();
}

/** Pauses after the part: its receiver has as much work with it as making it took. */
function* handOut(part: Delta): DeltaParts {
  yield part;
  yield PAUSE;
}
