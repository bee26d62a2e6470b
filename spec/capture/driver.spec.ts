import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  attachPrograms,
  loadPrograms,
  openAddon,
  refusal,
  type KernelFacts,
  type Probe,
} from '../../actors/capture/driver.js';
import { RECORD_CAPACITY } from '../../actors/capture/layout.js';
import { asFailure, Failure } from '../../actors/telemetry/failures.js';
import { plainProbe, thisKernel } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';

const LOG = [
  "libbpf: prog 'socket_state': BPF program load failed: Permission denied",
  "libbpf: prog 'socket_state': -- BEGIN PROG LOAD LOG --",
  '-- BEGIN PROG LOAD LOG --',
  '12: (79) r1 = *(u64 *)(r7 +256)',
  "R7 invalid mem access 'scalar'",
  'processed 8762 insns (limit 1000000)',
  '-- END PROG LOAD LOG --',
  "libbpf: prog 'socket_state': failed to load: -13",
].join('\n');

interface Details {
  operation?: string;
  subject?: string;
  errno: string;
  log?: string;
}

/** What the add-on throws. */
function probeError(details: Details): Error {
  return Object.assign(new Error('refused'), { operation: 'load', subject: 'object', log: '', ...details });
}

const KERNEL: KernelFacts = { release: '6.1.0', lockdown: 'unknown', blockers: [] };

/** The same, as a failure of the catalogue. */
function failureOf(details: Details, facts: Partial<KernelFacts> = {}): Failure {
  const error = probeError(details);
  const failure = asFailure(refusal(error, { ...KERNEL, ...facts }));
  assert.equal(failure.cause, error);
  return failure;
}

describe('What the kernel refuses', () => {
  it('is told with the program, the errno and the last words of the verifier, without the rest of the log', () => {
    const failure = failureOf({ subject: 'socket_state', errno: 'EACCES', log: LOG });
    assert.equal(failure.code, 'LOAD_REFUSED');
    assert.equal(
      failure.message,
      "The kernel refused the BPF program socket_state: EACCES; the verifier's last words: " +
        "12: (79) r1 = *(u64 *)(r7 +256) | R7 invalid mem access 'scalar'",
    );
  });

  const codes = [
    [{ errno: 'ENOSYS' }, 'NO_BPF'],
    [{ operation: 'ring', errno: 'EPERM' }, 'NO_BPF'],
    [{ errno: 'EINVAL', log: 'invalid func unknown#191' }, 'KERNEL_LACKS'],
    [{ errno: 'EINVAL', log: '61: <invalid CO-RE relocation>' }, 'KERNEL_LACKS'],
    [{ errno: 'EINVAL', log: 'unknown func bpf_probe_read_kernel#113' }, 'LOCKDOWN'],
    [
      { errno: 'EINVAL', log: 'program of this type cannot use helper bpf_probe_read_kernel_str#115' },
      'LOCKDOWN',
    ],
    [{ errno: 'ESRCH', log: 'libbpf: failed to find valid kernel BTF' }, 'NO_BTF'],
    [{ errno: 'ESRCH', subject: 'object', log: '' }, 'NO_BTF'],
    [
      { errno: 'ESRCH', log: "failed to find kernel BTF type ID of 'sched_process_exec': -3" },
      'NO_KERNEL_FEATURE',
    ],
    [{ errno: 'EACCES', log: 'R2 unbounded memory access, make sure to bounds check' }, 'LOAD_REFUSED'],
    [{ errno: 'EPERM' }, 'LOAD_REFUSED'],
    [{ operation: 'attach', subject: 'process_exec', errno: 'ENOENT' }, 'LOAD_REFUSED'],
    [{ operation: 'open', subject: '/o', errno: 'ENOENT' }, 'OBJECT_FOREIGN'],
  ] as const;
  for (const [details, code] of codes) {
    it(`${JSON.stringify(details)} is ${code}`, () => assert.equal(failureOf(details).code, code));
  }

  const known = [
    [{ lockdown: 'confidentiality' }, { errno: 'EPERM' }, 'LOCKDOWN'],
    [{ lockdown: 'confidentiality' }, { operation: 'ring', errno: 'EPERM' }, 'LOCKDOWN'],
    [{ lockdown: 'confidentiality' }, { errno: 'ENOMEM' }, 'SHORTAGE'],
    [{ lockdown: 'integrity' }, { errno: 'EPERM' }, 'LOAD_REFUSED'],
    [{ release: '5.7.0' }, { errno: 'EINVAL', log: 'unknown func bpf_x#191' }, 'KERNEL_TOO_OLD'],
  ] as const;
  for (const [facts, details, code] of known) {
    it(`${JSON.stringify(details)} is ${code} where ${JSON.stringify(facts)}`, () =>
      assert.equal(failureOf(details, facts).code, code));
  }

  const blocked = [
    ['seccomp', /seccompProfile/],
    ['security module', /appArmorProfile/],
    ['user namespace', /hostUsers/],
    ['limit of locked memory', /LimitMEMLOCK/],
  ] as const;
  for (const [blocker, remedy] of blocked) {
    for (const operation of ['load', 'ring']) {
      it(`is put down to what is in force when ${operation} is denied: ${blocker}`, () => {
        const failure = failureOf({ operation, errno: 'EPERM' }, { blockers: [blocker] });
        assert.match(failure.remedy, remedy);
        for (const [other, text] of blocked) if (other !== blocker) assert.doesNotMatch(failure.remedy, text);
      });
    }
  }

  it('is no failure of the kernel when it is something else, nor one of the BPF programs when it is a module', () => {
    const module = probeError({ operation: 'insert', errno: 'ENOSYS' });
    for (const other of [new Error('other'), module]) assert.equal(refusal(other, KERNEL), other);
  });
});

