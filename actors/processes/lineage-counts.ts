import type { ProcessSignal } from './signal.js';

/** Sums over the lineages of all signals, for averages. */
export class LineageCounts {
  /** Signals; their ancestors, and the squares of how many each has. */
  signals = 0;
  ancestors = 0;
  squares = 0;
  /** Bytes of the ancestors' paths; and the squares of how many each signal has. */
  bytes = 0;
  byteSquares = 0;

  add(signals: readonly ProcessSignal[]): void {
    for (const { lineage } of signals) {
      let bytes = 0;
      for (const { path } of lineage) bytes += Buffer.byteLength(path);
      this.signals++;
      this.ancestors += lineage.length;
      this.squares += lineage.length ** 2;
      this.bytes += bytes;
      this.byteSquares += bytes ** 2;
    }
  }
}
