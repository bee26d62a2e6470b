import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Metrics } from '../../actors/telemetry/metrics.js';
import {
  counterHelp,
  procfsHelp,
  timerNames,
  type Sources,
  type TimerName,
} from '../../actors/telemetry/publication.js';
import { Stopwatch } from '../../actors/telemetry/stopwatch.js';
import { WindowSummary } from '../../actors/telemetry/window-summary.js';
import { samplesIn, type Samples } from '../support/exposition.js';
import { requires } from '../support/requirements.js';

const QUANTILES = [0.5, 0.9];

/** Sources whose values all differ, so that none can stand for another. */
function sources(options: Partial<Sources> = {}): Sources {
  let next = 100;
  const numbers = <Name extends string>(help: Readonly<Record<Name, string>>) => {
    const values = Object.fromEntries(Object.keys(help).map((name) => [name, next++]));
    return () => values as Record<Name, number>;
  };
  const timers = Object.fromEntries(
    timerNames.map((name) => {
      const stopwatch = new Stopwatch();
      stopwatch.add(1);
      stopwatch.add(next++);
      return [name, stopwatch];
    }),
  ) as Readonly<Record<TimerName, Stopwatch>>;
  const summary = (...values: number[]) => {
    const made = new WindowSummary(
      QUANTILES.map((quantile) => ({ quantile, error: 0.01 })),
      60,
    );
    values.forEach((value, time) => made.observe(value, time));
    return made;
  };
  const program = { events: 40, lost: 4, skipped: 3, failed: 2, overShare: 0, missed: 1, runs: 0, runNs: 0 };
  return {
    version: '1.2.3',
    programs: () => [
      { program: 'process_exec', ...program },
      { program: 'socket_state', ...program },
    ],
    tables: () => [{ name: 'processes', entries: 9, capacity: 10, evicted: 7 }],
    losses: () => [{ stage: 'sensor', cause: 'queue_full', count: 17 }],
    readers: () => ({ replaced: 18, leftBehind: 19 }),
    streams: () => [
      { name: 'signals', state: 'open', breaks: 2 },
      { name: 'network', state: 'backing off', breaks: 3 },
    ],
    queue: () => ({ waiting: 11, bytes: 12, capacity: 13, repeated: 14 }),
    selfCheckPassed: () => true,
    timer: (name) => timers[name],
    counters: numbers(counterHelp),
    procfs: numbers(procfsHelp),
    signals: () => ({ sent: 21, dropped: 22, limited: 23 }),
    events: () => [
      { name: 'execve', count: 4, times: { parse: 8, process: 20 } },
      { name: 'close', count: 0, times: { parse: 0, process: 0 } },
    ],
    lineage: () => ({ signals: 4, ancestors: 6, squares: 10, bytes: 40, byteSquares: 500 }),
    threadCache: () => ({ size: 31, evicted: 7 }),
    peers: () => [{ direction: 'in', peer: 'private', total: summary(101, 102, 103), rate: summary(0.5) }],
    quantiles: QUANTILES,
    suppressedLogLines: () => 41,
    droppedLogLines: () => 42,
    shortages: new Map([['EMFILE', 43]]),
    connectionsCut: () => 44,
    stalls: () => 43,
    ...options,
  };
}

async function exposition(options: Partial<Sources> = {}, detailed = true): Promise<string> {
  const metrics = new Metrics();
  metrics.watch(sources(options), detailed);
  metrics.durations.tick(0.01);
  metrics.durations.scan('sockets', 0.02);
  return metrics.text();
}

