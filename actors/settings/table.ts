import { cidr } from './cidr.js';
import { hostPort, inspectAddress, listenAddress } from './host-port.js';
import {
  absolutePath,
  absolutePathOrNone,
  boolean,
  booleanOr,
  decimal,
  filePath,
  hostName,
  httpUrl,
  jsonObject,
  kernelName,
  listOf,
  oneOf,
  seconds,
  someOf,
  webSocketUrl,
  wholeNumber,
  type Parser,
} from './parser.js';

/** The headings of the help, in their order. */
export const groups = [
  'General',
  'Driver',
  'Sensor',
  'Output',
  'Network',
  'Processes',
  'Kernel buffers',
  'Operation',
  'Host',
] as const;

/** One setting: its sources, its parser, its default and its meaning. */
export interface Declaration<T> {
  readonly group: (typeof groups)[number];
  /** Its command line argument. */
  readonly argument?: `--${string}`;
  /** Its key in the COLLECTOR_CONFIG JSON object. */
  readonly key?: string;
  /** Its environment variable. */
  readonly environment?: string;
  /** The placeholder of the value in the help; without it the argument is a switch and takes no value. */
  readonly form?: string;
  /** The text for the argument without a value; undefined: its value is not optional. */
  readonly alone?: string;
  readonly parser: Parser<T>;
  readonly default: NoInfer<T>;
  /** One sentence or two for the help. */
  readonly help: string;
}

/** Lets the compiler check one declaration, and keep the type of its value. */
function setting<T>(declaration: Declaration<T>): Declaration<T> {
  return declaration;
}

const PAGE = 4096;
const MIB = 1024 * 1024;

/** The JSON object other settings are read from; not a setting of its own. */
export const collectorConfig = setting({
  group: 'General',
  argument: '--collector-config',
  environment: 'COLLECTOR_CONFIG',
  form: '<json>',
  parser: jsonObject,
  default: {},
  help: 'Settings as one JSON object; their keys are given below. They stand above the environment and below arguments.',
});

