import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { cgroupRoot } from '../../actors/capture/cgroup-root.js';
import { loadAddon, type Addon, type Probe } from '../../native/index.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';

const addonPath = path.resolve(import.meta.dirname, '../../dist/collector.node');

/** Ids of the BPF links of this process, those to cgroups alone. */
function cgroupLinks(): string[] {
  return readdirSync('/proc/self/fd')
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('bpf_link');
      } catch {
        return false; // closed meanwhile
      }
    })
    .map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))
    .filter((text) => /^link_type:\s+cgroup$/m.test(text))
    .map((text) => /^link_id:\s+(\d+)$/m.exec(text)![1]!);
}

function detach(id: string): void {
  execFileSync('bpftool', ['link', 'detach', 'id', id]);
}

describe('the links of the probe', function () {
  this.timeout(60_000);
  let addon: Addon;
  let probe: Probe;

  before(function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    requires(this, cgroupRoot('') !== undefined, 'no root of a cgroup2 hierarchy');
    addon = loadAddon(addonPath);
  });
  beforeEach(() => {
    probe = new addon.Probe({
      ...plainProbe,
      rings: 1,
      ringBytes: 65_536,
      cpusPerRing: addon.possibleCpus,
      allScopes: false,
      loopback: false,
      cgroupV1: true,
      cgroupRoot: cgroupRoot('')!,
      udpWindow: 1000,
    });
    probe.attach();
  });
  afterEach(() => probe.close());

  it('are as they were made while nobody touches them', () => {
    assert.ok(cgroupLinks().length >= 7);
    assert.deepEqual(probe.restoreLinks(), []);
  });

  it('are made anew when somebody detached them, each reported once', () => {
    const before = cgroupLinks();
    before.forEach(detach);
    const lost = probe.restoreLinks();
    assert.equal(lost.length, before.length);
    assert.ok(lost.every(({ errno }) => errno === undefined));
    assert.equal(new Set(lost.map(({ program }) => program)).size, before.length);
    assert.equal(cgroupLinks().length, before.length);
    assert.deepEqual(probe.restoreLinks(), []);
    detach(cgroupLinks()[0]!);
    assert.equal(probe.restoreLinks().length, 1);
  });

  it('stay away once the probe has let go of them itself', () => {
    probe.detach();
    assert.deepEqual(probe.restoreLinks(), []);
    assert.deepEqual(cgroupLinks(), []);
  });
});
