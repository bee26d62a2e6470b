import type { Fact } from './facts.js';
import { RecordType, SocketRole, socket_record } from './layout.js';
import { TCP_LISTEN } from './linux.js';
import type { Records } from './records.js';

const NS_PER_HOUR = 3600e9;

/** Names of event types in metrics, taken from system calls where there is one, and their indexes here. */
const NAMES = {
  execve: 0,
  procexit: 1,
  connect: 2,
  accept: 3,
  close: 4,
  listen: 5,
  unlisten: 6,
  process: 7,
  self_check: 8,
  other: 9,
} as const;

export type EventName = keyof typeof NAMES;
export const eventNames = Object.keys(NAMES) as readonly EventName[];

/** The timed steps of handling an event. */
export type EventStep = 'parse' | 'process';

/** Count and times of one type of events. */
export interface EventCounts {
  readonly name: EventName;
  readonly count: number;
  /** µs, shared out. */
  readonly times: Readonly<Record<EventStep, number>>;
}

/**
 * Counts events by type as their batches come in, and shares a batch's time out among its events: reading a clock for
 * each event would cost more than most events do.
 */
export class EventMeter {
  /** Events older than an hour, and events later than their batch. */
  distantPast = 0;
  future = 0;
  /** Mentions of connections, and of listening sockets, in events and scans. */
  connectionUpdates = 0;
  endpointUpdates = 0;
  readonly #counts = new Float64Array(eventNames.length);
  readonly #times: Readonly<Record<EventStep, Float64Array>> = {
    parse: new Float64Array(eventNames.length),
    process: new Float64Array(eventNames.length),
  };
  /** Of the latest batch. */
  readonly #batch = new Uint32Array(eventNames.length);
  #batchSize = 0;

  get events(): readonly EventCounts[] {
    return eventNames.map((name, index) => ({
      name,
      count: this.#counts[index]!,
      times: { parse: this.#times.parse[index]!, process: this.#times.process[index]! },
    }));
  }

  /** All events read so far. */
  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Counts a fact's records. */
  take(fact: Fact): void {
    if (fact.kind === 'records') this.#takeBatch(fact.records, fact.time);
    else if (fact.kind === 'scan' && fact.of === 'sockets') this.#takeScan(fact.records);
  }

  /** Shares the latest batch's time out among its events. */
  share(step: EventStep, microseconds: number): void {
    if (this.#batchSize === 0) return;
    const times = this.#times[step];
    for (let index = 0; index < times.length; index++) {
      times[index]! += (microseconds * this.#batch[index]!) / this.#batchSize;
    }
  }

  #takeBatch(records: Records, now: number): void {
    const batch = this.#batch;
    batch.fill(0);
    this.#batchSize = 0;
    for (let at = 0; at < records.length; at += records.size(at)) {
      batch[eventOf(records, at)]!++;
      this.#batchSize++;
      const time = records.time(at);
      if (time > now) this.future++;
      else if (now - time > NS_PER_HOUR) this.distantPast++;
    }
    for (let index = 0; index < batch.length; index++) this.#counts[index]! += batch[index]!;
    this.connectionUpdates += batch[NAMES.connect]! + batch[NAMES.accept]! + batch[NAMES.close]!;
    this.endpointUpdates += batch[NAMES.listen]! + batch[NAMES.unlisten]!;
  }

  #takeScan(records: Records): void {
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (records.u8[at + socket_record.state] === TCP_LISTEN) this.endpointUpdates++;
      else this.connectionUpdates++;
    }
  }
}

function eventOf(records: Records, at: number): number {
  switch (records.type(at)) {
    case RecordType.exec:
      return NAMES.execve;
    case RecordType.exit:
      return NAMES.procexit;
    case RecordType.open:
      return records.u8[at + socket_record.role] === SocketRole.server ? NAMES.accept : NAMES.connect;
    case RecordType.close:
      return NAMES.close;
    case RecordType.listen:
      return NAMES.listen;
    case RecordType.unlisten:
      return NAMES.unlisten;
    case RecordType.process:
      return NAMES.process;
    case RecordType.selfCheck:
      return NAMES.self_check;
    default:
      return NAMES.other;
  }
}
