import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Addon, Driver } from '../../actors/capture/driver.js';
import { readSettings } from '../../actors/settings/read.js';
import { asFailure } from '../../actors/telemetry/failures.js';
import type { RunContext } from '../../actors/wiring/context.js';
import { loadModule } from '../../actors/wiring/load-module.js';
import { recordingLog } from '../drivers/support.js';
import { host } from '../support/host-facts.js';

function probeError(operation: string, errno: string, log = ''): Error {
  return Object.assign(new Error(errno), { operation, subject: 'version', errno, log });
}

describe('Loading a kernel module', () => {
  let folder: string;
  let file: string;
  let calls: string[];
  let log: ReturnType<typeof recordingLog>;
  /** What the constructors of the add-on throw. */
  let refused: { module?: Error; probe?: Error };

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-load-'));
    file = path.join(folder, 'collector.ko');
    writeFileSync(file, 'parm=layout:version\0vermagic=6.1.0-18-amd64 SMP \0');
    calls = [];
    log = recordingLog();
    refused = {};
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A class of the add-on that notes its making and its end. */
  function driver(name: 'module' | 'probe') {
    return class {
      constructor() {
        calls.push(`open ${name}`);
        const error = refused[name];
        if (error !== undefined) throw error;
      }
      object = () => ({ oldestKernel: '5.12', refusal: undefined });
      close = () => calls.push(`close ${name}`);
    };
  }

  function addon(): Addon {
    return {
      Module: driver('module'),
      Probe: driver('probe'),
      insertModule: () => calls.push('insert'),
      removeModule: (name: string) => calls.push(`remove ${name}`),
      possibleCpus: 4,
    } as unknown as Addon;
  }

  async function load(facts = host()) {
    const { settings } = readSettings([], { COLLECTION_METHOD: 'kernel_module' });
    const context = { settings, log: log.log } as RunContext;
    return loadModule(addon(), facts, { path: file }, context, new AbortController().signal);
  }

  it('inserts and opens it, and takes it out of the kernel once', async () => {
    const { driver: loaded, probe, unload } = await load(host({ btf: false }));
    assert.equal(probe, undefined);
    assert.ok(loaded satisfies Driver);
    assert.deepEqual(calls, ['insert', 'open module']);
    await unload();
    await unload();
    assert.deepEqual(calls.slice(2), ['close module', 'remove collector', 'close module']);
    assert.ok(
      log.lines.includes('INFO Loaded kernel_module: 4 ring buffer(s) of 8192 KiB, scope containers'),
    );
  });

  it('says that core_bpf is the better choice, where the kernel takes its programs', async () => {
    await load();
    assert.deepEqual(calls.slice(0, 3), ['open probe', 'close probe', 'insert']);
    assert.match(log.lines.join('\n'), /^WARNING core_bpf would do on this node, and is the better choice/m);
  });

  it('says why core_bpf would not do', async () => {
    await load(host({ btf: false }));
    assert.match(log.lines.join('\n'), /^INFO core_bpf would not do on this node: .*\(BTF\)/m);
    log.lines.length = 0;
    refused.probe = probeError('load', 'EPERM');
    await load();
    assert.match(log.lines.join('\n'), /^INFO core_bpf would not do on this node: The kernel refused/m);
  });

  it('refuses a module of another version before it is hooked, and removes it', async () => {
    refused.module = probeError('module', 'ENOEXEC', 'its records have layout 4');
    const failure = asFailure(await load().catch((error: unknown) => error));
    assert.equal(failure.code, 'MODULE_MISMATCH');
    assert.match(failure.message, /collector\.ko cannot be used: its records have layout 4\./);
    assert.deepEqual(calls.slice(-3), ['insert', 'open module', 'remove collector']);
  });

  it('asks the kernel for nothing without the capability to open the module', async () => {
    const facts = host({ capabilities: new Set(['CAP_SYS_MODULE']), euid: 1000 });
    const failure = asFailure(await load(facts).catch((error: unknown) => error));
    assert.equal(failure.code, 'NOT_ROOT_OR_CAPABILITY');
    assert.deepEqual(calls, []);
  });
});