/** Every setting, declared once: reading, help and documentation come from here. */
export const table = {
  help: setting({
    group: 'General',
    argument: '--help',
    parser: boolean,
    default: false,
    help: 'Print this text and exit.',
  }),
  version: setting({
    group: 'General',
    argument: '--version',
    parser: boolean,
    default: false,
    help: 'Print the version and exit.',
  }),
  check: setting({
    group: 'General',
    argument: '--check',
    parser: boolean,
    default: false,
    help: 'Connect to Sensor, find the driver, check the host and load the driver without attaching it; print how that went and exit. It waits for Sensor for 30 s, and for each server that may have a driver for a minute at most.',
  }),
  logLevel: setting({
    group: 'General',
    key: 'logLevel',
    environment: 'ROX_COLLECTOR_LOG_LEVEL',
    parser: oneOf('fatal', 'critical', 'error', 'warning', 'notice', 'info', 'debug', 'trace'),
    default: 'info',
    help: 'The least severe log lines that are still written. POST /loglevel changes it while Collector runs.',
  }),
  logFormat: setting({
    group: 'General',
    environment: 'ROX_COLLECTOR_LOG_FORMAT',
    parser: oneOf('text', 'json'),
    default: 'text',
    help: 'How log lines are written: for people, or as one JSON object each, for what collects logs.',
  }),
  coreDump: setting({
    group: 'General',
    environment: 'ENABLE_CORE_DUMP',
    parser: boolean,
    default: false,
    help: 'Leave a core dump behind after a crash, as large as the hard limit allows; the kernel puts it where /proc/sys/kernel/core_pattern says. It holds all that Collector had in memory: arguments of processes, and the key of its certificate.',
  }),
  collectionMethod: setting({
    group: 'General',
    argument: '--collection-method',
    environment: 'COLLECTION_METHOD',
    form: '<method>',
    parser: oneOf('core_bpf', 'ebpf', 'kernel_module'),
    default: 'core_bpf',
    help:
      'The kernel driver that events come from. kernel_module is the last resort, for kernels without BPF ring buffers: ' +
      'nothing checks its code, and it needs root.',
  }),
  kernelCandidates: setting<readonly string[]>({
    group: 'Driver',
    environment: 'KERNEL_CANDIDATES',
    parser: listOf(kernelName, ' '),
    default: [],
    help: 'Kernels to look for a driver of, best first, instead of those that follow from the host.',
  }),
  kernelModulesDir: setting({
    group: 'Driver',
    environment: 'ROX_COLLECTOR_KERNEL_MODULES_DIR',
    parser: absolutePath,
    default: '/kernel-modules',
    help: 'Where drivers, packed or not, and MODULE_VERSION.txt are kept. Only read.',
  }),
  moduleDir: setting({
    group: 'Driver',
    environment: 'ROX_COLLECTOR_MODULE_DIR',
    parser: absolutePath,
    default: '/module',
    help: 'Where the driver to be loaded is put.',
  }),
  moduleDownloadBaseUrl: setting<string | undefined>({
    group: 'Driver',
    environment: 'MODULE_DOWNLOAD_BASE_URL',
    parser: httpUrl,
    default: undefined,
    help: 'Where to download a driver from when Sensor has none.',
  }),
  grpcServer: setting({
    group: 'Sensor',
    argument: '--grpc-server',
    environment: 'GRPC_SERVER',
    form: '<host:port>',
    parser: hostPort,
    default: '',
    help: "Sensor's address. Empty: standalone, messages go to standard output.",
  }),
  sniHostname: setting({
    group: 'Sensor',
    environment: 'SNI_HOSTNAME',
    parser: hostName,
    default: 'sensor.stackrox',
    help: "The name that Sensor's certificate has to carry.",
  }),
  tlsCerts: setting<string | undefined>({
    group: 'Sensor',
    environment: 'ROX_COLLECTOR_TLS_CERTS',
    parser: filePath,
    default: undefined,
    help: 'Folder with ca.pem, cert.pem and key.pem. They are read again when they change. Without any TLS setting, Sensor is spoken to in plain text.',
  }),
  tlsCa: setting<string | undefined>({
    group: 'Sensor',
    key: 'tlsConfig.caCertPath',
    environment: 'ROX_COLLECTOR_TLS_CA',
    parser: filePath,
    default: undefined,
    help: "File of the authority that signed Sensor's certificate, instead of ca.pem in the folder.",
  }),
  tlsClientCert: setting<string | undefined>({
    group: 'Sensor',
    key: 'tlsConfig.clientCertPath',
    environment: 'ROX_COLLECTOR_TLS_CLIENT_CERT',
    parser: filePath,
    default: undefined,
    help: "File of Collector's own certificate, instead of cert.pem in the folder.",
  }),
  tlsClientKey: setting<string | undefined>({
    group: 'Sensor',
    key: 'tlsConfig.clientKeyPath',
    environment: 'ROX_COLLECTOR_TLS_CLIENT_KEY',
    parser: filePath,
    default: undefined,
    help: 'File of the key to that certificate, instead of key.pem in the folder.',
  }),
  signalQueueSize: setting({
    group: 'Sensor',
    environment: 'ROX_COLLECTOR_SIGNAL_QUEUE_SIZE',
    parser: wholeNumber(64 * 1024, 1024 * MIB, 'a number of bytes'),
    default: 16 * MIB,
    help: 'Bytes of process signals that wait while Sensor is slow or away; beyond it the oldest are dropped and counted.',
  }),
  scope: setting({
    group: 'Output',
    argument: '--scope',
    environment: 'ROX_COLLECTOR_SCOPE',
    form: 'containers|all',
    parser: oneOf('containers', 'all'),
    default: 'containers',
    help: 'Whether standalone output has the processes and connections of the host too; they never go to Sensor.',
  }),
  format: setting<'json' | 'compact' | undefined>({
    group: 'Output',
    argument: '--format',
    environment: 'ROX_COLLECTOR_FORMAT',
    form: 'json|compact',
    parser: oneOf('json', 'compact'),
    default: undefined,
    help: 'Standalone output: one JSON message a line (default), or one line an event for a person at a terminal. A replay has the format of its recording.',
  }),
  record: setting<string | undefined>({
    group: 'Output',
    argument: '--record',
    form: '<file>',
    parser: filePath,
    default: undefined,
    help: 'Also write everything that enters to this file, for --replay.',
  }),
  replay: setting<string | undefined>({
    group: 'Output',
    argument: '--replay',
    form: '<file>',
    parser: filePath,
    default: undefined,
    help: 'Read from this recording instead of the kernel, standalone, and exit at its end.',
  }),
  inspect: setting<string | undefined>({
    group: 'Output',
    argument: '--inspect',
    form: '<host:port>',
    alone: '',
    parser: inspectAddress,
    default: undefined,
    help: 'Instead of printing the --replay, serve it as the page /inspect there, at the pace of its run or faster, until Collector is ended. Without an address: 127.0.0.1:8080, or another port if that is taken.',
  }),
  scrapeInterval: setting({
    group: 'Network',
    key: 'scrapeInterval',
    environment: 'ROX_COLLECTOR_SCRAPE_INTERVAL',
    // A day: well below the 24 days after which a Node timer fires at once.
    parser: wholeNumber(1, 86_400, 'a whole number of seconds'),
    default: 30,
    help: 'Seconds between two scans of all sockets, and between two network reports.',
  }),
  scrapeDisabled: setting({
    group: 'Network',
    key: 'turnOffScrape',
    environment: 'ROX_COLLECTOR_SCRAPE_DISABLED',
    parser: boolean,
    default: false,
    help: 'Do not scan sockets; the network reports go on.',
  }),
  afterglow: setting({
    group: 'Network',
    environment: 'ROX_ENABLE_AFTERGLOW',
    parser: boolean,
    default: true,
    help: 'Keep a closed connection open in the reports for a while, so that short ones do not flicker.',
  }),
  afterglowPeriod: setting({
    group: 'Network',
    environment: 'ROX_AFTERGLOW_PERIOD',
    parser: seconds,
    default: 300,
    help: 'How long that while is, in seconds, at most 300. 0 turns it off.',
  }),
  dropIgnored: setting({
    group: 'Network',
    environment: 'ROX_NETWORK_DROP_IGNORED',
    parser: boolean,
    default: true,
    help: 'Report nothing of port 9 over UDP (discard), which nobody serves.',
  }),
  ignoredNetworks: setting<readonly string[]>({
    group: 'Network',
    environment: 'ROX_IGNORE_NETWORKS',
    parser: listOf(cidr),
    default: ['169.254.0.0/16', 'fe80::/10'],
    help: 'Connections to peers in these networks are never reported. Set, but empty: none is ignored.',
  }),
  nonAggregatedNetworks: setting<readonly string[]>({
    group: 'Network',
    environment: 'ROX_NON_AGGREGATED_NETWORKS',
    parser: listOf(cidr),
    default: [],
    help: 'Peers in these networks are reported by their address, never aggregated as external.',
  }),
  externalIps: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_EXTERNAL_IPS_ENABLE',
    parser: boolean,
    default: false,
    help: 'Report external peers by their address, in both directions. The runtime configuration may say otherwise.',
  }),
  runtimeConfig: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED',
    parser: boolean,
    default: false,
    help: 'Read the runtime configuration file, and again whenever it changes; ask container runtimes for names.',
  }),
  runtimeSockets: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_RUNTIME_SOCKETS',
    parser: listOf(absolutePath),
    default: ['/run/containerd/containerd.sock', '/run/crio/crio.sock'],
    help: 'Where container runtimes listen (CRI), below the root of the host.',
  }),
  runtimeConfigPath: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_CONFIG_PATH',
    parser: filePath,
    default: '/etc/stackrox/runtime_config.yaml',
    help: 'That file, YAML.',
  }),
  endpoints: setting({
    group: 'Network',
    environment: 'ROX_NETWORK_GRAPH_PORTS',
    parser: boolean,
    default: true,
    help: 'Report the ports that containers listen on.',
  }),
  trackSendReceive: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_TRACK_SEND_RECV',
    parser: boolean,
    default: false,
    help: 'Report every peer that a UDP socket sends to or receives from, not only those of connected ones.',
  }),
  udpListeners: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_UDP_LISTENERS',
    parser: boolean,
    default: false,
    help: 'Report the ports of UDP sockets that are bound and have no peer, too.',
  }),
  originators: setting({
    group: 'Network',
    environment: 'ROX_PROCESSES_LISTENING_ON_PORT',
    parser: boolean,
    default: true,
    help: 'Report with each of these ports the process that listens.',
  }),
  connectionStatus: setting({
    group: 'Network',
    environment: 'ROX_COLLECT_CONNECTION_STATUS',
    parser: boolean,
    default: true,
    help: 'Report a connection only once it is established; without this, also one that waits for an answer or never got one.',
  }),
  networkDisabled: setting({
    group: 'Network',
    environment: 'ROX_COLLECTOR_DISABLE_NETWORK_FLOWS',
    parser: boolean,
    default: false,
    help: 'Do nothing about the network at all.',
  }),
  noProcessArguments: setting({
    group: 'Processes',
    environment: 'ROX_COLLECTOR_NO_PROCESS_ARGUMENTS',
    parser: boolean,
    default: false,
    help: 'Never report the arguments of a process.',
  }),
  processTableSize: setting({
    group: 'Processes',
    environment: 'ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE',
    // The kernel's own limit of process ids.
    parser: wholeNumber(1, 4_194_304),
    default: 32_768,
    help: 'How many processes are remembered at most.',
  }),
  bufferSize: setting({
    group: 'Kernel buffers',
    environment: 'ROX_COLLECTOR_SINSP_BUFFER_SIZE',
    // A power of two from one page on is also a multiple of the page, as the kernel requires.
    parser: wholeNumber(PAGE, 1024 * MIB, 'a number of bytes that is a power of two', isPowerOfTwo),
    default: 8 * MIB,
    help: 'Bytes of one buffer that kernel events pass through; less if all of them would exceed the total.',
  }),
  totalBufferSize: setting({
    group: 'Kernel buffers',
    environment: 'ROX_COLLECTOR_SINSP_TOTAL_BUFFER_SIZE',
    parser: wholeNumber(PAGE, Number.MAX_SAFE_INTEGER, 'a number of bytes'),
    default: 512 * MIB,
    help: 'Bytes of all these buffers together, at most.',
  }),
  cpusPerBuffer: setting({
    group: 'Kernel buffers',
    environment: 'ROX_COLLECTOR_SINSP_CPU_PER_BUFFER',
    // The largest NR_CPUS a kernel can be built with.
    parser: wholeNumber(0, 8192),
    default: 1,
    help: 'How many CPUs share a buffer. 0: all of them share one.',
  }),
  httpAddress: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_HTTP_ADDRESS',
    parser: listenAddress,
    default: '0.0.0.0:8080',
    help: 'Where /live, /ready, /loglevel, /state and /inspect are served. Port 0: any that is free; the log says which.',
  }),
  metricsAddress: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_METRICS_ADDRESS',
    parser: listenAddress,
    default: '0.0.0.0:9090',
    help: 'Where /metrics is served, for Prometheus.',
  }),
  socket: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_SOCKET',
    parser: absolutePathOrNone,
    default: '/run/collector/collector.sock',
    help: 'Unix socket for the command collector (observe, status and so on), for the same user and root. Set, but empty: none.',
  }),
  introspection: setting<boolean | 'loopback'>({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_INTROSPECTION_ENABLE',
    parser: booleanOr('loopback'),
    default: false,
    help: 'Serve /inspect, a page to watch Collector on, and /state: the containers, connections and endpoints that are known now. true: to whoever asks; loopback: only to clients on this node, or in this pod (kubectl port-forward).',
  }),
  inspectHosts: setting<readonly string[]>({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_INSPECT_HOSTS',
    parser: listOf(hostName),
    default: [],
    help: 'Further names that /inspect, /state and /profile may be asked for by. Addresses are allowed, and names that nobody on the internet can own: without a dot, or ending in .svc, .local or .internal. Others are refused, since a web page elsewhere could have made them up.',
  }),
  inspectorUrl: setting<string | undefined>({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_INSPECTOR_URL',
    parser: webSocketUrl,
    default: undefined,
    help: 'A WebSocket to send the events of the state machines to, for the XState inspector (@statelyai/inspect).',
  }),
  detailedMetrics: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_ENABLE_DETAILED_METRICS',
    parser: boolean,
    default: true,
    help: 'Metrics for each type of event.',
  }),
  connectionStats: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_ENABLE_CONNECTION_STATS',
    parser: boolean,
    default: true,
    help: 'Metrics of how many connections there are, and how fast they are made, over a while.',
  }),
  connectionStatsQuantiles: setting<readonly number[]>({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_CONNECTION_STATS_QUANTILES',
    parser: someOf(decimal(0, 1, 'between 0 and 1, without these')),
    default: [0.5, 0.9, 0.95],
    help: 'The quantiles that these have.',
  }),
  connectionStatsError: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_CONNECTION_STATS_ERROR',
    parser: decimal(0, 0.5, 'between 0 and 0.5, without these'),
    default: 0.01,
    help: 'How far from its quantile a value may stand, as a part of all values.',
  }),
  connectionStatsWindow: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_CONNECTION_STATS_WINDOW',
    parser: wholeNumber(1, 1440, 'a whole number of minutes'),
    default: 60,
    help: 'How long that while is, in minutes.',
  }),
  bpfRunTime: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_BPF_RUN_TIME',
    parser: boolean,
    default: false,
    help: 'Have the kernel measure how long BPF programs run: some ns a run, of every program on the node.',
  }),
  watchdogSeconds: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_WATCHDOG_SECONDS',
    parser: wholeNumber(0, 3600, 'a whole number of seconds'),
    default: 20,
    help: 'How long the event loop may stand still before a watchdog writes down what it waits for. 0: no watchdog.',
  }),
  runDir: setting({
    group: 'Operation',
    environment: 'ROX_COLLECTOR_RUN_DIR',
    parser: absolutePath,
    default: '/run/collector',
    help: 'Folder in which the watchdog leaves its report, stall.json, for the next start to log. It has to outlive a restart.',
  }),
  hostRoot: setting({
    group: 'Host',
    environment: 'COLLECTOR_HOST_ROOT',
    parser: absolutePath,
    default: '',
    help: "Where the host's root folder is mounted. Empty: Collector runs on the host itself.",
  }),
  nodeHostname: setting<string | undefined>({
    group: 'Host',
    environment: 'NODE_HOSTNAME',
    parser: hostName,
    default: undefined,
    help: "The node's name. Without it, the host's /etc/hostname, else its kernel's.",
  }),
  terminationLog: setting({
    group: 'Host',
    environment: 'ROX_COLLECTOR_TERMINATION_LOG',
    parser: absolutePath,
    default: '/dev/termination-log',
    help: 'Where Kubernetes picks up the reason of a failure. Skipped if absent.',
  }),
} as const;

type SettingsTable = typeof table;

/** All settings, validated and frozen; each value has the type of its parser. */
export type Settings = {
  readonly [Name in keyof SettingsTable]: SettingsTable[Name] extends Declaration<infer Value>
    ? Value
    : never;
};

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
