import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { NEVER, type Subscription } from 'rxjs';
import { captureFacts, type CaptureOptions, type FactAudience } from '../../actors/capture/actor.js';
import type { Addon, Probe } from '../../actors/capture/driver.js';
import type { Fact } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { Slices, type Sliced } from '../../actors/capture/slices.js';
import type { ProgramStats } from '../../native/index.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { eventually } from '../support/eventually.js';
import { stateSettings } from '../support/facts.js';
import { batch } from '../support/records.js';

const idle: ProgramStats = {
  program: 'process_exec',
  events: 0,
  lost: 0,
  skipped: 0,
  failed: 0,
  overShare: 0,
  container: 0,
  missed: 0,
  runs: 0,
  runNs: 0,
};

// eslint-disable-next-line require-yield -- as a scan without a pause
function* noSockets(): Sliced<Records> {
  return batch();
}

describe('a live run that has lost records', () => {
  let run: Subscription | undefined;
  afterEach(() => run?.unsubscribe());

  /** The scans and ticks of a run up to its second tick, by which the kernel has counted `stats`. */
  async function scans(
    stats: Partial<ProgramStats>,
    options: Partial<CaptureOptions> = {},
  ): Promise<string[]> {
    const told: string[] = [];
    let counted: Partial<ProgramStats> = {};
    const probe: Partial<Probe> = {
      start: () => undefined,
      watchClock: () => undefined,
      drain: () => 0,
      hold: () => undefined,
      detach: () => undefined,
      restoreLinks: () => [],
      close: () => undefined,
      stats: () => [{ ...idle, ...counted }],
    };
    const driver: Partial<Addon> = {
      clock: () => ({ time: 1, epoch: 0 }),
    };
    run = captureFacts(
      driver as Addon,
      probe as Probe,
      {
        settings: stateSettings({ scrapeInterval: 0.1 }),
        scanner: {
          sockets: () => noSockets(),
          async *processes() {
            yield batch();
            await delay(1);
          },
        },
        slices: new Slices(),
        scrape: 'every tick',
        onStats: () => undefined,
        onLinks: () => undefined,
        deadline: new Deadline(10_000),
        onCut: () => undefined,
        onShortage: () => false,
        ...options,
      },
      new AbortController().signal,
    ).subscribe((fact: Fact) => {
      if (fact.kind === 'tick') counted = stats;
      if (fact.kind === 'scan' && fact.of === 'processes' && fact.part === 'next') return;
      if (fact.kind === 'scan') told.push(`${fact.of} ${fact.part ?? 'whole'} for ${fact.audience}`);
      if (fact.kind === 'tick') told.push('tick');
    });
    await eventually(() => told.filter((one) => one === 'tick').length === 2, 'two ticks');
    return told;
  }

  const processes = (audience = 'same') => [
    `processes first for ${audience}`,
    `processes last for ${audience}`,
  ];
  const sockets = 'sockets whole for same';

  it('looks for processes once when nothing was lost', async () => {
    const start = [...processes(), sockets];
    assert.deepEqual(await scans({ events: 9, skipped: 9 }), [...start, sockets, 'tick', sockets, 'tick']);
  });

  for (const cause of ['lost', 'failed', 'missed'] as const) {
    it(`looks for them again, before it looks who listens, when records were ${cause}`, async () => {
      const start = [...processes(), sockets];
      assert.deepEqual(await scans({ [cause]: 1 }), [
        ...start,
        sockets,
        'tick',
        ...processes(),
        sockets,
        'tick',
      ]);
    });
  }

  it('takes nothing for told that it finds again while nobody listens', async () => {
    const factAudience: FactAudience = {
      audience: () => 'none',
      processAudience: () => 'none',
      newcomers: NEVER,
      hasRoom: () => true,
      room: NEVER,
      control: NEVER,
    };
    const found = (await scans({ lost: 1 }, { factAudience })).filter((one) => one.startsWith('processes'));
    assert.deepEqual(found, [...processes('none'), ...processes('none')]);
  });
});