describe('The metrics', () => {
  let samples: Samples;

  before(async () => {
    samples = samplesIn(await exposition());
  });

  it('have every timer of the guide, by both of its spellings', () => {
    const given = sources();
    for (const name of timerNames) {
      const { microseconds } = given.timer(name);
      const of = (suffix: string) => samples.get(`rox_collector_timers{type="${name}${suffix}"}`);
      assert.equal(of('_events'), 2, name);
      for (const spelling of ['_us', '_times_us']) {
        assert.ok(of(`${spelling}_total`)! > 1000 && of(`${spelling}_avg`)! > 500, name);
        assert.equal(of(`${spelling}_avg`), Math.round(of(`${spelling}_total`)! / 2), name);
      }
      assert.equal(of('_us_total')! % 1000, microseconds % 1000);
    }
  });

  it('have every counter of the guide', () => {
    const { counters, procfs } = sources();
    for (const [name, value] of Object.entries({ ...counters(), ...procfs() }))
      assert.equal(samples.get(`rox_collector_counters{type="${name}"}`), value, name);
    for (const [name, value] of Object.entries(procfs()))
      assert.equal(samples.get(`rox_collector_events{type="${name}"}`), value, name);
  });

  for (const [type, value] of Object.entries({
    kernel: 80,
    drops: 8 + 4 + 2 + 7,
    ringbufferDrops: 8,
    threadCacheDrops: 7,
    preemptions: 2,
    userspace: 4,
    grpcSendFailures: 5,
    threadCacheSize: 31,
    processSent: 21,
    processSendFailures: 22,
    processResolutionFailuresByEvt: 2,
    processResolutionFailuresByTinfo: 0,
    processRateLimitCount: 23,
    'userspace[execve<]': 4,
    'parse_micros[execve<]': 8,
    'process_micros[execve<]': 20,
  })) {
    it(`have ${type} among the events`, () => {
      assert.equal(samples.get(`rox_collector_events{type="${type}"}`), value);
    });
  }

  for (const [sample, value] of Object.entries({
    'rox_collector_events_typed{event_dir="<",event_type="execve",quantity="userspace"}': 4,
    'rox_collector_event_times_us_total{event_dir="<",event_type="execve",step="process"}': 20,
    'rox_collector_event_times_us_avg{event_dir="<",event_type="execve",step="process"}': 5,
    'rox_collector_event_times_us_avg{event_dir="<",event_type="close",step="parse"}': 0,
    'rox_collector_process_lineage_info{type="lineage_count"}': 4,
    'rox_collector_process_lineage_info{type="lineage_avg"}': 1.5,
    'rox_collector_process_lineage_info{type="lineage_avg_string_len"}': 10,
    'rox_collector_process_lineage_info{type="std_dev"}': 5,
    'rox_connections_total_count{dir="in",peer="private"}': 3,
    'rox_connections_total_sum{dir="in",peer="private"}': 306,
    'rox_connections_total{dir="in",peer="private",quantile="0.5"}': 102,
    'rox_connections_rate{dir="in",peer="private",quantile="0.9"}': 0.5,
    'collector_build_info{version="1.2.3"}': 1,
    'collector_kernel_events_total{program="process_exec"}': 40,
    'collector_kernel_events_skipped_total{program="socket_state"}': 3,
    'collector_losses_total{stage="kernel",cause="ring_full"}': 8,
    'collector_losses_total{stage="kernel",cause="record_failed"}': 4,
    'collector_losses_total{stage="kernel",cause="program_busy"}': 2,
    'collector_losses_total{stage="sensor",cause="queue_full"}': 17,
    'collector_table_entries{table="processes"}': 9,
    'collector_table_capacity{table="processes"}': 10,
    'collector_table_evictions_total{table="processes"}': 7,
    'collector_sensor_stream_state{stream="signals",state="open"}': 1,
    'collector_sensor_stream_state{stream="signals",state="backing off"}': 0,
    'collector_sensor_stream_state{stream="network",state="backing off"}': 1,
    'collector_sensor_stream_breaks_total{stream="network"}': 3,
    collector_sensor_queue_signals: 11,
    collector_sensor_queue_bytes: 12,
    collector_sensor_queue_capacity_bytes: 13,
    collector_sensor_signals_repeated_total: 14,
    collector_self_check_passed: 1,
    collector_log_lines_suppressed_total: 41,
    collector_log_lines_dropped_total: 42,
    collector_loop_stalls_total: 43,
    collector_tick_duration_seconds_count: 1,
    'collector_scan_duration_seconds_sum{of="sockets"}': 0.02,
  })) {
    it(`have ${sample}`, () => assert.equal(samples.get(sample), value));
  }

  it('have the processes of Node, but no statistics that nobody keeps', () => {
    assert.ok(samples.get('process_resident_memory_bytes')! > 1e6);
    assert.ok(samples.get('process_cpu_seconds_total')! > 0);
    assert.deepEqual(
      [...samples.keys()].filter(
        (name) => name.startsWith('nodejs_eventloop_lag_') && !name.endsWith('lag_seconds'),
      ),
      [],
    );
  });

  it('say nothing by type of event, nor of connections, where that is turned off', async () => {
    const plain = await exposition({ quantiles: undefined }, false);
    assert.doesNotMatch(plain, /events_typed|event_times_us|userspace\[|rox_connections/);
    assert.match(plain, /rox_collector_events\{type="userspace"\} 4/);
  });

  it('have the run times of programs when the kernel measures them', async () => {
    const [program] = sources().programs();
    const measured = { ...program!, runs: 6, runNs: 3e9 };
    const shown = samplesIn(await exposition({ programs: () => [measured] }));
    assert.equal(shown.get('collector_bpf_program_runs_total{program="process_exec"}'), 6);
    assert.equal(shown.get('collector_bpf_program_run_seconds_total{program="process_exec"}'), 3);
    assert.ok(![...samples.keys()].some((name) => name.startsWith('collector_bpf_program')));
  });

  it('are as they are now, at each scrape, and one scrape serves all who ask meanwhile', async () => {
    let count = 0;
    const metrics = new Metrics();
    metrics.watch(sources({ suppressedLogLines: () => ++count }), true);
    const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
    assert.equal(one, other);
    assert.match(await metrics.text(), /collector_log_lines_suppressed_total 2\n/);
  });

  it("are as promtool wants them, those of Collector's own", async function () {
    const isThere = spawnSync('promtool', ['--version']).status === 0;
    requires(this, isThere, 'no promtool');
    const own = (await exposition())
      .split('\n\n')
      .filter((family) => /^# HELP collector_/.test(family))
      .join('\n');
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: `${own}\n`,
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });
});
