import type { SensorEvent } from '../sensor/double.js';
import type { Counts } from './counts.js';
import { FIRST } from './load.js';

/** Numbers of arrived things. */
interface Arrived {
  readonly execs: Set<number>;
  readonly connections: Set<number>;
}

/** A message of either stream, as far as it is counted. */
export interface Message {
  readonly signal?: { readonly processSignal?: { readonly containerId?: string; readonly args?: string } };
  readonly info?: {
    readonly updatedConnections?: readonly {
      readonly containerId?: string;
      readonly remoteAddress?: { readonly addressData?: string };
      readonly closeTimestamp?: string;
    }[];
  };
}

const NUMBERED = /^exit (\d+)$/;

/** The things of a load in the hands of Sensor: each counts once, however often it came. */
export class Inbox {
  readonly #container: string;
  readonly #ours: ReadonlySet<string>;
  readonly #arrived: Arrived = { execs: new Set(), connections: new Set() };
  /** Whether another container than the load's made something. */
  isShared = false;
  /** Streams opened so far, of both kinds. */
  opened = 0;

  /** @param container id of the counted container @param ours ids of all containers of the load */
  constructor(container: string, ours: readonly string[]) {
    this.#container = container;
    this.#ours = new Set(ours);
  }

  take(event: SensorEvent): void {
    if (!('stream' in event)) return;
    if ('message' in event) this.takeMessage(event.message);
    else if (event.event === 'open') this.opened++;
  }

  takeMessage({ signal, info }: Message): void {
    if (signal?.processSignal !== undefined) {
      const { containerId, args = '' } = signal.processSignal;
      const [, number] = (this.#isOurs(containerId) && NUMBERED.exec(args)) || [];
      if (number !== undefined) this.#arrived.execs.add(Number(number));
    }
    for (const { containerId, remoteAddress, closeTimestamp } of info?.updatedConnections ?? []) {
      if (!this.#isOurs(containerId) || closeTimestamp === undefined) continue;
      const bytes = Buffer.from(remoteAddress?.addressData ?? '', 'base64');
      const number = bytes.length === 4 ? bytes.readUInt32BE() - FIRST : -1;
      if (number >= 0) this.#arrived.connections.add(number);
    }
  }

  /** How many different things arrived. */
  get counts(): Counts {
    const { execs, connections } = this.#arrived;
    return { execs: execs.size, connections: connections.size };
  }

  /**
   * The longest rows of missing numbers, as many as there were times without a watch.
   * @returns how many things are in them
   */
  unwatched(made: Counts, times: number): Counts {
    const { execs, connections } = this.#arrived;
    return {
      execs: longestGaps(execs, made.execs, times),
      connections: longestGaps(connections, made.connections, times),
    };
  }

  #isOurs(container = ''): boolean {
    if (!this.#ours.has(container)) this.isShared = true;
    return container === this.#container;
  }
}

/**
 * Sum of the `times` longest rows of absent numbers below `end`; a row up to the end does not count, since
 * its things may be on their way.
 */
export function longestGaps(there: ReadonlySet<number>, end: number, times: number): number {
  const gaps: number[] = [];
  let length = 0;
  for (let number = 0; number < end; number++) {
    if (!there.has(number)) {
      length++;
    } else if (length > 0) {
      gaps.push(length);
      length = 0;
    }
  }
  return gaps
    .sort((a, b) => b - a)
    .slice(0, times)
    .reduce((sum, gap) => sum + gap, 0);
}
