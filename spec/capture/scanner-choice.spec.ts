import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ProcfsScanner, isHostProcfs, type ProcfsOptions } from '../../actors/capture/procfs/scanner.js';
import { ContainerNames } from '../../actors/containers/cgroup-path.js';
import { chooseScanner } from '../../actors/capture/scanner-choice.js';
import { scanned } from '../support/scanned.js';

const KTHREADD = '2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 24 0 0\n';
const SHELL = '2 (sh) S 1 0 0 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 24 0 0\n';

describe('The choice of how to scan', () => {
  let root: string;
  const told: string[] = [];
  const procfs: Omit<ProcfsOptions, 'folder'> = {
    allScopes: true,
    loopback: true,
    pending: false,
    udpListeners: false,
    arguments: true,
    names: new ContainerNames(),
    now: () => 1,
    onUnreadable: (message) => told.push(message),
  };
  const idle = { beginScan: () => undefined, readScan: () => 0 };
  const running = { ...idle, scan: () => new Uint8Array(0) };
  const refused = {
    ...idle,
    scan: () => {
      throw Object.assign(new Error('refused'), {
        operation: 'scan',
        subject: 'scan_sockets',
        errno: 'EPERM',
        log: '',
      });
    },
  };

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'collector-choice-'));
    told.length = 0;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function mount(second: string): void {
    mkdirSync(path.join(root, 'proc/2'), { recursive: true });
    writeFileSync(path.join(root, 'proc/2/stat'), second);
  }

  it('falls on iterators where they run and see all pids', () => {
    mount(KTHREADD);
    const { kind } = chooseScanner({ probe: running, hostPids: true, hostRoot: root, procfs });
    assert.equal(kind, 'iterators');
  });

  it("falls on the host's /proc with a kernel module", () => {
    mount(KTHREADD);
    for (const hostPids of [true, false]) {
      const choice = chooseScanner({ probe: undefined, hostPids, hostRoot: root, procfs });
      assert.equal(choice.kind, 'procfs');
      assert.match(choice.why, /proc: BPF iterators are no part of a kernel module\.$/);
      assert.ok(choice.scanner instanceof ProcfsScanner, 'there is nothing to list owned sockets by');
    }
  });

  it("falls on the host's /proc in a pid namespace, and says why", () => {
    mount(KTHREADD);
    const { kind, why } = chooseScanner({ probe: running, hostPids: false, hostRoot: root, procfs });
    assert.equal(kind, 'procfs');
    assert.equal(
      why,
      `Scans go through ${root}/proc: Collector runs in a pid namespace of its own, beyond which BPF iterators do not see.`,
    );
  });

  it("falls on the host's /proc where iterators are refused, and says by what", () => {
    mount(KTHREADD);
    const { kind, why } = chooseScanner({ probe: refused, hostPids: true, hostRoot: root, procfs });
    assert.equal(kind, 'procfs');
    assert.match(why, /BPF iterators do not run here \(scan_sockets: EPERM\)/);
  });

  it("does not take a pod's own /proc for the host's", () => {
    mount(SHELL);
    assert.equal(isHostProcfs(path.join(root, 'proc')), false);
    assert.equal(isHostProcfs(path.join(root, 'nothing')), false);
  });

  it('passes on what is no refusal', () => {
    const broken = {
      ...idle,
      scan: () => {
        throw new Error('a defect');
      },
    };
    assert.throws(() => chooseScanner({ probe: broken, hostPids: true, hostRoot: root, procfs }), /a defect/);
  });

  it('tells once of what is there and cannot be read', async () => {
    mount(KTHREADD);
    symlinkSync('1', path.join(root, 'proc/self'));
    mkdirSync(path.join(root, 'proc/7/cgroup'), { recursive: true });
    const scanner = new ProcfsScanner({ ...procfs, folder: path.join(root, 'proc') });
    assert.equal((await scanned(scanner, 'processes')).length, 0);
    await scanned(scanner, 'sockets');
    assert.equal(told.length, 1);
    assert.match(told[0]!, /^1 files? of processes can't be read.*proc\/7\/cgroup: EISDIR$/);
  });
});
