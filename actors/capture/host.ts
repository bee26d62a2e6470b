import { accessSync, constants, existsSync, readFileSync, readlinkSync } from 'node:fs';
import { release } from 'node:os';
import { Failure, type Blocker } from '../telemetry/failures.js';

/** Facts about the host, to be had before anything is loaded into its kernel. */
export interface HostFacts {
  /** The node's name; empty when the host does not say. */
  readonly hostname: string;
  /** The distribution, as its os-release calls itself. */
  readonly os: string;
  /** The kernel's release, as `uname -r` says it. */
  readonly release: string;
  /** Effective user id. */
  readonly euid: number;
  /** Permitted capabilities, among those named in `capabilities`. */
  readonly capabilities: ReadonlySet<Capability>;
  /** The number of the last capability known to this kernel. */
  readonly lastCapability: number;
  /** The kernel has the bpf system call. */
  readonly bpf: boolean;
  /** The kernel's type information can be read. */
  readonly btf: boolean;
  /** Features used by the programs and named in the kernel's type information: proof that the kernel has them. */
  readonly features: ReadonlySet<KernelFeature>;
  /** As named by Node: `x64`, `arm64`, `ppc64` and so on. */
  readonly arch: string;
  /** Mode of the kernel's lockdown, in force for root too; `unknown` without a securityfs in sight. */
  readonly lockdown: Lockdown;
  /** Obstacles between Collector and its kernel in spite of capabilities. */
  readonly blockers: readonly Blocker[];
  /** Collector sees the pids of the host: BPF iterators walk the pid namespace of their reader, and no other. */
  readonly hostPids: boolean;
}