describe('The add-on', () => {
  it('that is missing is told with its path', () => {
    assert.throws(
      () => openAddon('/nowhere/collector.node'),
      (error) =>
        error instanceof Failure && error.code === 'OBJECT_UNREADABLE' && error.message.includes('/nowhere/'),
    );
  });
});

describe('The BPF programs', () => {
  let probe: Probe | undefined;

  afterEach(() => {
    probe?.close();
    probe = undefined;
  });

  function load(object: string): Probe {
    const driver = openAddon(path.resolve(import.meta.dirname, '../../dist/collector.node'));
    const options = {
      ...plainProbe,
      object,
      allScopes: true,
      loopback: true,
    };
    const rings = { rings: driver.possibleCpus, ringBytes: 64 * 1024, cpusPerRing: 1 };
    probe = loadPrograms(driver, { ...rings, ...options }, thisKernel);
    return probe;
  }

  it('are loaded first, and see something only once they are attached', function () {
    requires(this, isRoot, 'loading BPF programs needs root');
    const probe = load('');
    const batches: number[] = [];
    const buffer = new Uint8Array(RECORD_CAPACITY);
    probe.start(
      buffer,
      (length) => batches.push(length),
      (error) => assert.fail(error),
    );
    spawnSync('true');
    probe.drain();
    assert.deepEqual(batches, []);
    attachPrograms(probe, thisKernel);
    spawnSync('true');
    probe.drain();
    assert.notDeepEqual(batches, []);
  });

  it('of a request to the kernel module is told with the request', () => {
    const failure = failureOf({ operation: 'module', subject: 'attach', errno: 'ENOENT' });
    assert.equal(failure.code, 'MODULE_FAILED');
    assert.match(failure.message, /\(attach\): ENOENT/);
    assert.equal(failureOf({ operation: 'module', subject: 'start', errno: 'ENOMEM' }).code, 'SHORTAGE');
  });

  it('that cannot be attached are told like those that cannot be loaded, and leave the kernel', () => {
    let closed = 0;
    const stuck = {
      attach: () => {
        throw probeError({ operation: 'attach', subject: 'process_exec', errno: 'ENOENT' });
      },
      close: () => closed++,
    } as Partial<Probe> as Probe;
    assert.throws(
      () => attachPrograms(stuck, thisKernel),
      (error) =>
        error instanceof Failure &&
        error.code === 'LOAD_REFUSED' &&
        error.message.includes('process_exec: ENOENT'),
    );
    assert.equal(closed, 1);
  });

  describe('in a file of their own', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'collector-driver-'));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    const built = path.resolve(import.meta.dirname, '../../native/build/collector.bpf.o');

    it('are loaded as well as those that are built in', function () {
      requires(this, isRoot, 'loading BPF programs needs root');
      attachPrograms(load(built), thisKernel);
    });

    it('are refused with the file and what is wrong with it', () => {
      const file = path.join(folder, 'collector.o');
      const refused = (reason: RegExp) =>
        assert.throws(
          () => load(file),
          (error) => {
            assert.ok(error instanceof Failure);
            assert.equal(error.code, 'OBJECT_FOREIGN');
            assert.ok(error.message.startsWith(`The BPF object ${file} cannot be used: `));
            assert.match(error.message, reason);
            return true;
          },
        );
      refused(/: ENOENT\.$/);
      writeFileSync(file, '<html>404</html>');
      refused(/: it is not a whole BPF object \(LIBBPF_ERRNO__FORMAT\)\.$/);
      compile('', file);
      refused(/: it is not one of Collector's: it does not say which layout its records have\.$/);
      compile(
        '__attribute__((section(".rodata.layout"))) const volatile unsigned layout_version = 9999;',
        file,
      );
      refused(/: it was built for another version .* have layout 9999, and this one reads layout \d+\.$/);
    });
  });
});

/** Compiles a BPF object without programs. */
function compile(source: string, object: string): void {
  const input = `${source}\n__attribute__((section("license"))) char LICENSE[] = "GPL";\n`;
  const args = ['-target', 'bpf', '-O2', '-g', '-x', 'c', '-c', '-', '-o', object];
  const { status, stderr } = spawnSync('clang', args, { input });
  assert.equal(status, 0, String(stderr));
}
