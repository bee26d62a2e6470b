import assert from 'node:assert/strict';
import { asFailure, Failure } from '../../actors/telemetry/failures.js';

const missing = ['CAP_BPF', 'CAP_PERFMON'];
const release = '5.4.0-126-generic';
const address = 'sensor.stackrox.svc:443';

/** Each failure, and the words without which its two lines would not help at night. */
const samples: readonly (readonly [Failure, RegExp, RegExp])[] = [
  [
    new Failure('NOT_ROOT_OR_CAPABILITY', { missing, euid: 1000 }),
    /user 1000 without CAP_BPF, CAP_PERFMON/,
    /"BPF", "PERFMON" to securityContext\.capabilities\.add.*runAsUser: 0.*sudo/,
  ],
  [
    new Failure('NO_BTF', { path: '/sys/kernel/btf/vmlinux', release }),
    /5\.4\.0-126-generic.*\/sys\/kernel\/btf\/vmlinux/,
    /CONFIG_DEBUG_INFO_BTF=y/,
  ],
  [
    new Failure('NO_BPF', { release }),
    /5\.4\.0-126-generic has no bpf system call\.$/,
    /CONFIG_BPF_SYSCALL=y/,
  ],
  [
    new Failure('NO_BPF', { release, errno: 'ENOSYS' }),
    /no bpf system call \(ENOSYS\)/,
    /CONFIG_BPF_SYSCALL=y/,
  ],
  [
    new Failure('NO_BPF', { release, errno: 'EPERM' }),
    /blocked \(EPERM\)/,
    /seccompProfile\.type: Unconfined/,
  ],
  [
    new Failure('NO_KERNEL_FEATURE', { lacking: ['ring buffers', 'tracing'], release }),
    /5\.4\.0-126-generic has no ring buffers and no tracing/,
    /CONFIG_BPF_EVENTS=y/,
  ],
  [new Failure('DOCKER_DESKTOP', { os: 'Docker Desktop' }), /machine of Docker Desktop/, /nodeSelector/],
  [
    new Failure('TLS_FILE', { path: '/certs/ca.pem', reason: 'the file is missing' }),
    /\/certs\/ca\.pem cannot be used: the file is missing\./,
    /secret.*ROX_COLLECTOR_TLS_CERTS/,
  ],
  [
    new Failure('SENSOR_DNS', { address, host: 'sensor.stackrox.svc', reason: 'ENOTFOUND' }),
    /name sensor\.stackrox\.svc does not resolve \(ENOTFOUND\)/,
    /grep sensor.*GRPC_SERVER.*ClusterFirstWithHostNet/,
  ],
  [
    new Failure('SENSOR_REFUSED', { address, ip: '10.0.0.1', reason: 'ECONNREFUSED' }),
    /sensor\.stackrox\.svc:443 does not take connections: 10\.0\.0\.1 answers ECONNREFUSED/,
    /Sensor pod is running/,
  ],
  [
    new Failure('SENSOR_REFUSED', { address, ip: '10.0.0.1', reason: 'EHOSTUNREACH' }),
    /10\.0\.0\.1 answers EHOSTUNREACH/,
    /routes, firewall and network policies/,
  ],
  [
    new Failure('SENSOR_TIMEOUT', { address, ip: '10.0.0.1', timeout: 2000 }),
    /no connection to 10\.0\.0\.1 within 2 s/,
    /network policies/,
  ],
  [
    new Failure('SENSOR_TLS', { address, reason: 'its certificate has expired', remedy: 'validity' }),
    /TLS with Sensor at sensor\.stackrox\.svc:443 fails: its certificate has expired\./,
    /anew.*clock/,
  ],
  [new Failure('SENSOR_WANTS_TLS', { address }), /speaks TLS/, /ROX_COLLECTOR_TLS_CERTS.*ca\.pem/],
  [
    new Failure('SENSOR_WRONG_SERVICE', { address, answer: "'HTTP/1.1 400 Bad Request'" }),
    /443 is not Sensor: it said 'HTTP\/1\.1 400 Bad Request'/,
    /GRPC_SERVER.*proxy/,
  ],
  [new Failure('SENSOR_UNREADY', { address }), /gRPC did not get ready/, /log.*CPU limit/],
  [new Failure('SENSOR_BROKEN', { address, reason: 'ECONNRESET' }), /broke.*ECONNRESET/, /log of Sensor/],
  [
    new Failure('SELF_CHECK', { missing: ['open', 'exit'], reason: 'the program ended with 3' }),
    /did not see open, exit of the process.*: the program ended with 3\./,
    /restart this pod.*bpftool/,
  ],
  [
    new Failure('SELF_CHECK', { missing: ['open'], reason: 'it could not connect', problem: 'loopback' }),
    /did not see open of the process/,
    /^Bring up the loopback(?!.*(detach|BPF))/,
  ],
  [new Failure('LOCKDOWN', { release }), /lockdown=confidentiality/, /lockdown=integrity/],
  [new Failure('USER_NAMESPACE', { euid: 0 }), /user 0 of a user namespace/, /hostUsers: true/],
  [
    new Failure('KERNEL_LACKS', { release, program: 'scan_sockets', verifier: ['invalid CO-RE relocation'] }),
    /5\.4\.0-126-generic lacks.* scan_sockets .*: invalid CO-RE relocation$/,
    /stock kernel.*uname -a/,
  ],
  [
    new Failure('NO_BPF', { errno: 'EPERM', release, blockers: ['seccomp'] }),
    /is blocked \(EPERM\).*by its seccomp\.$/,
    /seccompProfile/,
  ],
  [
    new Failure('LOAD_REFUSED', {
      program: 'exec',
      errno: 'EACCES',
      verifier: [' R1 invalid', 'processed 9 insns\n'],
    }),
    /program exec: EACCES; .*R1 invalid \| processed 9 insns$/,
    /Report.*uname -a/,
  ],
  [
    new Failure('LOAD_REFUSED', { program: 'exec', errno: 'EPERM', verifier: [] }),
    /exec: EPERM\.$/,
    /BPF, PERFMON/,
  ],
  [new Failure('SHORTAGE', { code: 'ENOMEM', what: 'load of process_exec' }), /ENOMEM/, /limits\.memory/],
  [
    new Failure('KERNEL_TOO_OLD', { release, oldest: '5.12' }),
    /5\.4\.0-126-generic is too old/,
    /to 5\.12 or later/,
  ],
  [
    new Failure('OBJECT_UNREADABLE', { path: '/o', reason: 'ENOENT' }),
    /\/o cannot be loaded: ENOENT/,
    /npm run build/,
  ],
  [
    new Failure('OBJECT_FOREIGN', { path: '/o', reason: 'it has no program x' }),
    /\/o cannot be used: it has no program x\.$/,
    /built with this version.*core_bpf/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', {
      release,
      tried: ['/kernel-modules does not contain x.o', 'https://s/x.o.gz: HTTP 404 (attempts: 30)'],
      problem: 'missing',
      place: 'sensor',
    }),
    /5\.4\.0-126-generic: \/kernel-modules does not contain x\.o; https:.*HTTP 404 \(attempts: 30\)\.$/,
    /^Set COLLECTION_METHOD to core_bpf.*KERNEL_VERSIONS.*support-packages upload/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'nowhere', place: 'local' }),
    /: x\.$/,
    /^Set COLLECTION_METHOD to core_bpf.* the file.*MODULE_DOWNLOAD_BASE_URL\.$/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'kernel', place: 'local' }),
    /: x\.$/,
    /^Set COLLECTION_METHOD to core_bpf.*KERNEL_CANDIDATES/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'version', place: 'local' }),
    /: x\.$/,
    /^Set COLLECTION_METHOD to core_bpf.*MODULE_VERSION\.txt/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'name', place: 'sensor' }),
    /: x\.$/,
    /SNI_HOSTNAME.*core_bpf/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'name', place: 'mirror' }),
    /: x\.$/,
    /MODULE_DOWNLOAD_BASE_URL a name that is in its server's certificate/,
  ],
  [
    new Failure('DRIVER_UNAVAILABLE', { release, tried: ['x'], problem: 'corrupt', place: 'local' }),
    /: x\.$/,
    /Replace the file in local storage \(ROX_COLLECTOR_KERNEL_MODULES_DIR\)/,
  ],
  [
    new Failure('DRIVER_UNWRITABLE', { path: '/module/collector.o', reason: 'EROFS' }),
    /\/module\/collector\.o: EROFS\.$/,
    /emptyDir.*ROX_COLLECTOR_MODULE_DIR/,
  ],
  [
    new Failure('MODULE_REFUSED', {
      path: '/module/collector.ko',
      errno: 'ENOSYS',
      release,
      builtFor: release,
    }),
    /refused the module \/module\/collector\.ko: ENOSYS; the kernel 5\.4\.0-126-generic was built without .*CONFIG_MODULES/,
    /Boot the node.*core_bpf/,
  ],
  [
    new Failure('MODULE_REFUSED', { path: '/m.ko', errno: 'EDEADLK', release, builtFor: release }),
    /refused the module \/m\.ko: EDEADLK\.$/,
    /dmesg.*core_bpf/,
  ],
  [
    new Failure('MODULE_NAME_TAKEN', { name: 'collector', version: '2.2.0' }),
    /module named collector \(version 2\.2\.0\) is in the kernel that is not of this Collector/,
    /rmmod collector.*core_bpf/,
  ],
  [
    new Failure('MODULE_NAME_TAKEN', { name: 'collector' }),
    /module named collector is in the kernel/,
    /rmmod collector/,
  ],
  [
    new Failure('MODULE_IN_USE', { holder: 'node (pid 4711)', seconds: 60 }),
    /in use by node \(pid 4711\), and was not free within 60 s\.$/,
    /one at a time.*maxSurge: 0.*core_bpf/,
  ],
  [new Failure('MODULE_IN_USE', { seconds: 60 }), /in use by another process/, /other Collector/],
  [
    new Failure('MODULE_MISMATCH', { path: '/m.ko', reason: 'its records have layout 4' }),
    /\/m\.ko cannot be used: its records have layout 4\. Nothing of it stays in the kernel\.$/,
    /ROX_COLLECTOR_KERNEL_MODULES_DIR.*npm run drivers.*core_bpf/,
  ],
  [
    new Failure('MODULE_FAILED', { request: 'attach', errno: 'ENOENT' }),
    /kernel module did not do .*\(attach\): ENOENT\.$/,
    /dmesg.*core_bpf/,
  ],
  [
    new Failure('REPLAY_UNREADABLE', { path: '/r', reason: 'ENOENT' }),
    /\/r cannot be replayed: ENOENT/,
    /--replay/,
  ],
  [
    new Failure('REPLAY_CUT', { path: '/r', position: 7 }),
    /\/r ends inside a frame, 7 bytes in/,
    /which has been printed/,
  ],
  [new Failure('OUTPUT_UNWRITABLE', { reason: 'ENOSPC' }), /output cannot be written: ENOSPC/, /Make room/],
  [
    new Failure('RECORD_UNWRITABLE', { path: '/r', reason: 'EROFS' }),
    /\/r cannot be written: EROFS/,
    /--record/,
  ],
  [
    new Failure('RECORD_REFUSED', { path: '/r', reason: 'ENOSPC' }),
    /\/r ends here, and the run goes on: .*ENOSPC/,
    /Make room/,
  ],
  [new Failure('BAD_SETTINGS', { problems: ['Bad a', 'Bad b'] }), /^Bad a; Bad b$/, /--help/],
  [new Failure('UNEXPECTED', { message: 'TypeError: x' }), /TypeError: x/, /Report/],
];

