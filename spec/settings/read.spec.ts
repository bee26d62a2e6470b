import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readSettings } from '../../actors/settings/read.js';
import { table, type Declaration, type Settings } from '../../actors/settings/table.js';

const declarations = Object.entries<Declaration<unknown>>(table);

/** The settings that come of it, when nothing may be wrong with it. */
function settingsOf(argv: readonly string[], env: Record<string, string> = {}): Settings {
  const { settings, errors } = readSettings(argv, env);
  assert.deepEqual(errors, []);
  return settings;
}

function errorsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  return readSettings(argv, env).errors;
}

function warningsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  return readSettings(argv, env).warnings.map(({ level, message }) => `${level}: ${message}`);
}

describe('readSettings', () => {
  it('has the documented defaults when nothing is given', () => {
    assert.deepEqual(readSettings([], {}), {
      settings: {
        help: false,
        version: false,
        check: false,
        logLevel: 'info',
        logFormat: 'text',
        coreDump: false,
        collectionMethod: 'core_bpf',
        kernelCandidates: [],
        kernelModulesDir: '/kernel-modules',
        moduleDir: '/module',
        moduleDownloadBaseUrl: undefined,
        grpcServer: '',
        sniHostname: 'sensor.stackrox',
        tlsCerts: undefined,
        tlsCa: undefined,
        tlsClientCert: undefined,
        tlsClientKey: undefined,
        signalQueueSize: 16 * 1024 * 1024,
        scope: 'containers',
        format: undefined,
        record: undefined,
        replay: undefined,
        inspect: undefined,
        scrapeInterval: 30,
        scrapeDisabled: false,
        afterglow: true,
        afterglowPeriod: 300,
        dropIgnored: true,
        ignoredNetworks: ['169.254.0.0/16', 'fe80::/10'],
        nonAggregatedNetworks: [],
        externalIps: false,
        runtimeConfig: false,
        runtimeConfigPath: '/etc/stackrox/runtime_config.yaml',
        runtimeSockets: ['/run/containerd/containerd.sock', '/run/crio/crio.sock'],
        endpoints: true,
        trackSendReceive: false,
        udpListeners: false,
        originators: true,
        connectionStatus: true,
        networkDisabled: false,
        noProcessArguments: false,
        processTableSize: 32768,
        bufferSize: 8 * 1024 * 1024,
        totalBufferSize: 512 * 1024 * 1024,
        cpusPerBuffer: 1,
        httpAddress: '0.0.0.0:8080',
        metricsAddress: '0.0.0.0:9090',
        socket: '/run/collector/collector.sock',
        introspection: false,
        inspectHosts: [],
        inspectorUrl: undefined,
        detailedMetrics: true,
        connectionStats: true,
        connectionStatsQuantiles: [0.5, 0.9, 0.95],
        connectionStatsError: 0.01,
        connectionStatsWindow: 60,
        bpfRunTime: false,
        watchdogSeconds: 20,
        runDir: '/run/collector',
        hostRoot: '',
        nodeHostname: undefined,
        terminationLog: '/dev/termination-log',
      },
      warnings: [],
      errors: [],
    });
  });

  it('gives what cannot be changed any more, its lists included', () => {
    const settings = settingsOf([], { ROX_NON_AGGREGATED_NETWORKS: '10.0.0.0/8' });
    assert.ok(Object.isFrozen(settings));
    assert.ok(Object.isFrozen(settings.ignoredNetworks));
    assert.ok(Object.isFrozen(settings.nonAggregatedNetworks));
  });

  describe('reads each environment variable', () => {
    const samples: readonly (readonly [string, string, Partial<Settings>])[] = [
      ['ROX_COLLECTOR_LOG_LEVEL', 'DEBUG', { logLevel: 'debug' }],
      ['COLLECTION_METHOD', 'CORE_BPF', { collectionMethod: 'core_bpf' }],
      ['COLLECTION_METHOD', 'core-bpf', { collectionMethod: 'core_bpf' }],
      ['COLLECTION_METHOD', 'kernel-module', { collectionMethod: 'kernel_module' }],
      ['COLLECTION_METHOD', 'ebpf', { collectionMethod: 'ebpf' }],
      ['KERNEL_CANDIDATES', ' 5.4.0-1  6.1.0-gl+ ', { kernelCandidates: ['5.4.0-1', '6.1.0-gl+'] }],
      ['ROX_COLLECTOR_KERNEL_MODULES_DIR', '/k/', { kernelModulesDir: '/k' }],
      ['ROX_COLLECTOR_MODULE_DIR', '/m', { moduleDir: '/m' }],
      [
        'MODULE_DOWNLOAD_BASE_URL',
        'https://drivers.example/a/',
        { moduleDownloadBaseUrl: 'https://drivers.example/a' },
      ],
      ['GRPC_SERVER', 'sensor.stackrox.svc:443', { grpcServer: 'sensor.stackrox.svc:443' }],
      ['SNI_HOSTNAME', 'sensor.stackrox.svc', { sniHostname: 'sensor.stackrox.svc' }],
      ['ROX_COLLECTOR_TLS_CERTS', '/certs', { tlsCerts: '/certs' }],
      ['ROX_COLLECTOR_TLS_CA', '/ca.pem', { tlsCa: '/ca.pem' }],
      ['ROX_COLLECTOR_TLS_CLIENT_CERT', '/cert.pem', { tlsClientCert: '/cert.pem' }],
      ['ROX_COLLECTOR_TLS_CLIENT_KEY', '/key.pem', { tlsClientKey: '/key.pem' }],
      ['ROX_COLLECTOR_SIGNAL_QUEUE_SIZE', '1048576', { signalQueueSize: 1_048_576 }],
      ['ROX_COLLECTOR_SCOPE', 'all', { scope: 'all' }],
      ['ROX_COLLECTOR_FORMAT', 'compact', { format: 'compact' }],
      ['ROX_COLLECTOR_SCRAPE_INTERVAL', '5', { scrapeInterval: 5 }],
      ['ROX_COLLECTOR_SCRAPE_DISABLED', 'true', { scrapeDisabled: true }],
      ['ROX_ENABLE_AFTERGLOW', 'False', { afterglow: false }],
      ['ROX_AFTERGLOW_PERIOD', '20.5', { afterglowPeriod: 20.5 }],
      ['ROX_IGNORE_NETWORKS', '10.0.0.0/8, fd00::/8', { ignoredNetworks: ['10.0.0.0/8', 'fd00::/8'] }],
      ['ROX_NETWORK_DROP_IGNORED', 'false', { dropIgnored: false }],
      ['ROX_COLLECTOR_TRACK_SEND_RECV', 'true', { trackSendReceive: true }],
      ['ROX_COLLECTOR_UDP_LISTENERS', 'true', { udpListeners: true }],
      ['ROX_IGNORE_NETWORKS', '', { ignoredNetworks: [] }],
      ['ROX_NON_AGGREGATED_NETWORKS', '1.2.3.4/32', { nonAggregatedNetworks: ['1.2.3.4/32'] }],
      ['ROX_COLLECTOR_EXTERNAL_IPS_ENABLE', 'true', { externalIps: true }],
      ['ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED', 'true', { runtimeConfig: true }],
      ['ROX_COLLECTOR_CONFIG_PATH', '/c.yaml', { runtimeConfigPath: '/c.yaml' }],
      ['ROX_COLLECTOR_RUNTIME_SOCKETS', '/a.sock,/b.sock', { runtimeSockets: ['/a.sock', '/b.sock'] }],
      ['ROX_NETWORK_GRAPH_PORTS', 'false', { endpoints: false }],
      ['ROX_PROCESSES_LISTENING_ON_PORT', 'false', { originators: false }],
      ['ROX_COLLECT_CONNECTION_STATUS', 'false', { connectionStatus: false }],
      ['ROX_COLLECTOR_DISABLE_NETWORK_FLOWS', 'true', { networkDisabled: true }],
      ['ROX_COLLECTOR_NO_PROCESS_ARGUMENTS', 'true', { noProcessArguments: true }],
      ['ROX_COLLECTOR_SINSP_BUFFER_SIZE', '1048576', { bufferSize: 1048576 }],
      ['ROX_COLLECTOR_SINSP_TOTAL_BUFFER_SIZE', '5000000', { totalBufferSize: 5000000 }],
      ['ROX_COLLECTOR_SINSP_CPU_PER_BUFFER', '0', { cpusPerBuffer: 0 }],
      ['ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE', '1000', { processTableSize: 1000 }],
      ['ROX_COLLECTOR_LOG_FORMAT', 'JSON', { logFormat: 'json' }],
      ['ENABLE_CORE_DUMP', 'true', { coreDump: true }],
      ['ROX_COLLECTOR_HTTP_ADDRESS', '127.0.0.1:0', { httpAddress: '127.0.0.1:0' }],
      ['ROX_COLLECTOR_HTTP_ADDRESS', '[::]:80', { httpAddress: '[::]:80' }],
      ['ROX_COLLECTOR_METRICS_ADDRESS', 'localhost:9', { metricsAddress: 'localhost:9' }],
      ['ROX_COLLECTOR_INTROSPECTION_ENABLE', 'true', { introspection: true }],
      ['ROX_COLLECTOR_INTROSPECTION_ENABLE', 'Loopback', { introspection: 'loopback' }],
      ['ROX_COLLECTOR_INSPECT_HOSTS', 'node-7, node-7.lan', { inspectHosts: ['node-7', 'node-7.lan'] }],
      ['ROX_COLLECTOR_INSPECTOR_URL', 'wss://desk:8080/a?b=c', { inspectorUrl: 'wss://desk:8080/a?b=c' }],
      ['ROX_COLLECTOR_ENABLE_DETAILED_METRICS', 'false', { detailedMetrics: false }],
      ['ROX_COLLECTOR_ENABLE_CONNECTION_STATS', 'false', { connectionStats: false }],
      [
        'ROX_COLLECTOR_CONNECTION_STATS_QUANTILES',
        '0.50, .99,0.5',
        { connectionStatsQuantiles: [0.5, 0.99] },
      ],
      ['ROX_COLLECTOR_CONNECTION_STATS_ERROR', '0.001', { connectionStatsError: 0.001 }],
      ['ROX_COLLECTOR_CONNECTION_STATS_WINDOW', '5', { connectionStatsWindow: 5 }],
      ['ROX_COLLECTOR_BPF_RUN_TIME', 'true', { bpfRunTime: true }],
      ['ROX_COLLECTOR_WATCHDOG_SECONDS', '0', { watchdogSeconds: 0 }],
      ['ROX_COLLECTOR_SOCKET', '/var/c.sock', { socket: '/var/c.sock' }],
      ['ROX_COLLECTOR_SOCKET', '', { socket: '' }],
      ['ROX_COLLECTOR_RUN_DIR', '/var/run/c', { runDir: '/var/run/c' }],
      ['COLLECTOR_HOST_ROOT', '/host/', { hostRoot: '/host' }],
      ['NODE_HOSTNAME', 'worker-1.example', { nodeHostname: 'worker-1.example' }],
      ['ROX_COLLECTOR_TERMINATION_LOG', '/tmp/log', { terminationLog: '/tmp/log' }],
    ];
    for (const [name, text, expected] of samples) {
      it(`${name}=${text}`, () => {
        const { settings, errors } = readSettings([], { [name]: text });
        assert.deepEqual(settings, { ...settingsOf([]), ...expected });
        // That one file of three is not enough is said elsewhere.
        assert.deepEqual(
          errors.filter((error) => !error.startsWith('TLS to Sensor needs')),
          [],
        );
      });
    }

    it('KERNEL_CANDIDATES with all that distributions put into the names of their kernels', () => {
      const names = [
        '5.8.0-1032-gcp~20.04',
        '5.10.133-16919.189.13-cos',
        '4.18.0-305.19.1.el8_4.x86_64',
        'x'.repeat(128),
      ];
      assert.deepEqual(settingsOf([], { KERNEL_CANDIDATES: names.join(' ') }).kernelCandidates, names);
    });

    it('MODULE_DOWNLOAD_BASE_URL with or without TLS, a port, a user and a path', () => {
      for (const url of ['http://[fd00::1]:8080', 'https://user:secret@drivers.example/a/b'])
        assert.equal(settingsOf([], { MODULE_DOWNLOAD_BASE_URL: `${url}//` }).moduleDownloadBaseUrl, url);
    });

    it('and no other than these', () => {
      const declared = declarations.flatMap(([, { environment }]) => environment ?? []);
      assert.deepEqual(new Set(samples.map(([name]) => name)), new Set(declared));
    });

    it('taking an empty one as not set', () => {
      for (const [name, { environment, default: value }] of declarations) {
        if (environment === undefined || ['ignoredNetworks', 'runtimeSockets', 'socket'].includes(name))
          continue;
        assert.deepEqual(settingsOf([], { [environment]: '' })[name as keyof Settings], value, environment);
      }
    });
  });

  it('takes an empty ROX_COLLECTOR_RUNTIME_SOCKETS for no runtime at all', () => {
    assert.deepEqual(settingsOf([], { ROX_COLLECTOR_RUNTIME_SOCKETS: '' }).runtimeSockets, []);
  });

  describe('reads arguments', () => {
    it('as --name=value and as --name value', () => {
      const expected = { ...settingsOf([]), scope: 'all', format: 'compact', record: '/tmp/r=1' };
      assert.deepEqual(settingsOf(['--scope=all', '--format=compact', '--record=/tmp/r=1']), expected);
      assert.deepEqual(
        settingsOf(['--scope', 'all', '--format', 'compact', '--record', '/tmp/r=1']),
        expected,
      );
    });

    it('--help and --version, which take no value', () => {
      const { help, version, scope } = settingsOf(['--help', '--version', '--scope', 'all']);
      assert.deepEqual({ help, version, scope }, { help: true, version: true, scope: 'all' });
    });

    it('the last one when one is given twice', () => {
      assert.equal(settingsOf(['--scope=all', '--scope=containers']).scope, 'containers');
    });

    it('an empty --grpc-server as standalone, whatever the environment says', () => {
      assert.equal(settingsOf(['--grpc-server='], { GRPC_SERVER: 'sensor:443' }).grpcServer, '');
      assert.equal(settingsOf(['--grpc-server', ''], { GRPC_SERVER: 'sensor:443' }).grpcServer, '');
    });

    it('with an optional value, as --name=value only', () => {
      assert.equal(settingsOf(['--inspect', '--replay=a']).inspect, '');
      assert.equal(settingsOf(['--inspect=', '--replay=a']).inspect, '');
      assert.equal(settingsOf(['--replay=a', '--inspect=127.0.0.1:0']).inspect, '127.0.0.1:0');
      assert.deepEqual(errorsOf(['--replay=a', '--inspect', '127.0.0.1:0']), [
        "Unknown argument '127.0.0.1:0': --help lists those that exist",
      ]);
    });

    it('refusing one it does not know, with the closest it knows', () => {
      assert.deepEqual(errorsOf(['--scop=all']), ["Unknown argument '--scop': did you mean --scope?"]);
      assert.deepEqual(errorsOf(['--grpc_server=a:1']), [
        "Unknown argument '--grpc_server': did you mean --grpc-server?",
      ]);
      assert.deepEqual(errorsOf(['--collector-metho=x']), [
        "Unknown argument '--collector-metho': did you mean --collection-method?",
      ]);
      assert.deepEqual(errorsOf(['--quux']), ["Unknown argument '--quux': --help lists those that exist"]);
    });

    it('refusing an unknown one and its value with one error', () => {
      assert.equal(errorsOf(['--quux', 'value']).length, 1);
    });

    it('refusing a word that belongs to no argument', () => {
      assert.deepEqual(errorsOf(['--scope', 'all', 'more']), [
        "Unknown argument 'more': --help lists those that exist",
      ]);
    });

    it('refusing one without its value', () => {
      assert.deepEqual(errorsOf(['--record']), ['Argument --record needs a value: --record=<file>']);
      const { settings, errors } = readSettings(['--record', '--scope=all'], {});
      assert.deepEqual(errors, ['Argument --record needs a value: --record=<file>']);
      assert.equal(settings.scope, 'all');
    });
  });

  describe('reads COLLECTOR_CONFIG', () => {
    it('from the environment', () => {
      const config = JSON.stringify({ logLevel: 'WARNING', scrapeInterval: 7, turnOffScrape: true });
      const expected = { ...settingsOf([]), logLevel: 'warning', scrapeInterval: 7, scrapeDisabled: true };
      assert.deepEqual(settingsOf([], { COLLECTOR_CONFIG: config }), expected);
    });

    it('from --collector-config, which replaces that of the environment', () => {
      const env = { COLLECTOR_CONFIG: '{"scrapeInterval":7,"logLevel":"debug"}' };
      const { scrapeInterval, logLevel } = settingsOf(['--collector-config', '{"scrapeInterval":8}'], env);
      assert.deepEqual({ scrapeInterval, logLevel }, { scrapeInterval: 8, logLevel: 'info' });
    });

    it('taking null as not given', () => {
      const env = { COLLECTOR_CONFIG: '{"scrapeInterval":null}', ROX_COLLECTOR_SCRAPE_INTERVAL: '9' };
      assert.equal(settingsOf([], env).scrapeInterval, 9);
    });

    it('warning of each unknown key by its name', () => {
      assert.deepEqual(
        warningsOf([], { COLLECTOR_CONFIG: '{"scrape":1,"logLevel":"info","x":{"y":2},"__proto__":3}' }),
        [
          "warning: COLLECTOR_CONFIG has an unknown key 'scrape'; it is ignored",
          "warning: COLLECTOR_CONFIG has an unknown key 'x'; it is ignored",
          "warning: COLLECTOR_CONFIG has an unknown key '__proto__'; it is ignored",
        ],
      );
      assert.deepEqual(warningsOf([], { COLLECTOR_CONFIG: '{"tlsConfig":{"caPath":"x"}}' }), [
        "warning: COLLECTOR_CONFIG has an unknown key 'tlsConfig.caPath'; it is ignored",
      ]);
    });

    it('refusing what is no JSON object, and saying where the JSON breaks', () => {
      const [error = '', ...others] = errorsOf([], { COLLECTOR_CONFIG: '{"a":1,}' });
      assert.deepEqual(others, []);
      assert.match(
        error,
        /^Bad value '\{"a":1,\}' for environment variable COLLECTOR_CONFIG: .*position 7.* \(allowed: a JSON object\)$/,
      );
      for (const text of ['[]', '1', 'null', '"x"']) {
        assert.deepEqual(errorsOf([`--collector-config=${text}`]), [
          `Bad value '${text}' for argument --collector-config (allowed: a JSON object)`,
        ]);
      }
    });

    it('refusing what is too deep to be written again', () => {
      const text = `{"logLevel":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
      assert.match(
        errorsOf([], { COLLECTOR_CONFIG: text }).join(),
        /^Bad value '.{100}…' for environment variable COLLECTOR_CONFIG: it has more than 16 levels \(allowed: a JSON object\)$/,
      );
    });

    it('refusing values of the wrong shape', () => {
      for (const value of ['0', '1.5', '-1', '"soon"', 'true', '[1]', '{"a":1}', '{}']) {
        const text = value.replaceAll('"', value.startsWith('"') ? '' : '"');
        assert.deepEqual(errorsOf([], { COLLECTOR_CONFIG: `{"scrapeInterval":${value}}` }), [
          `Bad value '${text}' for key scrapeInterval of COLLECTOR_CONFIG (allowed: a whole number of seconds, 1 to 86400)`,
        ]);
      }
    });
  });

  describe('prefers', () => {
    const environment = {
      ROX_COLLECTOR_SCRAPE_INTERVAL: '9',
      GRPC_SERVER: 'a:1',
      ROX_COLLECTOR_FORMAT: 'compact',
    };
    it('COLLECTOR_CONFIG to the environment', () => {
      assert.equal(settingsOf([], environment).scrapeInterval, 9);
      assert.equal(
        settingsOf([], { ...environment, COLLECTOR_CONFIG: '{"scrapeInterval":8}' }).scrapeInterval,
        8,
      );
    });

    it('an argument to the environment', () => {
      const { grpcServer, format } = settingsOf(['--grpc-server=b:2', '--format=json'], environment);
      assert.deepEqual({ grpcServer, format }, { grpcServer: 'b:2', format: 'json' });
    });

    it('what is preferred without sparing the rest from validation', () => {
      assert.deepEqual(errorsOf(['--scope=all'], { ROX_COLLECTOR_SCOPE: 'pods' }), [
        "Bad value 'pods' for environment variable ROX_COLLECTOR_SCOPE (allowed: containers or all)",
      ]);
    });
  });

  describe('refuses', () => {
    const bad: Readonly<Record<string, readonly string[]>> = {
      ROX_COLLECTOR_LOG_LEVEL: ['loud', '3'],
      COLLECTION_METHOD: ['corebpf', 'EBPF2'],
      GRPC_SERVER: [
        'sensor',
        'sensor:',
        ':443',
        'sensor:0',
        'sensor:65536',
        'http://sensor:443',
        'a b:443',
        `${'x'.repeat(252)}:443`,
      ],
      KERNEL_CANDIDATES: ['../5.4', '5.4/../..', '.5', 'x'.repeat(129), '5.4;rm'],
      ROX_COLLECTOR_KERNEL_MODULES_DIR: ['modules'],
      ROX_COLLECTOR_MODULE_DIR: ['./module'],
      MODULE_DOWNLOAD_BASE_URL: ['drivers.example', 'ftp://drivers.example', 'https://a/?b', 'https://'],
      SNI_HOSTNAME: ['two words', 'x'.repeat(254)],
      ROX_COLLECTOR_TLS_CERTS: ['a\0b'],
      ROX_COLLECTOR_TLS_CA: ['a\0b'],
      ROX_COLLECTOR_TLS_CLIENT_CERT: ['a\0b'],
      ROX_COLLECTOR_TLS_CLIENT_KEY: ['a\0b'],
      ROX_COLLECTOR_SIGNAL_QUEUE_SIZE: ['0', '65535', '16M', '1073741825'],
      ROX_COLLECTOR_SCOPE: ['pods'],
      ROX_COLLECTOR_FORMAT: ['xml'],
      ROX_COLLECTOR_SCRAPE_INTERVAL: ['0', '-1', '1.5', '30s', '1e3', '0x10', ' 5', '86401'],
      ROX_COLLECTOR_SCRAPE_DISABLED: ['yes', '1'],
      ROX_ENABLE_AFTERGLOW: ['on'],
      ROX_AFTERGLOW_PERIOD: ['-1', '-0.5', 'long', '1e2', 'Infinity', 'NaN'],
      ROX_IGNORE_NETWORKS: ['10.0.0.0', '10.0.0.0/33', 'fe80::/129'],
      ROX_NON_AGGREGATED_NETWORKS: ['all'],
      ROX_COLLECTOR_EXTERNAL_IPS_ENABLE: ['0', 'both'],
      ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: ['0'],
      ROX_COLLECTOR_CONFIG_PATH: ['a\0b'],
      ROX_COLLECTOR_RUNTIME_SOCKETS: ['a.sock'],
      ROX_NETWORK_GRAPH_PORTS: ['0'],
      ROX_PROCESSES_LISTENING_ON_PORT: ['0'],
      ROX_COLLECT_CONNECTION_STATUS: ['0'],
      ROX_NETWORK_DROP_IGNORED: ['0'],
      ROX_COLLECTOR_TRACK_SEND_RECV: ['0'],
      ROX_COLLECTOR_UDP_LISTENERS: ['0'],
      ROX_COLLECTOR_DISABLE_NETWORK_FLOWS: ['0'],
      ROX_COLLECTOR_NO_PROCESS_ARGUMENTS: ['0'],
      ROX_COLLECTOR_SINSP_BUFFER_SIZE: ['0', '2048', '4097', '12288', '8M', '2147483648'],
      ROX_COLLECTOR_SINSP_TOTAL_BUFFER_SIZE: ['0', '4095', '9'.repeat(30)],
      ROX_COLLECTOR_SINSP_CPU_PER_BUFFER: ['-1', '8193'],
      ROX_COLLECTOR_SINSP_THREAD_CACHE_SIZE: ['0', '4194305'],
      ROX_COLLECTOR_LOG_FORMAT: ['xml'],
      ROX_COLLECTOR_HTTP_ADDRESS: ['8080', ':8080', '0.0.0.0', '0.0.0.0:65536', '::1:80', '1.2.3.4:00'],
      ROX_COLLECTOR_METRICS_ADDRESS: ['none'],
      ROX_COLLECTOR_INTROSPECTION_ENABLE: ['1', 'lo'],
      ROX_COLLECTOR_INSPECT_HOSTS: ['a b', 'http://a'],
      ROX_COLLECTOR_INSPECTOR_URL: ['http://desk', 'desk:8080', 'ws://', 'ws://desk/#a'],
      ROX_COLLECTOR_ENABLE_DETAILED_METRICS: ['1'],
      ROX_COLLECTOR_ENABLE_CONNECTION_STATS: ['1'],
      ROX_COLLECTOR_CONNECTION_STATS_QUANTILES: ['0', '1', '50', '-0.5', '1e-1', 'median', ','],
      ROX_COLLECTOR_CONNECTION_STATS_ERROR: ['0', '0.5', '1', '-0.01'],
      ROX_COLLECTOR_CONNECTION_STATS_WINDOW: ['0', '1441', '1.5'],
      ROX_COLLECTOR_BPF_RUN_TIME: ['1'],
      ROX_COLLECTOR_WATCHDOG_SECONDS: ['-1', '3601', '20s'],
      ROX_COLLECTOR_SOCKET: ['run/c.sock'],
      ROX_COLLECTOR_RUN_DIR: ['run'],
      ENABLE_CORE_DUMP: ['maybe', '2'],
      COLLECTOR_HOST_ROOT: ['host', './host'],
      NODE_HOSTNAME: ['two words', 'a\nb', 'x'.repeat(254)],
      ROX_COLLECTOR_TERMINATION_LOG: ['log'],
    };

    for (const [name, texts] of Object.entries(bad)) {
      it(`a bad ${name}, naming value, place and what is allowed`, () => {
        for (const text of texts) {
          const errors = errorsOf([], { [name]: text });
          assert.equal(errors.length, 1, `${text}: ${errors.join()}`);
          const [error = ''] = errors;
          assert.ok(error.startsWith(`Bad value '${text.slice(0, 100)}`), error);
          assert.ok(error.includes(` for environment variable ${name} (allowed: `), error);
        }
      });
    }

    it('every variable that has rules, in the tests above', () => {
      const declared = declarations.flatMap(([, { environment }]) => environment ?? []);
      assert.deepEqual(new Set(Object.keys(bad)), new Set(declared));
    });

    it('all bad values together', () => {
      const everything = Object.fromEntries(Object.entries(bad).map(([name, [text = '']]) => [name, text]));
      const errors = errorsOf(['--scope=pods', '--quux'], {
        ...everything,
        COLLECTOR_CONFIG: '{"turnOffScrape":3}',
      });
      assert.equal(errors.length, Object.keys(bad).length + 3);
    });

    it('one network of a list by its own name', () => {
      assert.deepEqual(errorsOf([], { ROX_IGNORE_NETWORKS: '10.0.0.0/8,10.1.0.0/99,fe80::/10' }), [
        "Bad value '10.1.0.0/99' for environment variable ROX_IGNORE_NETWORKS " +
          '(allowed: networks in CIDR form, such as 10.0.0.0/8 or fd00::/8; separated by commas)',
      ]);
    });

    it('an empty path to record to', () => {
      assert.deepEqual(errorsOf(['--record=']), [
        "Bad value '' for argument --record (allowed: the path of a file)",
      ]);
    });

    it('to replay and record at once', () => {
      assert.deepEqual(errorsOf(['--replay=a', '--record=b']), [
        'Argument --replay excludes --record: a replay would only record itself',
      ]);
    });

    it('to inspect nothing but a replay, and at no address that is none', () => {
      assert.match(
        errorsOf(['--inspect']).join(),
        /^Argument --inspect goes with --replay only; to watch a live run/,
      );
      assert.deepEqual(errorsOf(['--replay=a', '--inspect=8080']), [
        "Bad value '8080' for argument --inspect (allowed: host:port, such as 127.0.0.1:8080, or 127.0.0.1:0 for any port that is free)",
      ]);
    });

    it('to replay to a Sensor, wherever its address comes from', () => {
      for (const errors of [
        errorsOf(['--replay=a', '--grpc-server=b:1']),
        errorsOf(['--replay=a'], { GRPC_SERVER: 'b:1' }),
      ]) {
        assert.equal(errors.length, 1);
        assert.match(errors[0] ?? '', /^Argument --replay excludes a Sensor \('b:1'\)/);
      }
      assert.deepEqual(errorsOf(['--replay=a', '--grpc-server='], { GRPC_SERVER: 'b:1' }), []);
    });
  });

  describe('treats afterglow', () => {
    it('over 300 s as 300 s, with a warning', () => {
      const { settings, warnings } = readSettings([], { ROX_AFTERGLOW_PERIOD: '301' });
      assert.equal(settings.afterglowPeriod, 300);
      assert.deepEqual(warnings, [
        {
          level: 'warning',
          message: 'ROX_AFTERGLOW_PERIOD is 301 s; the longest period, 300 s, is used instead',
        },
      ]);
      assert.deepEqual(warningsOf([], { ROX_AFTERGLOW_PERIOD: '300' }), []);
    });

    it('of 0 s as disabled, with an error line that stops nothing', () => {
      const { settings, warnings, errors } = readSettings([], { ROX_AFTERGLOW_PERIOD: '0' });
      assert.equal(settings.afterglow, false);
      assert.deepEqual(
        warnings.map(({ level }) => level),
        ['error'],
      );
      assert.deepEqual(errors, []);
    });

    it('that is disabled anyway without a word', () => {
      for (const ROX_AFTERGLOW_PERIOD of ['0', '301']) {
        assert.deepEqual(warningsOf([], { ROX_ENABLE_AFTERGLOW: 'false', ROX_AFTERGLOW_PERIOD }), []);
      }
    });
  });

  it('keeps the host out of what goes to Sensor, and says so', () => {
    const { settings, warnings } = readSettings(['--scope=all', '--grpc-server=sensor:443'], {});
    assert.equal(settings.scope, 'containers');
    assert.match(warnings.map(({ message }) => message).join(), /ROX_COLLECTOR_SCOPE is all.*standalone/);
  });

  it('refuses to check a replay', () => {
    assert.equal(errorsOf(['--check', '--replay=a']).length, 1);
  });

  it('warns of a buffer that the largest record cannot pass', () => {
    assert.match(
      warningsOf([], { ROX_COLLECTOR_SINSP_BUFFER_SIZE: '16384' }).join(),
      /^warning: .*use at least 32768$/,
    );
    assert.deepEqual(warningsOf([], { ROX_COLLECTOR_SINSP_BUFFER_SIZE: '32768' }), []);
  });

  it('takes any command line and environment without throwing', () => {
    const names = declarations.flatMap(([, { environment }]) => environment ?? []);
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        ...declarations.flatMap(([, { argument }]) => argument ?? []),
        '--',
        '=',
        '--=',
        '--scope=',
      ),
    );
    const environment = fc.dictionary(
      fc.constantFrom(...names, 'COLLECTOR_CONFIG'),
      fc.oneof(fc.string(), fc.json()),
    );
    fc.assert(
      fc.property(fc.array(word), environment, (argv, env) => {
        const { settings } = readSettings(Object.freeze(argv), Object.freeze(env));
        assert.equal(Object.keys(settings).length, declarations.length);
      }),
    );
  });
});
