import type { Family, Sample } from './family.js';
import type { Loss, ProgramCounts, Sources } from './publication.js';

/** Losses of a BPF program, by their causes in the loss ledger. */
const kernelCauses = {
  ring_full: 'lost',
  over_share: 'overShare',
  record_failed: 'failed',
  program_busy: 'missed',
} as const;

/** Metrics by Collector's own names, after the conventions of Prometheus. */
export function nativeMetrics(sources: Sources): Family[] {
  const { programs, tables, queue, streams } = sources;
  const perProgram = (read: (program: ProgramCounts) => number) => () =>
    programs().map((program) => ({ value: read(program), labels: { program: program.program } }));
  const perTable = (key: 'entries' | 'capacity' | 'evicted') => () =>
    tables().map((table) => ({ value: table[key], labels: { table: table.name } }));
  const ofQueue = (key: 'waiting' | 'bytes' | 'capacity' | 'repeated') => () => {
    const status = queue();
    return status === undefined ? [] : [{ value: status[key] }];
  };
  const ofReaders = (key: 'replaced' | 'leftBehind') => () => {
    const status = sources.readers();
    return status === undefined ? [] : [{ value: status[key] }];
  };
  return [
    {
      name: 'collector_build_info',
      help: 'Always 1; the label has the version of Collector.',
      type: 'gauge',
      read: () => [{ value: 1, labels: { version: sources.version } }],
    },
    {
      name: 'collector_kernel_events_total',
      help: 'Events that each BPF program wrote to the ring buffers.',
      type: 'counter',
      read: perProgram(({ events }) => events),
    },
    {
      name: 'collector_kernel_events_skipped_total',
      help: 'Events of containers that each BPF program left out on purpose, such as those of loopback peers.',
      type: 'counter',
      read: perProgram(({ skipped }) => skipped),
    },
    {
      name: 'collector_losses_total',
      help:
        'Everything that was lost, by where and why: all that is not 0 here is missing in what Collector reports. The stages ' +
        'are in the order in which an event passes them.',
      type: 'counter',
      read: () => [...kernelLosses(programs()), ...sources.losses()].map(lossSample),
    },
    {
      name: 'collector_bpf_program_runs_total',
      help: 'Runs of each BPF program; only with ROX_COLLECTOR_BPF_RUN_TIME=true.',
      type: 'counter',
      read: () => measured(programs(), ({ runs }) => runs),
    },
    {
      name: 'collector_bpf_program_run_seconds_total',
      help: 'Time that each BPF program ran, on all CPUs together; only with ROX_COLLECTOR_BPF_RUN_TIME=true.',
      type: 'counter',
      read: () => measured(programs(), ({ runNs }) => runNs / 1e9),
    },
    {
      name: 'collector_table_entries',
      help: 'Entries in each table of the state.',
      type: 'gauge',
      read: perTable('entries'),
    },
    {
      name: 'collector_table_capacity',
      help: 'Entries that each table takes; one shared by containers has 1/8 more for those that have fewer than others.',
      type: 'gauge',
      read: perTable('capacity'),
    },
    {
      name: 'collector_table_evictions_total',
      help: 'Entries that a full table forgot, or had no room for.',
      type: 'counter',
      read: perTable('evicted'),
    },
    {
      name: 'collector_sensor_stream_state',
      help: 'Of the states that a stream to Sensor can be in, the one that it is in has 1.',
      type: 'gauge',
      read: () =>
        streams().flatMap(({ name, state }) =>
          STREAM_STATES.map((each) => ({
            value: each === state ? 1 : 0,
            labels: { stream: name, state: each },
          })),
        ),
    },
    {
      name: 'collector_sensor_stream_breaks_total',
      help: 'Times that a stream to Sensor broke, or could not be opened.',
      type: 'counter',
      read: () => streams().map(({ name, breaks }) => ({ value: breaks, labels: { stream: name } })),
    },
    {
      name: 'collector_sensor_queue_signals',
      help: 'Process signals that wait to be sent to Sensor.',
      type: 'gauge',
      read: ofQueue('waiting'),
    },
    {
      name: 'collector_sensor_queue_bytes',
      help: 'Memory of process signals that wait, or were sent a moment ago and may have to be sent again.',
      type: 'gauge',
      read: ofQueue('bytes'),
    },
    {
      name: 'collector_sensor_queue_capacity_bytes',
      help: 'Memory that they may take at most (ROX_COLLECTOR_SIGNAL_QUEUE_SIZE).',
      type: 'gauge',
      read: ofQueue('capacity'),
    },
    {
      name: 'collector_sensor_signals_repeated_total',
      help: 'Process signals sent once more after a stream broke; Sensor may have them twice, with the same id.',
      type: 'counter',
      read: ofQueue('repeated'),
    },
    {
      name: 'collector_argument_readers_replaced_total',
      help: 'Helper processes given up because the process whose arguments they read held them up.',
      type: 'counter',
      read: ofReaders('replaced'),
    },
    {
      name: 'collector_argument_readers_left_behind',
      help: 'Helper processes given up that still wait in the kernel; at 4 no more arguments are read.',
      type: 'gauge',
      read: ofReaders('leftBehind'),
    },
    {
      name: 'collector_self_check_passed',
      help: 'Whether the self-check at the start saw its own events come from the kernel; absent before it is over.',
      type: 'gauge',
      read: () => {
        const passed = sources.selfCheckPassed();
        return passed === undefined ? [] : [{ value: Number(passed) }];
      },
    },
    {
      name: 'collector_shortages_total',
      help: 'Times that the node or a limit had too little of something, by the error; what met it was tried again.',
      type: 'counter',
      read: () => [...sources.shortages].map(([error, value]) => ({ value, labels: { error } })),
    },
    {
      name: 'collector_http_connections_cut_total',
      help: 'Connections to the HTTP servers that were cut to make room for newer ones.',
      type: 'counter',
      read: () => [{ value: sources.connectionsCut() }],
    },
    {
      name: 'collector_log_lines_suppressed_total',
      help: 'Log lines that were not written, since too many came that are alike; what stands for them says how many.',
      type: 'counter',
      read: () => [{ value: sources.suppressedLogLines() }],
    },
    {
      name: 'collector_log_lines_dropped_total',
      help: 'Log lines that were dropped, since nobody read standard error.',
      type: 'counter',
      read: () => [{ value: sources.droppedLogLines() }],
    },
    {
      name: 'collector_loop_stalls_total',
      help: 'Times that the event loop was noticed to stand still, in this run and at the end of the one before.',
      type: 'counter',
      read: () => [{ value: sources.stalls() }],
    },
  ];
}

const STREAM_STATES = ['connecting', 'open', 'backing off', 'stopped'] as const;

function kernelLosses(programs: readonly ProgramCounts[]): Loss[] {
  return Object.entries(kernelCauses).map(([cause, key]) => ({
    stage: 'kernel',
    cause,
    count: programs.reduce((sum, program) => sum + program[key], 0),
  }));
}

function lossSample({ stage, cause, count }: Loss): Sample {
  return { value: count, labels: { stage, cause } };
}

/** Samples of measured programs; none while the kernel does not measure. */
function measured(programs: readonly ProgramCounts[], read: (program: ProgramCounts) => number): Sample[] {
  return programs
    .filter(({ runs }) => runs > 0)
    .map((program) => ({ value: read(program), labels: { program: program.program } }));
}
