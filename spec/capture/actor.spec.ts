import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { NEVER, Subject, type Subscription } from 'rxjs';
import { captureFacts, type CaptureOptions } from '../../actors/capture/actor.js';
import type { Addon, Probe } from '../../actors/capture/driver.js';
import type { Fact } from '../../actors/capture/facts.js';
import type { Records } from '../../actors/capture/records.js';
import { Slices, type Sliced } from '../../actors/capture/slices.js';
import type { RuntimeConfig } from '../../actors/settings/runtime-config.js';
import { Deadline } from '../../actors/telemetry/deadline.js';
import { stateSettings } from '../support/facts.js';
import { batch, socketRecord } from '../support/records.js';

const SLICES = 20;
const SOCKETS = [1, 2, 3].map((cookie) => batch(socketRecord({ type: 'socket', cookie })));

describe('The facts of a run', () => {
  /** What happened, in words, in its order. */
  let said: string[];
  let slices: Slices;
  let stop: AbortController;
  let config: Subject<RuntimeConfig>;
  let newcomers: Subject<void>;
  let setClock: (time: number, epoch: number) => void;
  let run: Subscription | undefined;
  /** CLOCK_BOOTTIME, ns. */
  let time = 1;

  beforeEach(() => {
    said = [];
    time = 1;
    slices = new Slices();
    stop = new AbortController();
    config = new Subject();
    newcomers = new Subject();
  });
  afterEach(() => run?.unsubscribe());

  const probe = {
    start: () => undefined,
    drain: () => said.push('drain'),
    hold: (on: boolean) => said.push(on ? 'hold' : 'let go'),
    stats: () => [],
    detach: () => said.push('detach'),
    restoreLinks: () => [],
    discard: () => 7,
    close: () => said.push('close'),
    watchClock: (onSet: typeof setClock) => (setClock = onSet),
  } as unknown as Probe;
  const driver = {
    clock: () => ({ time, epoch: said.length }),
  } as unknown as Addon;

  function* scan(parts: readonly Records[]): Sliced<Records, Records> {
    for (const part of parts.slice(0, -1)) {
      yield part;
      yield undefined;
    }
    return parts.at(-1)!;
  }

  async function* processes(): AsyncGenerator<Records> {
    yield batch();
    await turn();
  }

  /** What was said, without scans of processes, which come between everything else. */
  const others = () => said.filter((one) => one !== 'drain' && !one.startsWith('scan processes'));

  function* endlessScan(): Sliced<Records, Records> {
    for (;;) yield undefined;
  }

  /** Starts a run whose ticks take so many slices. */
  function capture({
    scrapeInterval = 1000,
    ...options
  }: Partial<CaptureOptions> & { scrapeInterval?: number } = {}) {
    const facts = captureFacts(
      driver,
      probe,
      {
        settings: stateSettings({ scrapeInterval }),
        scanner: { sockets: () => scan(SOCKETS), processes: () => processes() },
        scrape: 'never',
        onLinks: () => undefined,
        onShortage: () => false,
        deadline: new Deadline(10_000),
        onCut: (unread) => said.push(`cut ${unread}`),
        onStats: () => undefined,
        slices,
        factAudience: {
          audience: () => 'same',
          processAudience: () => 'same',
          newcomers,
          hasRoom: () => true,
          room: NEVER,
          control: new Subject(),
        },
        config,
        ...options,
      },
      stop.signal,
    );
    run = facts.subscribe({ next: note, complete: () => said.push('complete') });
  }

  function note(fact: Fact): void {
    said.push(fact.kind === 'scan' ? `scan ${fact.of} ${fact.part ?? 'whole'}` : fact.kind);
    if (fact.kind === 'tick') slices.add(ticking());
  }

  function* ticking(): Sliced<void> {
    for (let slice = 1; slice < SLICES; slice++) {
      said.push('slice');
      yield;
    }
    said.push('ticked');
  }

  async function turns(enough: () => boolean): Promise<number> {
    let count = 0;
    for (; !enough(); count++) {
      assert.ok(count < 1000, said.join());
      await turn();
    }
    return count;
  }

  it('wait while a tick is under way, and the event loop does not', async () => {
    capture();
    stop.abort();
    config.next({ externalIps: 'both', maxConnectionsPerMinute: 1 });
    const count = await turns(() => said.includes('complete'));
    assert.ok(count >= SLICES - 2, `${count} turns for ${SLICES} slices`);
    const start = ['start', 'drain', 'scan processes first'];
    const tick = ['tick', 'slice', 'hold', ...Array<string>(SLICES - 2).fill('slice'), 'ticked'];
    assert.deepEqual(said, [...start, 'detach', 'drain', ...tick, 'complete', 'close']);
  });

  it('come in order when they come while a tick is under way, and nothing is delivered before they have', async () => {
    capture({ scrapeInterval: 0.01 });
    while (!said.includes('hold')) await turn();
    config.next({ externalIps: 'both', maxConnectionsPerMinute: 1 });
    newcomers.next();
    assert.ok(!said.includes('config'));
    await turns(() => said.includes('let go'));
    const after = said.slice(said.indexOf('ticked') + 1, said.indexOf('let go'));
    assert.deepEqual(after.slice(0, 3), ['config', 'drain', 'scan processes first']);
  });

  it('end with a tick of their own when the stop comes in the middle of one', async () => {
    capture({ scrapeInterval: 0.01 });
    while (!said.includes('hold')) await turn();
    stop.abort();
    await turns(() => said.includes('complete'));
    assert.ok(said.filter((one) => one === 'ticked').length >= 2);
    assert.deepEqual(said.slice(-3), ['ticked', 'complete', 'close']);
  });

  it('have the new time of a clock that was set', () => {
    capture();
    setClock(1, 0);
    assert.equal(said.at(-1), 'clock');
  });

  it('are cut when the last of them take too long, and what was not read is counted', async () => {
    const endless = { sockets: () => endlessScan(), processes: () => processes() };
    capture({ scrape: 'every tick', scanner: endless, deadline: new Deadline(20) });
    await turn();
    stop.abort();
    const end = performance.now() + 5000;
    while (!said.includes('complete')) {
      assert.ok(performance.now() < end, said.join());
      await turn();
    }
    assert.deepEqual(said.slice(-3), ['cut 7', 'complete', 'close']);
  });

  it('go on without a scan of sockets that takes too long, and say so once it is given up', async () => {
    const endless = { sockets: () => endlessScan(), processes: () => processes() };
    capture({ scrape: 'at start', scanner: endless, onLongScan: () => said.push('too long') });
    await turns(() => said.includes('hold'));
    config.next({ externalIps: 'both', maxConnectionsPerMinute: 1 });
    await turn();
    assert.ok(!said.includes('config'), said.join());
    time += 6e9;
    await turns(() => said.includes('config'));
    assert.deepEqual(others(), ['start', 'hold', 'too long', 'config', 'let go']);
  });

  it('list many sockets in parts, with turns between and nothing else', async () => {
    capture({ scrape: 'at start' });
    await turns(() => said.includes('scan sockets first'));
    config.next({ externalIps: 'both', maxConnectionsPerMinute: 1 });
    await turns(() => said.includes('let go'));
    const parts = ['scan sockets first', 'hold', 'scan sockets next', 'scan sockets last'];
    assert.deepEqual(others(), ['start', ...parts, 'config', 'let go']);
  });

  it('stop in the middle of a tick when nobody listens any more', async () => {
    capture();
    stop.abort();
    run?.unsubscribe();
    await turn();
    await turn();
    assert.equal(said.at(-1), 'close');
    assert.ok(!said.includes('ticked'));
  });
});