/** The capabilities of interest here, and their numbers in linux/capability.h. */
export const capabilities = {
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_ADMIN: 12,
  CAP_SYS_MODULE: 16,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof capabilities;

/** Modes of kernel_lockdown(7). */
export type Lockdown = 'none' | 'integrity' | 'confidentiality' | 'unknown';

/** Names in the kernel's type information, there exactly when the kernel has the feature. */
const features = {
  'ring buffers': 'bpf_ringbuf_map',
  'tracing of execs and TCP states': 'btf_trace_inet_sock_set_state',
} as const;

export type KernelFeature = keyof typeof features;

/** The first kernel with everything used by the programs for older kernels: ring buffers and iterators came last. */
const OLDEST_KERNEL = '5.8';
/** Red Hat's kernel for RHEL 8 is 4.18 by name only, with the BPF of far later kernels from this build on. */
const OLDEST_RED_HAT_BUILD = 372;
const RED_HAT = /^4\.18\.0-(\d+).*\.el8/;
/** Its number in linux/capability.h. */
const CAP_SYS_RESOURCE = 24n;
/** PROC_PID_INIT_INO in the kernel's linux/proc_ns.h: the initial namespace has the same number everywhere. */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';
/** Where the kernel gives its type information. */
export const KERNEL_BTF = '/sys/kernel/btf/vmlinux';
const LOCKDOWN = '/sys/kernel/security/lockdown';

/**
 * Finds the most fundamental need of Collector not met by this host; undefined if nothing is missing.
 * The kernel has the last word when it loads the programs; this explains the problem beforehand, in words.
 * @param isForIt the driver was made for this kernel, so neither its age nor gaps in its types are in the way
 */
export function checkHost(facts: HostFacts, isForIt = false): Failure | undefined {
  const { euid } = facts;
  if (/docker desktop/i.test(facts.os)) return new Failure('DOCKER_DESKTOP', { os: facts.os });
  if (!isForIt && (isTooOld(facts.release) || isTooOldForPower(facts))) {
    return new Failure('KERNEL_TOO_OLD', {
      release: facts.release,
      oldest: oldestKernel(facts.release),
    });
  }
  if (!facts.bpf) return new Failure('NO_BPF', { release: facts.release });
  if (facts.lockdown === 'confidentiality') return new Failure('LOCKDOWN', { release: facts.release });
  if (facts.blockers.includes('user namespace')) return new Failure('USER_NAMESPACE', { euid });
  const missing = missingCapabilities(facts);
  if (missing.length > 0) return new Failure('NOT_ROOT_OR_CAPABILITY', { missing, euid });
  if (isForIt) return undefined;
  if (!facts.btf) return new Failure('NO_BTF', { path: KERNEL_BTF, release: facts.release });
  const lacking = (Object.keys(features) as KernelFeature[]).filter((name) => !facts.features.has(name));
  if (lacking.length > 0) return new Failure('NO_KERNEL_FEATURE', { lacking, release: facts.release });
  return undefined;
}

/**
 * Finds what this host lacks for a kernel module; undefined if nothing is missing. A missing CAP_SYS_MODULE is left to
 * the kernel to say, as long as it is not alone in it.
 */
export function checkHostForModule({
  os,
  euid,
  blockers,
  capabilities: held,
}: HostFacts): Failure | undefined {
  if (/docker desktop/i.test(os)) return new Failure('DOCKER_DESKTOP', { os });
  if (blockers.includes('user namespace')) return new Failure('USER_NAMESPACE', { euid });
  if (held.has('CAP_SYS_ADMIN')) return undefined;
  const missing = (['CAP_SYS_MODULE', 'CAP_SYS_ADMIN'] as const).filter((one) => !held.has(one));
  return new Failure('NOT_ROOT_OR_CAPABILITY', { missing, euid });
}

/** The oldest release that Collector can use, from the maker of the kernel `release`. */
export function oldestKernel(release: string): string {
  return RED_HAT.test(release) ? `4.18.0-${OLDEST_RED_HAT_BUILD}.el8 (RHEL 8.6)` : OLDEST_KERNEL;
}

/** Whether a kernel is older than its `oldestKernel`; false if its release cannot be read as a number. */
export function isTooOld(release: string): boolean {
  const [, build] = RED_HAT.exec(release) ?? [];
  return build === undefined ? isBefore(release, OLDEST_KERNEL) : Number(build) < OLDEST_RED_HAT_BUILD;
}

/** Whether a release is of an older kernel than `version` (like 5.8); false if it cannot be read as a number. */
export function isBefore(release: string, version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const [thatMajor, thatMinor] = version.split('.').map(Number) as [number, number];
  return Number(major) < thatMajor || (Number(major) === thatMajor && Number(minor) < thatMinor);
}

/** Red Hat's 4.18 for ppc64le has working BPF from its build 477 on. */
function isTooOldForPower({ arch, release }: HostFacts): boolean {
  const [, build] = /^4\.18\.0-(\d+)/.exec(release) ?? [];
  return arch === 'ppc64' && build !== undefined && Number(build) < 477;
}

/**
 * CAP_SYS_ADMIN includes the BPF rights of CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (for programs attached to cgroups),
 * and stands in for the first two where the kernel does not have them yet.
 */
function missingCapabilities({ capabilities: held, lastCapability }: HostFacts): Capability[] {
  const forBpf: Capability[] =
    lastCapability >= capabilities.CAP_BPF ? ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'] : ['CAP_SYS_ADMIN'];
  return held.has('CAP_SYS_ADMIN') ? [] : forBpf.filter((capability) => !held.has(capability));
}

/**
 * Reads the facts. Nothing is thrown: anything unreadable counts as absent.
 * @param hostRoot where the host's root is mounted, without a slash at its end; empty on the host itself
 * @param nodeHostname the node's name, if it was given from outside
 */
export function readHostFacts(hostRoot: string, nodeHostname?: string): HostFacts {
  const status = readText('/proc/self/status');
  return {
    hostname: nodeHostname ?? readHostname(hostRoot),
    os: prettyName(readText(`${hostRoot}/etc/os-release`) || readText(`${hostRoot}/usr/lib/os-release`)),
    release: release(),
    euid: process.geteuid?.() ?? -1,
    capabilities: permittedCapabilities(status),
    // A kernel too old for this file is older than all capabilities of interest.
    lastCapability: Number(readText('/proc/sys/kernel/cap_last_cap')),
    // The kernel has this switch exactly when it has the system call.
    bpf: existsSync('/proc/sys/kernel/unprivileged_bpf_disabled'),
    btf: isReadable(KERNEL_BTF),
    features: kernelFeatures(readBytes(KERNEL_BTF)),
    arch: process.arch,
    lockdown: lockdownIn(readText(LOCKDOWN) || readText(hostRoot + LOCKDOWN)),
    blockers: [
      ...blockersIn(status, readText('/proc/self/uid_map'), readText('/proc/self/attr/current')),
      ...lockedMemoryBlocker(release(), status, readText('/proc/self/limits')),
    ],
    hostPids: pidNamespace() === INITIAL_PID_NAMESPACE,
  };
}

/** The text of the host's own name file, else the name known to the host's kernel. */
function readHostname(hostRoot: string): string {
  return (
    readText(`${hostRoot}/etc/hostname`).trim() || readText(`${hostRoot}/proc/sys/kernel/hostname`).trim()
  );
}

/** The value of PRETTY_NAME in an os-release file, with the shell's quoting; `Linux` if it has none. */
export function prettyName(osRelease: string): string {
  const [, raw = ''] = /^PRETTY_NAME=(.*)$/m.exec(osRelease) ?? [];
  const [, quoted] = /^(?:"(.*)"|'.*')\s*$/.exec(raw) ?? [];
  const text =
    quoted === undefined ? raw.trim().replace(/^'(.*)'$/, '$1') : quoted.replace(/\\(["$`\\])/g, '$1');
  return text || 'Linux';
}

/** @param btf the kernel's type information, empty if it cannot be read */
export function kernelFeatures(btf: Buffer): ReadonlySet<KernelFeature> {
  const names = Object.keys(features) as KernelFeature[];
  return new Set(names.filter((name) => btf.includes(`\0${features[name]}\0`)));
}

/** The capabilities in effect or within reach, from the text of /proc/<pid>/status. */
export function permittedCapabilities(status: string): ReadonlySet<Capability> {
  const [, digits = '0'] = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const mask = BigInt(`0x${digits}`);
  const names = Object.keys(capabilities) as Capability[];
  return new Set(names.filter((name) => (mask >> BigInt(capabilities[name])) & 1n));
}

/** @param text of securityfs' lockdown, like `none [integrity] confidentiality` */
export function lockdownIn(text: string): Lockdown {
  const [, mode] = /\[(none|integrity|confidentiality)\]/.exec(text) ?? [];
  return (mode as Lockdown | undefined) ?? 'unknown';
}

/**
 * @param status of /proc/self/status
 * @param uidMap of /proc/self/uid_map: in the initial user namespace, all ids as they are
 * @param label of /proc/self/attr/current: the profile of AppArmor, or the context of SELinux
 */
export function blockersIn(status: string, uidMap: string, label: string): readonly Blocker[] {
  const isNested = uidMap.trim() !== '' && !/^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
  const isConfined = label !== '' && !/unconfined|:spc_t|:kernel_t|:init_t|\(complain\)/.test(label);
  return [
    ...(isNested ? (['user namespace'] as const) : []),
    ...(/^Seccomp:\s*[12]$/m.test(status) ? (['seccomp'] as const) : []),
    ...(isConfined ? (['security module'] as const) : []),
  ];
}

/**
 * Before Linux 5.11 the memory of BPF maps counts as locked memory, whose limit only CAP_SYS_RESOURCE can raise.
 * @param kernel its release
 * @param status of /proc/self/status
 * @param limits of /proc/self/limits
 */
export function lockedMemoryBlocker(kernel: string, status: string, limits: string): readonly Blocker[] {
  const [, hard = 'unlimited'] = /^Max locked memory\s+\S+\s+(\S+)/m.exec(limits) ?? [];
  const [, digits = '0'] = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  const mayRaise = (BigInt(`0x${digits}`) >> CAP_SYS_RESOURCE) & 1n;
  return isBefore(kernel, '5.11') && hard !== 'unlimited' && !mayRaise ? ['limit of locked memory'] : [];
}

function readText(path: string): string {
  return readBytes(path).toString();
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** The link's text; if it cannot be read, the initial namespace is assumed. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return INITIAL_PID_NAMESPACE;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
