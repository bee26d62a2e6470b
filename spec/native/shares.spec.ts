import assert from 'node:assert/strict';
import path from 'node:path';
import { RecordType } from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';
import { containerNumber } from '../../actors/containers/id.js';
import { loadAddon, type Addon, type Probe } from '../../native/index.js';
import { Container } from '../support/container.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const addonPath = path.resolve(import.meta.dirname, '../../dist/collector.node');
const RING_BYTES = 256 * 1024;
/** Far more than the rings take, of some 200 bytes each. */
const EXECS = 8000;
const FEW = 40;

describe('a ring that a container floods while nobody reads', function () {
  this.timeout(60_000);
  const keep = resources();
  let addon: Addon;
  let greedy: Container;
  let other: Container;
  let probe: Probe | undefined;

  before(async function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    addon = loadAddon(addonPath);
    [greedy, other] = [await keep(Container.create()), await keep(Container.create())];
    probe = new addon.Probe({
      ...plainProbe,
      rings: addon.possibleCpus,
      cpusPerRing: 1,
      ringBytes: RING_BYTES,
      allScopes: false,
      loopback: false,
      cgroupV1: true,
    });
    probe.attach();
  });
  after(() => probe?.close());

  const execs = () => probe!.stats().find(({ program }) => program === 'process_exec')!;

  it('has room for what others do, and counts what that one was refused', async () => {
    await greedy.run('execs', String(EXECS));
    const flooded = execs();
    assert.ok(flooded.overShare > 0, JSON.stringify(flooded));
    assert.equal(flooded.lost, 0, 'no ring is full');
    assert.equal(flooded.container, containerNumber(greedy.shortId));
    await other.run('execs', String(FEW));
    const { overShare, lost } = execs();
    assert.deepEqual([overShare, lost], [flooded.overShare, 0]);

    const told = new Map<number, number>();
    const buffer = new Uint8Array(64 * 1024);
    probe!.start(
      buffer,
      (length) => {
        const records = new Records(buffer.slice(0, length));
        for (let at = 0; at < records.length; at += records.size(at))
          if (records.type(at) === RecordType.exec)
            told.set(records.container(at), (told.get(records.container(at)) ?? 0) + 1);
      },
      (error) => assert.fail(error),
    );
    probe!.drain();
    assert.ok(told.get(containerNumber(other.shortId))! >= FEW, String([...told]));
    assert.ok(told.get(containerNumber(greedy.shortId))! < EXECS);
  });

  it('takes all of anybody again once it was read', async () => {
    const before = execs();
    await greedy.run('execs', String(FEW));
    const { overShare, events } = execs();
    assert.equal(overShare, before.overShare);
    assert.ok(events >= before.events + FEW);
  });
});
