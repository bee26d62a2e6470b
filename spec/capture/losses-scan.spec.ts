import assert from 'node:assert/strict';
import { captureFacts, type CaptureOptions, type Listener } from '../../actors/capture/actor.js';
import type { Driver, Probe } from '../../actors/capture/driver.js';
import type { Fact } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { Slices } from '../../actors/capture/slices.js';
import type { ProgramStats } from '../../native/index.js';
import { NEVER } from 'rxjs';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { stateSettings } from '../support/facts.js';
import { batch } from '../support/records.js';

const idle: ProgramStats = {
  program: 'process_exec',
  events: 0,
  lost: 0,
  skipped: 0,
  failed: 0,
  missed: 0,
  runs: 0,
  runNs: 0,
};

// eslint-disable-next-line require-yield -- as a scan without a pause
function* nothing(): Generator<undefined, Records> {
  return batch();
}

/** The facts of a run that ends at once: of its start, and of its one tick, by which the kernel has counted `stats`. */
function run(stats: Partial<ProgramStats>, options: Partial<CaptureOptions> = {}): string[] {
  const told: string[] = [];
  const probe: Partial<Probe> = {
    start: () => undefined,
    drain: () => 0,
    detach: () => undefined,
    restoreLinks: () => [],
    close: () => undefined,
    stats: () => [{ ...idle, ...stats }],
  };
  const driver: Partial<Driver> = {
    clock: () => ({ time: 1, epoch: 0 }),
    watchClock: () => () => undefined,
  };
  const stop = new AbortController();
  captureFacts(
    driver as Driver,
    probe as Probe,
    {
      settings: stateSettings(),
      scanner: { scan: () => nothing() },
      slices: new Slices(),
      scrape: 'every tick',
      onLinks: () => undefined,
      onShortage: () => false,
      deadline: new Deadline(10_000),
      onCut: () => undefined,
      onStats: ([row]) => told.push(`stats ${row!.lost}`),
      ...options,
    },
    stop.signal,
  ).subscribe((fact: Fact) =>
    told.push(fact.kind === 'scan' ? `${fact.of} for ${fact.audience}` : fact.kind),
  );
  stop.abort();
  return told;
}

describe('a live run that has lost records', () => {
  const start = ['start', 'processes for same', 'sockets for same'];

  it('looks for processes once when nothing was lost', () => {
    assert.deepEqual(run({ events: 9, skipped: 9 }), [...start, 'sockets for same', 'stats 0', 'tick']);
  });

  for (const cause of ['lost', 'failed', 'missed'] as const) {
    it(`looks for them again, before it looks who listens, when records were ${cause}`, () => {
      const facts = run({ [cause]: 1 });
      assert.deepEqual(facts.slice(0, 5), [...start, 'processes for same', 'sockets for same']);
      assert.equal(facts.length, 7);
    });
  }

  it('takes nothing for told that it finds again while nobody listens', () => {
    const listener: Listener = {
      audience: () => 'none',
      processAudience: () => 'none',
      newcomers: NEVER,
      hasRoom: () => true,
      room: NEVER,
      control: NEVER,
    };
    assert.equal(run({ lost: 1 }, { listener })[3], 'processes for none');
  });
});
