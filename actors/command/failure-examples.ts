import type { FailureCode, FailureParameters } from '../telemetry/failures.js';

/** Where a failure is said. */
type Place = keyof typeof places;

export const places = {
  start: 'the log, after the start-up diagnostics; kubectl describe pod (termination message)',
  running: 'the log; GET /ready; collector status',
  log: 'the log',
  next: 'the log of the next start',
  replay: 'standard error of the replay',
} as const;

interface Example<Code extends FailureCode> {
  readonly said: Place;
  /** Parameters for a text without a real case. */
  readonly parameters: FailureParameters<Code>;
}

const release = '<kernel>';
const address = '<host:port>';
const path = '<file>';
const reason = '<reason>';

/** Each failure of the catalogue by an example. */
export const failureExamples: { readonly [Code in FailureCode]: Example<Code> } = {
  NOT_ROOT_OR_CAPABILITY: { said: 'start', parameters: { missing: ['CAP_BPF', 'CAP_PERFMON'], euid: 1000 } },
  NO_BTF: { said: 'start', parameters: { path: '/sys/kernel/btf/vmlinux', release } },
  NO_BPF: { said: 'start', parameters: { errno: 'EPERM', release } },
  LOCKDOWN: { said: 'start', parameters: { release } },
  USER_NAMESPACE: { said: 'start', parameters: { euid: 0 } },
  KERNEL_LACKS: { said: 'start', parameters: { release, program: '<program>', verifier: [] } },
  LOAD_REFUSED: { said: 'start', parameters: { program: '<program>', errno: 'EINVAL', verifier: [] } },
  SHORTAGE: { said: 'start', parameters: { code: 'ENOMEM', what: 'loading the BPF programs' } },
  NO_KERNEL_FEATURE: { said: 'start', parameters: { lacking: ['tracing'], release } },
  DOCKER_DESKTOP: { said: 'start', parameters: { os: 'Docker Desktop' } },
  KERNEL_TOO_OLD: { said: 'start', parameters: { release, oldest: '5.8' } },
  OBJECT_UNREADABLE: { said: 'start', parameters: { path, reason } },
  OBJECT_FOREIGN: { said: 'start', parameters: { path, reason } },
  DRIVER_UNAVAILABLE: {
    said: 'start',
    parameters: { release, tried: ['<each place that was tried>'], problem: 'missing', place: 'sensor' },
  },
  REPLAY_UNREADABLE: { said: 'replay', parameters: { path, reason } },
  REPLAY_CUT: { said: 'replay', parameters: { path, position: 4096 } },
  OUTPUT_UNWRITABLE: { said: 'log', parameters: { reason } },
  LOOP_STALLED: { said: 'next', parameters: { seconds: 20, since: '<time>', cause: '<what it waited for>' } },
  RECORD_UNWRITABLE: { said: 'start', parameters: { path, reason } },
  RECORD_SLOW: { said: 'log', parameters: { path, bytes: 16_777_216 } },
  RECORD_REFUSED: { said: 'log', parameters: { path, reason: 'ENOSPC' } },
  BAD_SETTINGS: { said: 'start', parameters: { problems: ['<each refused value>'] } },
  ADDRESS_UNUSABLE: {
    said: 'start',
    parameters: { address, setting: 'ROX_COLLECTOR_HTTP_ADDRESS', reason: 'EADDRINUSE' },
  },
  DRIVER_UNWRITABLE: { said: 'start', parameters: { path, reason } },
  MODULE_REFUSED: {
    said: 'start',
    parameters: { path, errno: 'ENOEXEC', release, builtFor: '<another kernel>' },
  },
  MODULE_NAME_TAKEN: { said: 'start', parameters: { name: 'collector', version: '<version>' } },
  MODULE_IN_USE: { said: 'start', parameters: { holder: '<process>', seconds: 60 } },
  MODULE_MISMATCH: { said: 'start', parameters: { path, reason } },
  MODULE_FAILED: { said: 'start', parameters: { request: 'attach', errno: 'ENOMEM' } },
  TLS_FILE: { said: 'start', parameters: { path, reason } },
  SENSOR_DNS: { said: 'start', parameters: { address, host: '<host>', reason: 'ENOTFOUND' } },
  SENSOR_REFUSED: { said: 'start', parameters: { address, ip: '<ip>', reason: 'ECONNREFUSED' } },
  SENSOR_TIMEOUT: { said: 'start', parameters: { address, ip: '<ip>', timeout: 2000 } },
  SENSOR_TLS: { said: 'start', parameters: { address, reason, remedy: 'authority' } },
  SENSOR_WANTS_TLS: { said: 'start', parameters: { address } },
  SENSOR_WRONG_SERVICE: { said: 'start', parameters: { address, answer: '<answer>' } },
  SENSOR_UNREADY: { said: 'start', parameters: { address } },
  SENSOR_BROKEN: { said: 'start', parameters: { address, reason: 'ECONNRESET' } },
  SELF_CHECK: { said: 'running', parameters: { missing: ['exec', 'open'] } },
  PROGRAMS_DETACHED: { said: 'running', parameters: { programs: ['<program>'], errno: 'EPERM' } },
  UNEXPECTED: { said: 'log', parameters: { message: '<message>' } },
};
