/** What the formula of steady traffic needs to know of a kind of node, per node and minute. */
export interface Rates {
  readonly signals: number;
  readonly connections: number;
  readonly endpoints: number;
  /** Messages of connections and endpoints. */
  readonly reports: number;
}

/** Mean bytes on the wire. */
export interface Sizes {
  /** A message with a signal. */
  readonly signal: number;
  /** A change of a connection, and of an endpoint, in a message. */
  readonly connection: number;
  readonly endpoint: number;
  /** A message of connections and endpoints without them. */
  readonly report: number;
}

/** Bytes of a node in a minute: S·s + C·c + E·e + R·r. */
export function steadyBytes(rates: Rates, sizes: Sizes): number {
  return (
    rates.signals * sizes.signal +
    rates.connections * sizes.connection +
    rates.endpoints * sizes.endpoint +
    rates.reports * sizes.report
  );
}

/** Messages of a node in a minute. */
export function steadyMessages({ signals, reports }: Rates): number {
  return signals + reports;
}

/**
 * Streams opened in the fullest second after a restart of Sensor without a gap: N ÷ W for waits drawn evenly from 0 to
 * W seconds. It fluctuates by its square root, and the fullest of W seconds lies about `√(2 ln W)` deviations above.
 */
export function fullestSecondOfStreams(nodes: number, wait: number): number {
  const mean = nodes / wait;
  return mean + Math.sqrt(2 * Math.log(wait) * mean * (1 - 1 / wait));
}

/**
 * Connections made in the first second: a node connects with the earlier one of its two streams, so that
 * N · (1 − (1 − 1/W)²) come in the first of W seconds, fewer in each later one.
 */
export function fullestSecondOfConnections(nodes: number, wait: number): number {
  return nodes * (1 - (1 - 1 / wait) ** 2);
}

/** How far a prediction lies off, as a part of the truth; 0.01 is 1 % too much. */
export function errorOf(predicted: number, actual: number): number {
  return predicted / actual - 1;
}
