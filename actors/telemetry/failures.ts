import { explainModule, type ModuleFacts } from './module-remedies.js';
import { remedyOf, resourceOf, type ShortageCode } from './shortage.js';

/** The text of a failure: one line of cause, one line of remedy. */
export interface FailureText {
  readonly cause: string;
  /** Stands alone: says the need and the way to meet it, to a reader of nothing else. */
  readonly remedy: string;
}

/** The end of each remedy for a kernel module. */
const WITHOUT_MODULE = 'COLLECTION_METHOD=core_bpf needs no kernel module.';

/**
 * The catalogue: every failure Collector can stop with, by its code, and the parameters of its text.
 * Codes are stable, since people search and alert on them.
 */
const catalogue = {
  /** @param missing capabilities by name: `CAP_BPF`, for example @param euid the effective user id */
  NOT_ROOT_OR_CAPABILITY: ({ missing, euid }: { missing: readonly string[]; euid: number }) => ({
    cause: `Collector runs as user ${euid} without ${missing.join(', ')}.`,
    remedy:
      `Give the collector container ${missing.join(', ')}: in the pod's manifest, add ` +
      `${missing.map((name) => `"${name.replace('CAP_', '')}"`).join(', ')} to securityContext.capabilities.add and ` +
      'either leave out allowPrivilegeEscalation: false, so that a user other than root can get them, or set ' +
      'securityContext.runAsUser: 0; outside of Kubernetes, start it as root (sudo).',
  }),

  /** @param path the expected place of BTF */
  NO_BTF: ({ path, release }: { path: string; release: string }) => ({
    cause: `The kernel ${release} gives no type information (BTF): ${path} is missing or cannot be read.`,
    remedy:
      `Boot the node with a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as the stock kernels of current ` +
      `distributions are, so that ${path} exists; if it does exist on the node, mount the node's /sys into the ` +
      'collector container. For a kernel without it, set COLLECTION_METHOD=ebpf and make a driver: "npm run drivers".',
  }),

  /**
   * @param errno the name of the error of the bpf system call, or undefined if the kernel shows no trace of the call
   * @param blockers possible reasons of the refusal to a process with the capabilities
   */
  NO_BPF: ({
    errno,
    release,
    blockers = [],
  }: {
    errno?: string;
    release: string;
    blockers?: readonly Blocker[];
  }) =>
    errno === 'EPERM' || errno === 'EACCES'
      ? {
          cause: `The bpf system call is blocked (${errno}) although the capabilities for it are there${suspects(blockers)}.`,
          remedy: permissionRemedy(blockers),
        }
      : {
          cause: `The kernel ${release} has no bpf system call${errno === undefined ? '' : ` (${errno})`}.`,
          remedy:
            'Boot the node with a kernel that was built with CONFIG_BPF_SYSCALL=y, as the stock kernels of all ' +
            'distributions are; sandboxes such as gVisor have none: run Collector on the node itself.',
        },

  LOCKDOWN: ({ release }: { release: string }) => ({
    cause:
      `The kernel ${release} is in lockdown=confidentiality, in which no BPF program may read its memory, whatever the ` +
      'capabilities.',
    remedy:
      'Boot the node with lockdown=integrity ("cat /sys/kernel/security/lockdown" shows the mode, the kernel command line ' +
      'or CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY sets it), or keep Collector off this node with a nodeSelector.',
  }),

  USER_NAMESPACE: ({ euid }: { euid: number }) => ({
    cause: `Collector runs as user ${euid} of a user namespace, whose capabilities do not count for BPF.`,
    remedy:
      "Run the pod in the node's user namespace: hostUsers: true in its spec; outside of Kubernetes, start it as root of " +
      'the node and not in a rootless container.',
  }),

  /** @param program the refused BPF program @param verifier the last lines of the verifier's log */
  KERNEL_LACKS: ({
    release,
    program,
    verifier,
  }: {
    release: string;
    program: string;
    verifier: readonly string[];
  }) => ({
    cause:
      `The kernel ${release} lacks what the BPF program ${program} of this version of Collector needs` +
      (verifier.length === 0
        ? '.'
        : `; the verifier's last words: ${verifier.map((line) => line.trim()).join(' | ')}`),
    remedy:
      'Boot the node with a stock kernel of its distribution, or keep Collector off it with a nodeSelector; report the ' +
      'cause above with the output of "uname -a", so that a later version can do without.',
  }),

  /**
   * @param program the refused BPF program @param verifier the last lines of the verifier's log, if any
   * @param blockers possible reasons of the refusal to a process with the capabilities
   */
  LOAD_REFUSED: ({
    program,
    errno,
    verifier,
    blockers = [],
  }: {
    program: string;
    errno: string;
    verifier: readonly string[];
    blockers?: readonly Blocker[];
  }) => ({
    cause:
      `The kernel refused the BPF program ${program}: ${errno}` +
      (verifier.length === 0
        ? '.'
        : `; the verifier's last words: ${verifier.map((line) => line.trim()).join(' | ')}`),
    remedy: errno === 'EPERM' ? permissionRemedy(blockers) : (loadRemedies[errno] ?? loadRemedies.EINVAL),
  }),

  /** @param what the operation that failed for want of it, after several attempts */
  SHORTAGE: ({ code, what }: { code: ShortageCode; what: string }) => ({
    cause: `There are too few ${resourceOf(code)} for Collector: ${what} failed with ${code}, again and again.`,
    remedy: remedyOf(code),
  }),

  /** @param lacking features the kernel was built without */
  NO_KERNEL_FEATURE: ({ lacking, release }: { lacking: readonly string[]; release: string }) => ({
    cause: `The kernel ${release} has no ${lacking.join(' and no ')} for BPF programs.`,
    remedy:
      'Boot the node with a kernel that was built with CONFIG_BPF_SYSCALL=y, CONFIG_FTRACE=y, CONFIG_BPF_EVENTS=y and ' +
      'CONFIG_INET=y, as the stock kernels of all distributions are.',
  }),

  /** @param os as the host calls itself */
  DOCKER_DESKTOP: ({ os }: { os: string }) => ({
    cause: `This node is the virtual machine of ${os}, which Collector does not support.`,
    remedy: 'Run the cluster on Linux nodes, or keep Collector off this one with a nodeSelector.',
  }),

  /** @param oldest the oldest supported release */
  KERNEL_TOO_OLD: ({ release, oldest }: { release: string; oldest: string }) => ({
    cause: `The kernel ${release} is too old: it lacks the BPF features that Collector is built on.`,
    remedy: `Upgrade the node's kernel to ${oldest} or later, or keep Collector off this node with a nodeSelector.`,
  }),

  /** @param reason the code of the system, like `ENOENT` */
  OBJECT_UNREADABLE: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The driver ${path} cannot be loaded: ${reason}.`,
    remedy: `Restore ${path}, which is part of the build: run "npm run build", or deploy the collector image again.`,
  }),

  /** @param path of a given or downloaded BPF object @param reason why it is unusable */
  OBJECT_FOREIGN: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The BPF object ${path} cannot be used: ${reason}.`,
    remedy:
      'Replace it, where it lies (ROX_COLLECTOR_KERNEL_MODULES_DIR) or where Sensor serves it from, by the one that was ' +
      'built with this version of Collector, or set COLLECTION_METHOD to core_bpf, which needs none.',
  }),

  /**
   * @param release `uname -r` @param tried each place looked at, with the outcome
   * @param problem the problem to mend, @param place and its place
   */
  DRIVER_UNAVAILABLE: ({
    release,
    tried,
    problem,
    place,
  }: {
    release: string;
    tried: readonly string[];
    problem: DriverProblemCode;
    place: DriverPlace;
  }) => ({
    cause: `There is no driver for the kernel ${release}: ${tried.join('; ')}.`,
    // If nothing is broken there is just no driver, and the remedy for most users comes first.
    remedy: NO_DRIVER.has(problem)
      ? `Set COLLECTION_METHOD to core_bpf, whose driver is part of Collector. If it has to be another method: ${driverRemedy(problem, place)}`
      : `${driverRemedy(problem, place)} Or set COLLECTION_METHOD to core_bpf, whose driver is part of Collector.`,
  }),

  REPLAY_UNREADABLE: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The recording ${path} cannot be replayed: ${reason}.`,
    remedy: `Give --replay a readable file that this version of Collector wrote with --record, instead of ${path}.`,
  }),

  /** @param position bytes of the file read so far */
  REPLAY_CUT: ({ path, position }: { path: string; position: number }) => ({
    cause: `The recording ${path} ends inside a frame, ${position} bytes in: its run was cut short, or its copy was.`,
    remedy: `Use what ${path} had up to there, which has been printed; a run that is to be recorded whole ends by Ctrl-C or SIGTERM.`,
  }),

  /** @param reason the code of the system, like `ENOSPC` */
  OUTPUT_UNWRITABLE: ({ reason }: { reason: string }) => ({
    cause: `Standard output cannot be written: ${reason}.`,
    remedy: 'Make room where standard output goes to, or send it elsewhere, and start Collector again.',
  }),

  /** @param seconds at least @param since ISO time @param cause the work of the loop and the wait of its thread */
  LOOP_STALLED: ({ seconds, since, cause }: { seconds: number; since: string; cause: string }) => ({
    cause: `The run before stood still for at least ${seconds} s from ${since} on, in ${cause}.`,
    remedy:
      'If the cause names a file or a descriptor, look at the disk, the mount or the process behind it; else report the ' +
      'line above with the version of Collector and the output of "uname -r".',
  }),

  RECORD_UNWRITABLE: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The recording ${path} cannot be written: ${reason}.`,
    remedy:
      `Give --record a new name in a folder that exists, is writable and has free space, instead of ${path}; of what is ` +
      'there, only a recording of the same user is replaced.',
  }),

  /** @param bytes waiting for the disk */
  RECORD_SLOW: ({ path, bytes }: { path: string; bytes: number }) => ({
    cause: `The recording ${path} ends here, and the run goes on: ${bytes} bytes wait for its disk, and there is room for no more.`,
    remedy:
      `Look at the disk of ${path}, which is slow or does not answer, or give --record a file on another one. What is ` +
      'recorded up to here can be replayed.',
  }),

  /** @param reason a code like ENOSPC */
  RECORD_REFUSED: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The recording ${path} ends here, and the run goes on: its disk takes no more (${reason}).`,
    remedy:
      `Make room on the disk of ${path}, or give --record a file on another one. What is recorded up to here can be ` +
      'replayed.',
  }),

  /** @param problems one line for each refused value */
  BAD_SETTINGS: ({ problems }: { problems: readonly string[] }) => ({
    cause: problems.join('; '),
    remedy: 'Correct the values where they are said to be; --help lists every setting with what it allows.',
  }),

  /** @param address host:port @param setting its name @param reason the code of the system, like `EADDRINUSE` */
  ADDRESS_UNUSABLE: ({ address, setting, reason }: { address: string; setting: string; reason: string }) => ({
    cause: `Collector cannot listen on ${address} (${setting}): ${listenReasons[reason] ?? reason}.`,
    remedy:
      reason === 'EADDRINUSE'
        ? `End what listens there ("ss -ltnp" on the node names it), or set ${setting} to another host:port; port 0 takes ` +
          'any that is free, and the log says which.'
        : `Set ${setting} to host:port, where host is an address of this node or pod (0.0.0.0 for all of them) and port one ` +
          'that Collector may take: from 1024 on without further rights.',
  }),

  /** @param reason the code of the system, like `EROFS` */
  DRIVER_UNWRITABLE: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The driver cannot be put at ${path}: ${reason}.`,
    remedy:
      `Give Collector a writable folder there (an emptyDir volume in Kubernetes), or name another one in ` +
      'ROX_COLLECTOR_MODULE_DIR.',
  }),

  /** @param errno by name */
  MODULE_REFUSED: ({ path, errno, ...facts }: { path: string; errno: string } & ModuleFacts) => {
    const { cause, remedy } = explainModule(errno, facts);
    return {
      cause: `The kernel refused the module ${path}: ${errno}${cause === undefined ? '' : `; ${cause}`}.`,
      remedy: `${remedy} ${WITHOUT_MODULE}`,
    };
  },

  /** @param name of a module of somebody else @param version as it says itself, if it does */
  MODULE_NAME_TAKEN: ({ name, version }: { name: string; version?: string }) => ({
    cause:
      `A module named ${name}${version === undefined ? '' : ` (version ${version})`} is in the kernel that is not of this ` +
      'Collector, and a kernel takes a name once.',
    remedy:
      'End the agent on this node that has inserted it (the C++ collector has a module of that name), and remove the ' +
      `module: rmmod ${name}. ${WITHOUT_MODULE}`,
  }),

  /** @param holder a process, if it is known @param seconds waited for it */
  MODULE_IN_USE: ({ holder, seconds }: { holder?: string; seconds: number }) => ({
    cause: `The kernel module of Collector is in use by ${holder ?? 'another process'}, and was not free within ${seconds} s.`,
    remedy:
      'End the other Collector on this node: one at a time has the module. In Kubernetes, let the old pod end first ' +
      `(updateStrategy.rollingUpdate.maxSurge: 0). ${WITHOUT_MODULE}`,
  }),

  /** @param reason what keeps this version from reading it */
  MODULE_MISMATCH: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The kernel module ${path} cannot be used: ${reason}. Nothing of it stays in the kernel.`,
    remedy:
      'Replace it, where it lies (ROX_COLLECTOR_KERNEL_MODULES_DIR) or where Sensor serves it from, by one that was made ' +
      `with this version of Collector ("npm run drivers"). ${WITHOUT_MODULE}`,
  }),

  /** @param request of Collector to the module @param errno by name */
  MODULE_FAILED: ({ request, errno }: { request: string; errno: string }) => ({
    cause: `The kernel module did not do what it was asked for (${request}): ${errno}.`,
    remedy: `Report this with the output of "uname -a" and of "dmesg | tail" on the node. ${WITHOUT_MODULE}`,
  }),

  /** @param path a PEM file @param reason why it is unusable */
  TLS_FILE: ({ path, reason }: { path: string; reason: string }) => ({
    cause: `The TLS file ${path} cannot be used: ${reason}.`,
    remedy:
      `Put the right file at ${path}: in Kubernetes, check the secret that is mounted there (kubectl get secret, ` +
      'kubectl describe pod); outside of it, ROX_COLLECTOR_TLS_CERTS or tlsConfig say where the files are.',
  }),

  /** @param address host:port @param host the name without an address @param reason a code like ENOTFOUND */
  SENSOR_DNS: ({ address, host, reason }: { address: string; host: string; reason: string }) => ({
    cause: `Sensor at ${address} cannot be found: the name ${host} does not resolve (${reason}).`,
    remedy:
      `Check that the service exists (kubectl get service -A | grep ${host.split('.')[0] ?? host}) and that GRPC_SERVER ` +
      'names it; if it does, the DNS of this pod does not work: look at /etc/resolv.conf in it, and at dnsPolicy, which ' +
      'has to be ClusterFirstWithHostNet with hostNetwork.',
  }),

  /** @param ip the address of the name @param reason a code like ECONNREFUSED */
  SENSOR_REFUSED: ({ address, ip, reason }: { address: string; ip: string; reason: string }) => ({
    cause: `Sensor at ${address} does not take connections: ${ip} answers ${reason}.`,
    remedy:
      reason === 'ECONNREFUSED'
        ? 'Check that the Sensor pod is running and ready (kubectl get pods -A -l app=sensor), that its service has an ' +
          'endpoint, and that the port in GRPC_SERVER is the one it listens on.'
        : `Check the network between this node and ${ip}: routes, firewall and network policies.`,
  }),

  /** @param timeout ms */
  SENSOR_TIMEOUT: ({ address, ip, timeout }: { address: string; ip: string; timeout: number }) => ({
    cause: `Sensor at ${address} does not answer: no connection to ${ip} within ${timeout / 1000} s.`,
    remedy:
      'Something drops the packets: check the network policies of both namespaces, the firewall of the nodes, and that ' +
      "the Sensor pod's node is up.",
  }),

  /** @param reason the fault, and the certificate it is in @param remedy the fitting one of the remedies */
  SENSOR_TLS: ({ address, reason, remedy }: { address: string; reason: string; remedy: TlsRemedy }) => ({
    cause: `TLS with Sensor at ${address} fails: ${reason}.`,
    remedy: tlsRemedies[remedy],
  }),

  SENSOR_WANTS_TLS: ({ address }: { address: string }) => ({
    cause: `Sensor at ${address} speaks TLS, and Collector was not told to.`,
    remedy:
      'Set ROX_COLLECTOR_TLS_CERTS to the folder with ca.pem, cert.pem and key.pem; in the product it is ' +
      '/var/run/secrets/stackrox.io/certs.',
  }),

  /** @param answer the answer of the other server */
  SENSOR_WRONG_SERVICE: ({ address, answer }: { address: string; answer: string }) => ({
    cause: `What answers at ${address} is not Sensor: it said ${answer}.`,
    remedy:
      "Point GRPC_SERVER to Sensor's gRPC port (sensor.stackrox.svc:443 in the product), and check that no proxy or mesh " +
      'stands in between that does not pass HTTP/2 on.',
  }),

  SENSOR_UNREADY: ({ address }: { address: string }) => ({
    cause: `Sensor at ${address} takes connections, but gRPC did not get ready in time.`,
    remedy:
      'Sensor may be overloaded or starting: look at its log and at its CPU limit; Collector is started again.',
  }),

  /** @param reason a code like ECONNRESET */
  SENSOR_BROKEN: ({ address, reason }: { address: string; reason: string }) => ({
    cause: `The connection to Sensor at ${address} broke while it was made (${reason}).`,
    remedy:
      'Look at the log of Sensor, which may be starting or refuse this client, and at what stands in between: a proxy, a ' +
      'service mesh or a load balancer.',
  }),

  /**
   * @param missing the unseen ones of exec, open, close, exit @param reason the known part of the cause
   * @param problem the problem that kept the proof from running; none: it ran, and was not seen
   */
  SELF_CHECK: ({
    missing,
    reason,
    problem = 'events',
  }: {
    missing: readonly string[];
    reason?: string;
    problem?: keyof typeof selfCheckRemedies;
  }) => ({
    cause:
      `Collector did not see ${missing.join(', ')} of the process that it started to prove that events flow` +
      (reason === undefined ? '.' : `: ${reason}.`),
    remedy: selfCheckRemedies[problem],
  }),

  /** @param programs detached by somebody @param errno why they can't be attached again, by name */
  PROGRAMS_DETACHED: ({ programs, errno }: { programs: readonly string[]; errno: string }) => ({
    cause:
      `Somebody detached BPF programs of Collector, and the kernel does not let it attach them again (${errno}): ` +
      `${programs.join(', ')}. Their events are missing.`,
    remedy:
      'Restart this pod, which loads and attaches all programs anew, and find out on the node who has the rights to ' +
      'detach them (CAP_BPF or CAP_SYS_ADMIN): the audit log has bpf(2) calls, "bpftool link" shows what is attached.',
  }),

  /** Any error without an entry of its own: a defect of Collector. @param message of the error */
  UNEXPECTED: ({ message }: { message: string }) => ({
    cause: `Unexpected error: ${message}`,
    remedy:
      'Report it with the log of a run with ROX_COLLECTOR_LOG_LEVEL=debug: this is a defect of Collector, which ' +
      'Kubernetes starts again by itself.',
  }),
} satisfies Record<string, (parameters: never) => FailureText>;

/** What can refuse a system call to a process with the capabilities for it. */
export type Blocker = keyof typeof blockerRemedies;

const blockerRemedies = {
  'user namespace': "run the pod in the node's user namespace (hostUsers: true)",
  seccomp:
    'set securityContext.seccompProfile.type: Unconfined, or name a profile that allows bpf and perf_event_open',
  'security module':
    'let the security module of the node allow it (securityContext.appArmorProfile.type: Unconfined, or ' +
    'seLinuxOptions.type: spc_t)',
  'limit of locked memory':
    "set LimitMEMLOCK=infinity for the container runtime's service, or run it as root with SYS_RESOURCE in " +
    'securityContext.capabilities.add: before Linux 5.11 the memory of BPF maps counts as locked',
} as const;

function suspects(blockers: readonly Blocker[]): string {
  return blockers.length === 0 ? '' : `, by ${blockers.map((one) => `its ${one}`).join(' or ')}`;
}

/** @param blockers found to be in force; none: all possible ones are named */
function permissionRemedy(blockers: readonly Blocker[]): string {
  if (blockers.length > 0)
    return `Let the collector container call bpf(2): ${blockers.map((one) => blockerRemedies[one]).join('; ')}.`;
  return (
    'Give the collector container the capabilities BPF, PERFMON and NET_ADMIN (securityContext.capabilities.add) and ' +
    'seccompProfile.type: Unconfined, and check on the node that no security module denies bpf(2) and that ' +
    '"cat /sys/kernel/security/lockdown" does not select [confidentiality].'
  );
}

/** Remedies for a failed self-check, by its problem. */
const selfCheckRemedies = {
  events:
    'Do not trust what this node reports until it passes: restart this pod, and if it fails again, look for what detaches ' +
    'or blocks BPF programs (bpftool prog list on the node) and report the log with "uname -a".',
  loopback:
    "Bring up the loopback of Collector's network namespace (ip link set lo up), over which the proof connects to itself; " +
    'until then connections are reported, but nothing proves it. In Kubernetes the network plugin or hostNetwork: true does.',
  connection:
    'Let programs in this pod connect to 127.0.0.1 or ::1, over which the proof connects to itself: the cause says which ' +
    'call failed; look at packet filters (nft list ruleset), seccomp profile and security module.',
  missing: 'Deploy the collector image again, or run "npm run build": the program is a part of the build.',
  permission:
    'Let Collector run that program: it has to be executable (chmod +x), on a file system that is not mounted noexec, and ' +
    'seccomp profile and security module have to allow it.',
  format:
    'Deploy the collector image for the architecture of this node: the program was built for another one.',
  shortage:
    'Raise the limit that kept the process from being started: pids and memory of the container (pids.max and memory.max of ' +
    "its cgroup, the kubelet's podPidsLimit, resources.limits.memory), or its user's (ulimit -u).",
  killed:
    "Look for what ended it: a memory limit (memory.events of the container's cgroup, dmesg), a seccomp profile (SIGSYS), or " +
    'a security agent on the node.',
  hung: 'Look for what keeps a process of this pod from going on: a frozen cgroup, a CPU limit, or a security agent that holds it.',
} as const;

/** Reasons why a server cannot listen. */
const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else does (EADDRINUSE)',
  EADDRNOTAVAIL: 'it is no address of this node or pod (EADDRNOTAVAIL)',
  EACCES: 'the kernel does not let it (EACCES)',
  ENOTFOUND: 'the name has no address (ENOTFOUND)',
};

export type TlsRemedy = keyof typeof tlsRemedies;

/** Remedies for a failed TLS handshake, by its problem. */
const tlsRemedies = {
  name: "Set SNI_HOSTNAME to a name that is in Sensor's certificate, or point GRPC_SERVER to the right Sensor.",
  authority:
    "Give Collector the CA that signed Sensor's certificate: mount the secrets of the cluster that this Sensor belongs to " +
    '(ROX_COLLECTOR_TLS_CERTS), or issue them anew for both.',
  validity:
    "Issue Sensor's certificate anew and restart Sensor, or set the clock of the node that is wrong (compare date on both).",
  client:
    'Give Collector a certificate that Sensor accepts: signed by the same CA, not expired, for a collector. Issue the ' +
    'secret collector-tls anew and compare it with what is mounted (openssl x509 -noout -subject -issuer -dates -in cert.pem).',
  server:
    "Look at Sensor's log for the other half of this handshake, and at what stands in between: a proxy or a service mesh.",
  plain:
    "Point GRPC_SERVER to Sensor's TLS port, or take the TLS settings away if this Sensor is meant to be spoken to in " +
    'plain text.',
} as const;

type DriverProblemCode = keyof typeof driverRemedies | TlsRemedy;
type DriverPlace = keyof typeof driverPlaces;

const NO_DRIVER: ReadonlySet<DriverProblemCode> = new Set(['missing', 'nowhere', 'kernel', 'version']);

/** The sources of a driver, in the words of remedies. */
const driverPlaces = {
  sensor: 'Sensor',
  mirror: 'the server in MODULE_DOWNLOAD_BASE_URL',
  local: 'local storage (ROX_COLLECTOR_KERNEL_MODULES_DIR)',
} as const;

/** Remedies for a source that gives no driver, by its problem; without the problems of TLS. */
const driverRemedies = {
  missing: (place) =>
    `See whether this kernel is supported (the file KERNEL_VERSIONS lists all that are); if it is, give ${place} the ` +
    'driver: Sensor has those of the support package that Central was given (roxctl collector support-packages upload).',
  nowhere: () =>
    'Put the file, packed with gzip or not, into the folder of ROX_COLLECTOR_KERNEL_MODULES_DIR, or say where to ' +
    'download it from: GRPC_SERVER for Sensor, or MODULE_DOWNLOAD_BASE_URL.',
  kernel: () =>
    'Set KERNEL_CANDIDATES to the name of a kernel that there is a driver of and that fits this one.',
  version: () =>
    'Put MODULE_VERSION.txt, whose first line is the version of the drivers, into the folder of ' +
    'ROX_COLLECTOR_KERNEL_MODULES_DIR: it is part of the collector image, so deploy that again, or do not mount over it.',
  dns: (place) =>
    `Correct the name of ${place} (GRPC_SERVER or MODULE_DOWNLOAD_BASE_URL), or the DNS of this pod: look at ` +
    '/etc/resolv.conf in it, and at dnsPolicy, which has to be ClusterFirstWithHostNet with hostNetwork.',
  unreachable: (place) =>
    `Check that ${place} is running and listens on this port, and that network policies, firewalls and routes let ` +
    'this node get there.',
  timeout: (place) =>
    `Check what slows the way to ${place} or drops its packets (network policies, firewalls, proxies), and whether it ` +
    'is overloaded.',
  broken: (place) =>
    `Look at the log of ${place} for why it ends connections early, and at what stands in between: a proxy, a service ` +
    'mesh or a load balancer.',
  answer: (place) => `Look at the log of ${place}, and at what may answer in its place: a proxy or a mesh.`,
  redirect: (place) =>
    `Have ${place} serve the driver itself, or redirect to an https address that gives it to everybody: Collector shows ` +
    'its certificate to Sensor alone, and does not go from https to http.',
  corrupt: (place) =>
    `Replace the file in ${place} by a good one: compare it with what was built (gzip -t, sha256sum).`,
} satisfies Readonly<Record<string, (place: string) => string>>;

/** The same for the server of MODULE_DOWNLOAD_BASE_URL. */
const mirrorTlsRemedies: Readonly<Record<TlsRemedy, string>> = {
  name: "Use in MODULE_DOWNLOAD_BASE_URL a name that is in its server's certificate.",
  authority:
    'Let NODE_EXTRA_CA_CERTS name a PEM file with the CA of the server in MODULE_DOWNLOAD_BASE_URL, which Collector does ' +
    'not know of.',
  validity:
    'Issue the certificate of the server in MODULE_DOWNLOAD_BASE_URL anew, or set the clock that is wrong (compare date).',
  client:
    'Let the server in MODULE_DOWNLOAD_BASE_URL ask for no client certificate: Collector shows its own to Sensor alone.',
  server: 'Look at the log of the server in MODULE_DOWNLOAD_BASE_URL for the other half of this handshake.',
  plain: 'Start MODULE_DOWNLOAD_BASE_URL with http://, or give it the port where its server speaks TLS.',
};

function driverRemedy(problem: DriverProblemCode, place: DriverPlace): string {
  if (problem in driverRemedies)
    return driverRemedies[problem as keyof typeof driverRemedies](driverPlaces[place]);
  const remedies = place === 'mirror' ? mirrorTlsRemedies : tlsRemedies;
  return remedies[problem as TlsRemedy];
}

/** Remedies for the errors of loading a BPF program. */
const loadRemedies: Readonly<Record<string, string>> & { readonly EINVAL: string } = {
  EINVAL:
    'Report the cause above with the output of "uname -a": the node\'s kernel does not accept this program; until it ' +
    'is fixed, run this node with another kernel release or keep Collector off it with a nodeSelector.',
};

export type FailureCode = keyof typeof catalogue;
export type FailureParameters<Code extends FailureCode> = Parameters<(typeof catalogue)[Code]>[0];

/** A failure from the catalogue. Its `message` is the cause, in one line. */
export class Failure<Code extends FailureCode = FailureCode> extends Error {
  override readonly name = 'Failure';
  readonly code: Code;
  /** One line: the way to mend it. */
  readonly remedy: string;

  /** @param options `cause`: the error behind this failure, if there is one */
  constructor(code: Code, parameters: FailureParameters<Code>, options?: ErrorOptions) {
    // Each entry takes its own parameters; the signature has made sure that code and parameters belong together.
    const text = (catalogue[code] as (parameters: FailureParameters<Code>) => FailureText)(parameters);
    super(oneLine(text.cause), options);
    this.code = code;
    this.remedy = oneLine(text.remedy);
  }
}

/** Returns a thrown failure; anything else thrown becomes UNEXPECTED. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error as Failure;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Failure('UNEXPECTED', { message }, { cause: error });
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' | ').trim();
}
