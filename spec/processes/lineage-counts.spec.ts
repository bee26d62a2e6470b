import assert from 'node:assert/strict';
import { LineageCounts } from '../../actors/processes/lineage-counts.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';

function signal(...paths: string[]): ProcessSignal {
  return { lineage: paths.map((path) => ({ uid: 0, path })) } as unknown as ProcessSignal;
}

describe('The counts of lineages', () => {
  it('are sums over signals: of ancestors, of bytes of their paths, and of the squares of both', () => {
    const counts = new LineageCounts();
    counts.add([signal('/bin/sh', '/ä'), signal()]);
    counts.add([signal('/a')]);
    assert.deepEqual(structuredClone(counts), {
      signals: 3,
      ancestors: 3,
      squares: 5,
      bytes: 12,
      byteSquares: 104,
    });
  });
});
