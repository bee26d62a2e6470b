import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { ask } from '../http/support.js';
import { Collector, runToEnd, type Ended } from '../support/collector.js';
import { Container, wire, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { samplesIn, type Samples } from '../support/exposition.js';
import { CONTAINERS, curlCommands, guide, headings, metricNames } from '../support/guide.js';
import { notWritten, section } from '../support/operations.js';
import { isRoot, requires } from '../support/requirements.js';
import { assertNothingBetween } from '../support/diagnostics.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { scratchFolder, workload } from '../support/workload.js';

type Heading = (typeof headings)[number];

/** A start that failed, and what Kubernetes is told of it. */
type Failed = Ended & { readonly lastWords: string };

/** Nothing takes connections there. */
const NO_SENSOR = '127.0.0.1:1';
/** 30 attempts, one a second, and what starting takes. */
const FAILING_MS = 80_000;
/** A few reports, of one second each, or a stream that opens again. */
const REPORTING_MS = 20_000;
const MODULE_VERSION = '2.2.0';
/** Executions of one and the same command, of which ten are told. */
const SAME = 20;
/** Enough to leave something on the heap. */
const EXECS = '3000';
const CONNECTIONS = '50';
const NETWORKS = ['10.0.0.0/8', '192.0.2.0/24'];
const PUBLIC_IPS = ['203.0.113.7'];
/** What the walk runs of the page; other programs want a cluster, or a quiet machine. */
const RUN_HERE = /^(curl|go) /;

const diagnostics = (sensor: boolean, driver: boolean, loaded: boolean): RegExp[] => [
  /^\[INFO {4}\] == Collector Startup Diagnostics: ==$/,
  new RegExp(`^\\[INFO {4}\\]  Connected to Sensor\\? {7}${sensor}$`),
  new RegExp(`^\\[INFO {4}\\]  Kernel driver available\\? {3}${driver}$`),
  new RegExp(`^\\[INFO {4}\\]  Driver loaded into kernel\\? ${loaded}$`),
  /^\[INFO {4}\] ====================================$/,
];

describe('The troubleshooting guide, walked from its first section to its last', function () {
  this.timeout(60_000);
  const keep = resources();
  let sensor: TestSensor;
  let collector: Collector;
  let calling: Container;
  let listening: Container;
  let port: number;
  let failing: Promise<Readonly<Record<'sensor' | 'driver' | 'load', Failed>>>;

  before(async function () {
    requires(this, isRoot, 'no root');
    failing = starts();
    // Whoever waits for it hears of an error; until then it is nobody's.
    failing.catch(() => undefined);
    calling = await keep(Container.create({ startOfId: CONTAINERS.calling }));
    listening = await keep(Container.create({ startOfId: CONTAINERS.listening }));
    wire(calling, listening);
    sensor = await keep(TestSensor.start({ control: { networks: NETWORKS, publicIps: PUBLIC_IPS } }));
    collector = await keep(
      Collector.start([], {
        sensor,
        env: {
          NODE_HOSTNAME: 'worker-1',
          ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
          ROX_ENABLE_AFTERGLOW: 'false',
          ROX_COLLECTOR_INTROSPECTION_ENABLE: 'true',
          ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
        },
      }),
    );
    await sensor.opens('network');
    const serving = await listening.start('serve', WIRE.v4[1], '1');
    port = Number(await serving.said('listening'));
    const call = await calling.start('connect', WIRE.v4[1], String(port));
    await call.said('connected');
  });

  after(async () => {
    // They end by themselves, and are not to outlive the specs.
    await failing.catch(() => undefined);
  });

  /** The starts that fail, side by side, since two of them try for half a minute. */
  async function starts() {
    const sensor = await keep(TestSensor.start());
    const run = async (name: string, method: string, address = sensor.address): Promise<Failed> => {
      const [local, target] = ['kernel-modules', 'module'].map((folder) =>
        path.join(scratchFolder(), 'guide', name, folder),
      ) as [string, string];
      for (const folder of [local, target]) mkdirSync(folder, { recursive: true });
      writeFileSync(path.join(local, 'MODULE_VERSION.txt'), `${MODULE_VERSION}\n`);
      const notOne = readFileSync(process.execPath).subarray(0, 1000);
      if (name === 'load') writeFileSync(path.join(local, `collector-${release()}.ko.gz`), gzipSync(notOne));
      const log = path.join(target, 'termination-log');
      writeFileSync(log, '');
      const env = {
        COLLECTION_METHOD: method,
        ROX_COLLECTOR_KERNEL_MODULES_DIR: local,
        ROX_COLLECTOR_MODULE_DIR: target,
        ROX_COLLECTOR_TERMINATION_LOG: log,
      };
      const ended = await runToEnd([`--grpc-server=${address}`], { env }, FAILING_MS);
      return { ...ended, lastWords: readFileSync(log, 'utf8') };
    };
    const [noSensor, noDriver, notLoaded] = await Promise.all([
      run('sensor', 'core_bpf', NO_SENSOR),
      run('driver', 'ebpf'),
      run('load', 'kernel_module'),
    ]);
    return { sensor: noSensor, driver: noDriver, load: notLoaded };
  }

  /** Makes connections that end at once. */
  async function connect(): Promise<void> {
    const many = await listening.start('serve', WIRE.v4[1], CONNECTIONS);
    await calling.run('connections', CONNECTIONS, WIRE.v4[1], await many.said('listening'));
  }

  /**
   * Runs the commands of a section of the page's, as they stand there; what each answered.
   * @param meanwhile runs between the first and the second
   */
  async function answers(heading: Heading, meanwhile?: () => Promise<unknown>): Promise<string[]> {
    const [first, ...others] = section(heading).commands.filter((command) => RUN_HERE.test(command));
    assert.ok(first !== undefined, `docs/operations.md, '${heading}', has a command`);
    const given = [(await guide(collector, first)).toString()];
    await meanwhile?.();
    for (const command of others) given.push((await guide(collector, command)).toString());
    return given;
  }

  /** The samples that the commands of a section find, as soon as `look` is content; the page shows the like of them. */
  async function samples(heading: Heading, look: (found: Samples) => boolean): Promise<Samples> {
    const text = await eventually(
      async () => {
        const given = (await answers(heading)).join('');
        return look(samplesIn(given)) && given;
      },
      `what '${heading}' tells of`,
      REPORTING_MS,
    );
    assertShown(heading, text);
    return samplesIn(text);
  }

  /** Asserts that the program writes what the page shows. */
  function assertShown(heading: Heading, output: string): void {
    const missing = notWritten(section(heading), output);
    assert.deepEqual(missing, [], `docs/operations.md, '${heading}':\n${output}`);
  }

  /** Asserts that lines follow one another; times are left out. */
  function assertSaid(log: string, steps: readonly RegExp[]): void {
    const lines = log.split('\n').map((line) => line.replace(/^(\[[A-Z]+ *)\d\S+ \S+\]/, '$1]'));
    let at = -1;
    for (const step of steps) {
      const next = lines.findIndex((line, index) => index > at && step.test(line));
      assert.ok(next > at, `${step.source} comes next:\n${log}`);
      at = next;
    }
  }

  describe('Collector Start Up', () => {
    it('is told step by step, and ends with three times true', async () => {
      await collector.shows(
        () => 'the self-check',
        () => collector.stderr.includes('Self-check'),
      );
      assertSaid(collector.stderr, [
        /^Collector Version: /,
        /^OS: /,
        /^Kernel Version: /,
        /^Starting StackRox Collector\.\.\.$/,
        /\] Hostname: 'worker-1'$/,
        new RegExp(`\\] Sensor configured at address: ${sensor.address}$`),
        /\] Attempting to connect to Sensor$/,
        /\] Successfully connected to Sensor\.$/,
        ...diagnostics(true, true, true),
        /\] Self-check passed/,
      ]);
      assertShown('Collector Start Up', collector.stderr);
      assert.equal(collector.stdout, '');
    });
  });

  describe('Common Error Conditions', function () {
    this.timeout(FAILING_MS);

    it('Unable to Connect to Sensor', async () => {
      const { code, stderr } = (await failing).sensor;
      assert.equal(code, 1);
      assertSaid(stderr, [
        /\] Sensor configured at address: 127\.0\.0\.1:1$/,
        /\] Attempting to connect to Sensor$/,
        ...diagnostics(false, false, false),
        /^\[ERROR +\] Cause: /,
        /^\[ERROR +\] Remedy: /,
        /^\[FATAL +\] Unable to connect to Sensor/,
      ]);
      assertShown('Unable to Connect to Sensor', stderr);
    });

    it('No Kernel Driver Available', async () => {
      const { code, stderr } = (await failing).driver;
      assert.equal(code, 1);
      const name = `collector-ebpf-${release()}.o`;
      assertSaid(stderr, [
        /\] Successfully connected to Sensor\.$/,
        /\] Module version: 2\.2\.0$/,
        /\] Attempting to find kernel module - Candidate kernel versions:$/,
        new RegExp(`\\] ${release()}$`),
        new RegExp(`\\] Local storage does not contain ${name}$`),
        new RegExp(`\\] Attempting to download kernel object from .*/kernel-objects/2\\.2\\.0/${name}\\.gz$`),
        /^\[WARNING +\] \[Throttled\] Unexpected HTTP request failure \(HTTP 404\)/,
        new RegExp(`^\\[WARNING +\\] Attempted to download ${name}\\.gz 30 time\\(s\\)$`),
        new RegExp(`^\\[WARNING +\\] Failed to download from ${name}\\.gz$`),
        new RegExp(
          `^\\[WARNING +\\] Unable to download kernel object ${name} to .*/module/collector\\.o\\.gz$`,
        ),
        new RegExp(`^\\[ERROR +\\] Error getting kernel object: ${name}$`),
        ...diagnostics(true, false, false),
        /^\[ERROR +\] Cause: .*HTTP 404/,
        /^\[ERROR +\] Remedy: Set COLLECTION_METHOD to core_bpf/,
        new RegExp(`^\\[FATAL +\\] No suitable kernel object downloaded for kernel ${release()}$`),
      ]);
      assertShown('No Kernel Driver Available', stderr);
    });

    it('Failed to load the Kernel Driver', async () => {
      const { code, stderr } = (await failing).load;
      assert.equal(code, 1);
      assertSaid(stderr, [
        /\] Inserting kernel module .*collector\.ko with indefinite removal and retry if required\.$/,
        /^\[ERROR +\] Error inserting kernel module: .*collector\.ko: .+\. Aborting\.\.\.$/,
        /^\[ERROR +\] Failed to insert kernel module$/,
        /^\[ERROR +\] Failed to setup Kernel module$/,
        ...diagnostics(true, true, false),
        /^\[FATAL +\] Failed to initialize collector kernel components\.$/,
      ]);
      assertShown('Failed to load the Kernel Driver', stderr);
    });

    it('Pod Status has the last word of the log, the cause and the remedy', async () => {
      const { driver, sensor, load } = await failing;
      assertShown('Pod Status', driver.lastWords);
      for (const { lastWords, stderr } of [driver, sensor, load]) {
        const [last, ...below] = lastWords.trimEnd().split('\n');
        assert.ok(stderr.endsWith(`] ${last}\n`), lastWords);
        assertNothingBetween(stderr);
        assert.deepEqual(
          below.map((line) => line.split(':')[0]),
          ['Cause', 'Remedy'],
        );
      }
    });
  });

  describe('Troubleshooting using performance counters', () => {
    const counter = (name: string) => `rox_collector_counters{type="${name}"}`;
    const event = (name: string) => `rox_collector_events{type="${name}"}`;
    const timer = (name: string) => `rox_collector_timers{type="${name}"}`;

    before(async function () {
      await listening.run('execs', '100');
      for (let time = 0; time < SAME; time++) await listening.run('exec', workload(), 'exit', 'again');
      await connect();
      const streams = sensor.opened('network').length;
      sensor.double.hangUp('network');
      await sensor.opens('network', streams + 1);
    });

    it('tells of everything that was lost, and nothing was', async () => {
      const found = await samples('Troubleshooting using performance counters', ({ size }) => size > 3);
      assert.deepEqual(
        [...found].filter(([, value]) => value !== 0),
        [],
      );
    });

    it('Network status notifier timers', async () => {
      const names = metricNames['Network status notifier timers']!;
      const ran = names.filter((name) => name !== 'process_info_wait');
      const found = await samples('Network status notifier timers', (found) =>
        ran.every((name) => found.get(timer(`${name}_events`))! > 0),
      );
      for (const name of names) {
        const [events, total, mean] = ['events', 'us_total', 'us_avg'].map((suffix) =>
          found.get(timer(`${name}_${suffix}`)),
        ) as [number, number, number];
        const expected = events === 0 ? 0 : total / events;
        // Both are whole numbers.
        assert.ok(Math.abs(mean - expected) <= 1, `${name}: ${total} / ${events} is ${mean}`);
      }
      assert.equal(found.get(timer('process_info_wait_events')), 0);
    });

    it('Network status notifier counters', async () => {
      const still = ['process_info_miss', 'rate_limit_flushing_counts'];
      const names = metricNames['Network status notifier counters']!;
      const found = await samples('Network status notifier counters', (found) =>
        names.every((name) => still.includes(name) || found.get(counter(name))! > 0),
      );
      assert.deepEqual(
        names.filter((name) => !Number.isFinite(found.get(counter(name)))),
        [],
      );
      assert.equal(found.get(counter('net_known_ip_networks')), NETWORKS.length);
      assert.equal(found.get(counter('net_known_public_ips')), PUBLIC_IPS.length);
      // An open and a close on either side of each.
      assert.ok(found.get(counter('net_conn_updates'))! >= 200);
      assert.ok(found.get(counter('net_conn_inactive'))! >= 100);
      // They look alike, but for the container's direction.
      assert.ok(found.get(counter('net_conn_deltas'))! < 50);
      assert.ok(found.get(counter('process_lineage_counts'))! >= 110);
    });

    it('system_inspector counters', async () => {
      const moving = ['kernel', 'userspace', 'threadCacheSize', 'processSent', 'grpcSendFailures'];
      const found = await samples('system_inspector counters', (found) =>
        [...moving, 'processRateLimitCount'].every((name) => found.get(event(name))! > 0),
      );
      const names = metricNames['system_inspector counters']!.map((name) =>
        event(name.replace('[syscall]', '[execve<]')),
      );
      assert.deepEqual(
        names.filter((name) => !Number.isFinite(found.get(name))),
        [],
      );
      assert.ok(found.get(event('kernel'))! >= found.get(event('processSent'))! + 200);
      assert.ok(found.get(event('userspace[execve<]'))! >= 100 + SAME);
      assert.ok(found.get(event('processSent'))! >= 110);
      assert.ok(found.get(event('processRateLimitCount'))! >= SAME - 10);
      assert.ok(found.get(event('parse_micros[execve<]'))! > 0);
      assert.ok(found.get(event('process_micros[execve<]'))! > 0);
      assert.equal(found.get(event('processResolutionFailuresByTinfo')), 0);
    });

    it('system_inspector timers per syscall', async () => {
      const accept = 'event_dir="<",event_type="accept"';
      const found = await samples('system_inspector timers per syscall', ({ size }) => size > 0);
      const [count, total, mean] = [
        `rox_collector_events_typed{${accept},quantity="userspace"}`,
        `rox_collector_event_times_us_total{${accept},step="process"}`,
        `rox_collector_event_times_us_avg{${accept},step="process"}`,
      ].map((name) => found.get(name)) as [number, number, number];
      assert.ok(count >= 51, `${count}`);
      assert.ok(total > 0 && Math.abs(mean - total / count) < 1, `${total} / ${count} is ${mean}`);
    });

    it('leaves the timers per syscall out if told to', async () => {
      const env = { ROX_COLLECTOR_ENABLE_DETAILED_METRICS: 'false' };
      const brief = await keep(Collector.start([], { env }));
      const { text } = await ask(brief.address('Metrics'), '/metrics');
      assert.match(text, /^rox_collector_events\{type="userspace"\} /m);
      assert.doesNotMatch(text, /\[execve<\]|rox_collector_event_times_us|rox_collector_events_typed/);
      await brief.stop();
    });

    it('Process lineage statistics', async () => {
      const found = await samples('Process lineage statistics', ({ size }) => size > 0);
      const info = (name: string) => `rox_collector_process_lineage_info{type="${name}"}`;
      for (const name of metricNames['Process lineage statistics']!)
        assert.ok(found.get(info(name))! > 0, name);
      // One scrape, since the counters go on.
      const scrape = samplesIn((await ask(collector.address('Metrics'), '/metrics')).text);
      const bytes = scrape.get(counter('process_lineage_string_total'))!;
      const mean = bytes / scrape.get(counter('process_lineage_counts'))!;
      assert.ok(Math.abs(scrape.get(info('lineage_avg_string_len'))! - mean) < 1e-6, `${mean}`);
    });

    describe('Connection statistics', () => {
      const kind = 'dir="out",peer="private"';

      before(async () => {
        // A rate begins with the second interval.
        await samples(
          'Total number of known connections',
          (found) => found.get(`rox_connections_total_count{${kind}}`)! > 1,
        );
        await connect();
      });

      for (const [heading, name] of [
        ['Total number of known connections', 'rox_connections_total'],
        ['Rate of connection creation', 'rox_connections_rate'],
      ] as const) {
        it(heading, async () => {
          const found = await samples(
            heading,
            (found) => found.get(`${name}_count{${kind}}`)! > 2 && found.get(`${name}_sum{${kind}}`)! > 0,
          );
          for (const dir of ['in', 'out'])
            for (const peer of ['private', 'public'])
              for (const quantile of ['0.5', '0.9', '0.95'])
                assert.ok(found.get(`${name}{dir="${dir}",peer="${peer}",quantile="${quantile}"}`)! >= 0);
          assert.equal(found.get(`${name}_sum{dir="out",peer="public"}`), 0);
        });
      }
    });
  });

  describe('Troubleshooting using gperftools', () => {
    it('gives a heap profile that pprof reads', async function () {
      requires(this, spawnSync('go', ['version']).status === 0, 'no go, which brings pprof');
      const [on, off, , shown] = await answers('Troubleshooting using gperftools', () =>
        listening.run('execs', EXECS),
      );
      assert.match(on!, /"heap":"on"/);
      assert.match(off!, /"heap":"off"/);
      assert.match(shown!, /^Type: inuse_space$/m);
      const missing = notWritten(section('Troubleshooting using gperftools'), shown!);
      // Which functions there are depends on the moment.
      assert.deepEqual(
        missing.filter((line) => !/^ +\d/.test(line)),
        [],
        shown,
      );
    });

    it('answers the commands of the guide, word for word', async () => {
      const [on, off, result] = curlCommands;
      await guide(collector, on);
      await guide(collector, off);
      const profile = await guide(collector, result);
      assert.deepEqual([...profile.subarray(0, 2)], [0x1f, 0x8b], 'it is gzipped');
    });
  });

  describe('Introspection endpoints', () => {
    it('Container metadata endpoint', async () => {
      const given = await answers('Container metadata endpoint');
      assert.equal(given.length, 2);
      for (const answer of given) {
        const shown = JSON.parse(answer) as Record<string, string>;
        assert.equal(shown['container_id'], CONTAINERS.listening);
        assert.equal(shown['namespace'], '');
        assert.ok(shown['cgroup']!.includes(listening.id));
        assertShown('Container metadata endpoint', answer);
      }
    });

    it('Network endpoint', async () => {
      const [connections, endpoints] = await answers('Network endpoint');
      const of = (answer: string, container: string) =>
        (JSON.parse(answer) as Record<string, Record<string, unknown>[]>)[container]!;
      const [connection, ...others] = of(connections!, CONTAINERS.calling);
      assert.deepEqual(others, []);
      const { active, l4proto, to } = connection!;
      assert.deepEqual([active, l4proto, connection!['port'], to], [true, 'TCP', port, WIRE.v4[1]]);
      assert.match(connections!, new RegExp(`^ {2}"${CONTAINERS.calling}" :`, 'm'));
      assert.match(connections!, /^ {6}"active" : true,$/m);
      assert.deepEqual(
        of(endpoints!, CONTAINERS.listening).map((endpoint) => [endpoint['port'], endpoint['active']]),
        [[port, true]],
      );
      assertShown('Network endpoint', connections! + endpoints!);
    });
  });

  it('has had every command of the page run that can be run here', () => {
    const walked: readonly Heading[] = [
      'Troubleshooting using performance counters',
      'Network status notifier timers',
      'Network status notifier counters',
      'system_inspector counters',
      'system_inspector timers per syscall',
      'Process lineage statistics',
      'Total number of known connections',
      'Rate of connection creation',
      'Troubleshooting using gperftools',
      'Container metadata endpoint',
      'Network endpoint',
    ];
    assert.deepEqual(
      headings.filter((heading) => section(heading).commands.some((command) => RUN_HERE.test(command))),
      walked,
    );
  });
});
