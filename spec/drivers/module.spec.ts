import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Lockdown } from '../../actors/capture/host.js';
import type { InsertedModule, ModuleKernel } from '../../actors/drivers/inserted-modules.js';
import {
  insertModule,
  removeModule,
  type InsertOptions,
  type ModuleHost,
} from '../../actors/drivers/module.js';
import { asFailure, type Failure } from '../../actors/telemetry/failures.js';
import { recordingLog } from './support.js';

const RELEASE = '6.1.0-18-amd64';
const host: ModuleHost = {
  release: RELEASE,
  lockdown: 'none',
  capabilities: new Set(['CAP_SYS_MODULE', 'CAP_SYS_ADMIN']),
  euid: 0,
};

function kernelError(errno: string): Error {
  return Object.assign(new Error(errno), { errno });
}

/** A kernel with at most one module, and what was asked of it. */
class KernelDouble implements ModuleKernel {
  present: InsertedModule | undefined;
  /** Another process has the module open. */
  user: string | undefined;
  /** The kernel's answer to the next insertions, instead of success. */
  refusal: string | undefined;
  readonly calls: string[] = [];

  insert(file: string): void {
    this.calls.push(`insert ${path.basename(file)}`);
    if (this.refusal !== undefined) throw kernelError(this.refusal);
    if (this.present !== undefined) throw kernelError('EEXIST');
    this.present = { isOurs: true, version: '1' };
  }

  remove(name: string): void {
    this.calls.push(`remove ${name}`);
    if (this.present === undefined) throw kernelError('ENOENT');
    if (this.user !== undefined) throw kernelError('EAGAIN');
    this.present = undefined;
  }

  find(): InsertedModule | undefined {
    return this.present;
  }

  holder(): string | undefined {
    return this.user;
  }
}