describe('a failure', () => {
  for (const [failure, cause, remedy] of samples) {
    it(`${failure.code} says what went wrong, and what to do: ${failure.message.slice(0, 50)}…`, () => {
      assert.match(failure.message, cause);
      assert.match(failure.remedy, remedy);
    });
  }

  it('has one line of each, however many its parameters have', () => {
    const problems = ['Bad value\n[FATAL   2022/10/13 12:21:13] forged'];
    assert.equal(
      new Failure('BAD_SETTINGS', { problems }).message,
      'Bad value | [FATAL   2022/10/13 12:21:13] forged',
    );
    for (const [failure] of samples) assert.doesNotMatch(failure.message + failure.remedy, /\n/);
  });

  it('is an Error that keeps the one it comes from', () => {
    const cause = new Error('EROFS: read-only file system');
    const failure = new Failure('RECORD_UNWRITABLE', { path: '/r', reason: 'EROFS' }, { cause });
    assert.ok(failure instanceof Error);
    assert.equal(failure.cause, cause);
    assert.equal(failure.code, 'RECORD_UNWRITABLE');
  });
});

describe('asFailure', () => {
  it('keeps a failure', () => {
    const failure = new Failure('NO_BPF', { release });
    assert.equal(asFailure(failure), failure);
  });

  it('makes anything else thrown an UNEXPECTED one', () => {
    const error = new RangeError('too far');
    assert.equal(asFailure(error).code, 'UNEXPECTED');
    assert.equal(asFailure(error).message, 'Unexpected error: RangeError: too far');
    assert.equal(asFailure(error).cause, error);
    assert.equal(asFailure('text').message, 'Unexpected error: text');
    assert.equal(asFailure(undefined).message, 'Unexpected error: undefined');
  });
});
