import assert from 'node:assert/strict';
import { openDriver, refusal } from '../../actors/capture/driver.js';
import { asFailure, Failure } from '../../actors/telemetry/failures.js';

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

/** What the add-on throws, as a failure of the catalogue. */
function failureOf(details: { operation?: string; subject?: string; errno: string; log?: string }): Failure {
  const error = Object.assign(new Error('refused'), {
    operation: 'load',
    subject: 'object',
    log: '',
    ...details,
  });
  const failure = asFailure(refusal(error, '6.1.0'));
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
    [{ errno: 'EINVAL', log: 'invalid func unknown#191' }, 'KERNEL_TOO_OLD'],
    [{ errno: 'EPERM' }, 'LOAD_REFUSED'],
    [{ operation: 'attach', subject: 'process_exec', errno: 'ENOENT' }, 'LOAD_REFUSED'],
  ] as const;
  for (const [details, code] of codes) {
    it(`${JSON.stringify(details)} is ${code}`, () => assert.equal(failureOf(details).code, code));
  }

  it('is no failure of the kernel when it is something else', () => {
    const other = new Error('other');
    assert.equal(refusal(other, '6.1.0'), other);
  });
});

describe('The add-on', () => {
  it('that is missing is told with its path', () => {
    assert.throws(
      () => openDriver('/nowhere/collector.node'),
      (error) =>
        error instanceof Failure && error.code === 'OBJECT_UNREADABLE' && error.message.includes('/nowhere/'),
    );
  });
});
