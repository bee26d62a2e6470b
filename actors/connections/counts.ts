/** Running totals, and entries now. */
export interface ConnectionCounts {
  /** Connections and listening sockets in the tables. */
  readonly connections: number;
  readonly listeners: number;
  /** Entries refused by full tables, ever. */
  readonly refused: number;
  /** New connections over a tick's limit, ever; one waiting for several ticks counts at each. */
  readonly rateLimited: number;
  /** Closed ones among them: they are lost. */
  readonly rateLost: number;
  /** The same for endpoints. */
  readonly endpointsRateLimited: number;
  readonly endpointsRateLost: number;
}

/** How full a table is: entries now, entries for all containers at most, and entries refused, ever. */
export interface SlotTableCounts {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  readonly refused: number;
}
