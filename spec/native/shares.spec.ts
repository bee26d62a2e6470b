import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RecordType } from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';
import { containerNumber } from '../../actors/containers/id.js';
import { loadAddon, type Probe, type ProgramStats } from '../../native/index.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const addonPath = path.resolve(import.meta.dirname, '../../dist/collector.node');
const RING_BYTES = 256 * 1024;
/** Far more than the rings take, of some 400 bytes each. */
const EXECS = 5000;
const FEW = 40;
/** Containers of somebody else on this machine take part in the rings too. */
const ATTEMPTS = 5;
/** Cgroups below its own in which a container makes up other ones. */
const MADE_UP = 40;

describe('a ring that a container floods while nobody reads', function () {
  this.timeout(120_000);
  const keep = resources();
  let greedy: Container;
  let other: Container;
  let probe: Probe | undefined;

  before(async function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    [greedy, other] = [await keep(Container.create()), await keep(Container.create())];
  });
  afterEach(() => probe?.close());

  function attach(): Probe {
    const addon = loadAddon(addonPath);
    const attached = new addon.Probe({
      ...plainProbe,
      rings: addon.possibleCpus,
      cpusPerRing: 1,
      ringBytes: RING_BYTES,
      allScopes: false,
      loopback: false,
      cgroupV1: true,
    });
    attached.attach();
    return attached;
  }

  /** All of the container's floods, each in another cgroup below its own, if it makes up some. */
  async function flood(madeUp: number): Promise<readonly string[]> {
    if (madeUp === 0) await greedy.run('execs', String(EXECS));
    const folder = path.dirname(greedy.procs);
    const ids = Array.from({ length: madeUp }, () => randomBytes(32).toString('hex'));
    try {
      for (const id of ids) {
        mkdirSync(path.join(folder, id));
        writeFileSync(path.join(folder, id, 'cgroup.procs'), String(greedy.pid));
        await greedy.run('execs', String(EXECS / madeUp));
      }
    } finally {
      writeFileSync(greedy.procs, String(greedy.pid));
      for (const id of ids) await eventually(() => isRemoved(path.join(folder, id)), 'a cgroup is removed');
    }
    return ids.map((id) => id.slice(0, 12));
  }

  for (const madeUp of [0, MADE_UP]) {
    const what = madeUp === 0 ? 'that one' : `one with ${madeUp} containers that it makes up`;
    it(`has room for what others do, counts what ${what} was refused, and takes all again once it was read`, async function () {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        probe?.close();
        probe = attach();
        const nested = await flood(madeUp);
        const flooded = execsOf(probe);
        await other.run('execs', String(FEW));
        const after = execsOf(probe);
        const told = read(probe);
        const own = containerNumber(greedy.shortId);
        const others = containerNumber(other.shortId);
        const floods = [own, ...nested.map(containerNumber)];
        if ([...told.keys()].some((container) => container !== others && !floods.includes(container)))
          continue;

        assert.ok(flooded.overShare > 0, JSON.stringify(flooded));
        assert.equal(flooded.container, own);
        assert.deepEqual([after.overShare, after.lost], [flooded.overShare, 0]);
        assert.ok(told.get(others)! >= FEW, String([...told]));
        const all = floods.reduce((sum, container) => sum + (told.get(container) ?? 0), 0);
        assert.ok(all < EXECS);
        await greedy.run('execs', String(FEW));
        assert.equal(execsOf(probe).overShare, after.overShare);
        assert.ok(execsOf(probe).events >= after.events + FEW);
        return;
      }
      requires(this, false, 'other containers start processes here all the time');
    });
  }
});

function isRemoved(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

function execsOf(probe: Probe): ProgramStats {
  return probe.stats().find(({ program }) => program === 'process_exec')!;
}

/** Takes all that is in the rings: the execs of each container. */
function read(probe: Probe): ReadonlyMap<number, number> {
  const told = new Map<number, number>();
  const buffer = new Uint8Array(64 * 1024);
  probe.start(
    buffer,
    (length) => {
      const records = new Records(buffer.slice(0, length));
      for (let at = 0; at < records.length; at += records.size(at)) {
        const container = records.container(at);
        const count = told.get(container) ?? 0;
        told.set(container, count + Number(records.type(at) === RecordType.exec));
      }
    },
    (error) => assert.fail(error),
  );
  probe.drain();
  return told;
}