describe('inserting a kernel module', () => {
  let folder: string;
  let file: string;
  let kernel: KernelDouble;
  let stop: AbortController;
  let log: ReturnType<typeof recordingLog>;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-module-'));
    file = moduleFile(RELEASE);
    kernel = new KernelDouble();
    stop = new AbortController();
    log = recordingLog();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A file with the words of a module. @param more entries, here that of Collector's own */
  function moduleFile(release: string, more = 'parm=layout:version\0'): string {
    const made = path.join(folder, 'collector.ko');
    writeFileSync(made, `\x7fELF…\0vermagic=${release} SMP preempt mod_unload modversions \0${more}…`);
    return made;
  }

  async function insert(open: () => unknown = () => 'the module', options: Partial<InsertOptions> = {}) {
    return insertModule(file, kernel, open, {
      log: log.log,
      signal: stop.signal,
      host,
      pause: 1,
      patience: 5,
      ...options,
    });
  }

  async function failureOf(inserting: Promise<unknown>): Promise<Failure> {
    try {
      await inserting;
    } catch (error) {
      return asFailure(error);
    }
    throw new Error('nothing was refused');
  }

  async function refused(errno: string, facts: Partial<ModuleHost> = {}): Promise<Failure> {
    kernel.refusal = errno;
    return failureOf(insert(undefined, { host: { ...host, ...facts } }));
  }

  it('hands the file to the kernel, says so before, and opens the module', async () => {
    const first = `INFO Inserting kernel module ${file} with indefinite removal and retry if required.`;
    kernel.insert = () => assert.deepEqual(log.lines, [first]);
    assert.equal(await insert(), 'the module');
    assert.deepEqual(log.lines, [first]);
  });

  it('that is refused is told in the lines that people search for', async () => {
    await refused('EPERM');
    assert.deepEqual(log.lines.slice(1), [
      `ERROR Error inserting kernel module: ${file}: Operation not permitted. Aborting...`,
      'ERROR Failed to insert kernel module',
      'ERROR Failed to setup Kernel module',
    ]);
  });

  const answers: readonly (readonly [string, string, RegExp, RegExp])[] = [
    ['ENOSYS', 'Function not implemented', /built without loadable modules/, /Boot the node/],
    ['EPERM', 'Operation not permitted', /although CAP_SYS_MODULE is there/, /seccomp/],
    ['EINVAL', 'Invalid argument', /other headers \(6\.1\.0-18-amd64\)/, /npm run drivers/],
    ['ENOENT', 'No such file or directory', /needs something .* does not have/, /dmesg/],
    ['EKEYREJECTED', 'Key was rejected by service', /signed modules only \(Secure Boot/, /mokutil/],
    ['ENOKEY', 'Required key not available', /signed modules only \(Secure Boot/, /mokutil/],
    ['EBADMSG', 'Bad message', /signature is damaged/, /Sign it anew/],
    ['EDEADLK', 'EDEADLK', /EDEADLK\.$/, /dmesg/],
  ];
  for (const [errno, message, cause, remedy] of answers) {
    it(`says the cause of ${errno}, and what to do about it`, async () => {
      const failure = await refused(errno);
      assert.ok(
        log.lines.some((line) => line.endsWith(`${file}: ${message}. Aborting...`)),
        log.lines.join('\n'),
      );
      assert.equal(failure.code, 'MODULE_REFUSED');
      assert.ok(failure.message.includes(`${file}: ${errno}`));
      assert.match(failure.message, cause);
      assert.match(failure.remedy, remedy);
      assert.match(failure.remedy, /COLLECTION_METHOD=core_bpf needs no kernel module/);
      assert.equal(kernel.present, undefined);
    });
  }

  it('for another kernel names both kernels', async () => {
    file = moduleFile('5.10.0-28-amd64');
    const { message, remedy } = await refused('ENOEXEC');
    assert.match(message, /built for the kernel 5\.10\.0-28-amd64, and this one is 6\.1\.0-18-amd64\.$/);
    assert.match(remedy, /Build it for 6\.1\.0-18-amd64/);
  });

  it('that is none says so', async () => {
    writeFileSync(file, 'a page that says: not found');
    assert.match((await refused('ENOEXEC')).message, /it is no kernel module, or a damaged one\.$/);
  });

  it('without CAP_SYS_MODULE names the capability', async () => {
    const { code, message } = await refused('EPERM', {
      capabilities: new Set(['CAP_SYS_ADMIN']),
      euid: 1000,
    });
    assert.equal(code, 'NOT_ROOT_OR_CAPABILITY');
    assert.match(message, /user 1000 without CAP_SYS_MODULE\.$/);
  });

  it('puts a refusal down to lockdown where the kernel is in it', async () => {
    for (const lockdown of ['integrity', 'confidentiality'] as const satisfies readonly Lockdown[]) {
      const failure = await refused('EPERM', { lockdown });
      assert.match(failure.message, new RegExp(`lockdown=${lockdown}, and takes signed modules only`));
      assert.match(failure.remedy, /Sign it/);
    }
    assert.doesNotMatch((await refused('ENOEXEC', { lockdown: 'integrity' })).message, /lockdown/);
  });

  it('passes on what is no answer of the kernel', async () => {
    const bug = new TypeError('no add-on');
    kernel.insert = () => {
      throw bug;
    };
    await assert.rejects(insert(), (error) => error === bug);
  });

  it('of somebody else is refused before the kernel gets it', async () => {
    file = moduleFile(RELEASE, 'parm=max_consumers:most\0');
    const { code, message } = await failureOf(insert());
    assert.equal(code, 'MODULE_MISMATCH');
    assert.match(message, /is not one of this Collector's modules/);
    assert.deepEqual(kernel.calls, []);
  });

  it('replaces one that a killed Collector has left', async () => {
    kernel.present = { isOurs: true, version: '1' };
    assert.equal(await insert(), 'the module');
    assert.deepEqual(kernel.calls, ['insert collector.ko', 'remove collector', 'insert collector.ko']);
    assert.deepEqual(log.lines.slice(1), [
      'INFO Removed the kernel module collector that an earlier Collector has left.',
    ]);
  });

  it('waits for one in use, says once by whom, and replaces it then', async () => {
    kernel.present = { isOurs: true, version: '1' };
    kernel.user = 'node (pid 4711)';
    const inserting = insert();
    setTimeout(() => (kernel.user = undefined), 30);
    assert.equal(await inserting, 'the module');
    assert.ok(kernel.calls.length > 5, 'it tried again and again');
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith('WARNING')),
      [
        'WARNING The kernel module of Collector is in use by node (pid 4711): waiting for its end, 5 s at most',
      ],
    );
  });

  it('gives up on one that stays in use, with who has it', async () => {
    kernel.present = { isOurs: true, version: '1' };
    kernel.user = 'node (pid 4711)';
    const { code, message } = await failureOf(insert(undefined, { patience: 0.02 }));
    assert.equal(code, 'MODULE_IN_USE');
    assert.match(message, /in use by node \(pid 4711\)/);
    assert.ok(log.lines.includes('ERROR Failed to insert kernel module'));
    assert.notEqual(kernel.present, undefined, 'it is not ours to remove');
  });

  it('ends its wait when it is stopped, and leaves nothing', async () => {
    kernel.present = { isOurs: true, version: '1' };
    kernel.user = 'node (pid 4711)';
    const inserting = insert();
    stop.abort();
    await assert.rejects(inserting, { name: 'AbortError' });
    kernel.user = undefined;
    assert.equal(kernel.calls.filter((call) => call.startsWith('insert')).length, 1);
  });

  it('refuses to take the place of a foreign one, by its name and version', async () => {
    kernel.present = { isOurs: false, version: '2.2.0' };
    const { code, message } = await failureOf(insert());
    assert.equal(code, 'MODULE_NAME_TAKEN');
    assert.match(message, /named collector \(version 2\.2\.0\)/);
    assert.ok(log.lines.some((line) => line.endsWith('File exists. Aborting...')));
    assert.deepEqual(kernel.calls, ['insert collector.ko']);
  });

  it('that cannot be opened is removed again', async () => {
    const error = kernelError('ENOEXEC');
    const opening = insert(() => {
      throw error;
    });
    await assert.rejects(opening, (thrown) => thrown === error);
    assert.equal(kernel.present, undefined);
    assert.ok(log.lines.includes('ERROR Failed to setup Kernel module'));
  });

  it('that another Collector opens first stays, and is waited for', async () => {
    let attempts = 0;
    const opened = await insert(() => {
      if (++attempts > 1) return 'at last';
      kernel.user = 'node (pid 4711)';
      setTimeout(() => (kernel.user = undefined), 20);
      throw kernelError('EBUSY');
    });
    assert.equal(opened, 'at last');
    assert.equal(kernel.calls[1], 'insert collector.ko', 'the opened one is not removed at once');
  });

  it('inserts anew what another Collector has removed in between', async () => {
    let attempts = 0;
    const opened = await insert(() => {
      if (++attempts > 1) return 'at last';
      kernel.present = undefined;
      throw kernelError('ENOENT');
    });
    assert.equal(opened, 'at last');
  });

  describe('and removing it at the end', () => {
    it('says so', async () => {
      kernel.present = { isOurs: true, version: '1' };
      await removeModule(kernel, log.log);
      assert.deepEqual(log.lines, ['INFO Removed the kernel module collector.']);
      assert.equal(kernel.present, undefined);
    });

    it('tries again while something holds it', async () => {
      kernel.present = { isOurs: true, version: '1' };
      kernel.user = 'node (pid 1)';
      setTimeout(() => (kernel.user = undefined), 40);
      await removeModule(kernel, log.log);
      assert.equal(kernel.present, undefined);
    });

    it('leaves it to a Collector that has taken it over, and says so', async () => {
      kernel.present = { isOurs: true, version: '1' };
      kernel.user = 'node (pid 4711)';
      await removeModule(kernel, log.log);
      assert.match(log.lines.join(), /^WARNING .*stays in the kernel.*EAGAIN, in use by node \(pid 4711\)/);
    });

    it('says nothing if somebody else has removed it', async () => {
      await removeModule(kernel, log.log);
      assert.deepEqual(log.lines, []);
    });
  });
});
