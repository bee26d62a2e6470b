import type { Checked, Comeback, FleetData, NodeMinute, WireComeback } from './fleet.js';
import { CALL_SECONDS } from './play.js';
import { KINDS, PODS, PROBES_PER_MINUTE, SAVINGS, type Kind } from './kinds.js';

const KIND_NAMES: Readonly<Record<Kind, string>> = {
  usual: `usual: ${PODS} pods with a call each ${CALL_SECONDS} s, and the recordings in turn`,
  ingress: `ingress: the pods, and a web server for the internet`,
  scanned: `scanned: usual, and ${count(PROBES_PER_MINUTE)} connections a minute to as many peers`,
};

/** The figures of a fleet as Markdown. */
export function render(data: FleetData): string {
  return [steady(data), savings(data), burst(data), model(data), wire(data)].join('\n\n');
}

function steady({ nodes, kinds, total }: FleetData): string {
  const rows = KINDS.filter((kind) => kinds[kind].nodes > 0).map((kind) => {
    const { nodes: ofKind, signals, connections, endpoints, messages, bytes } = kinds[kind];
    return [KIND_NAMES[kind], ofKind, signals, connections, endpoints, messages, kib(bytes)];
  });
  return [
    table(['a node and minute', 'nodes', 'signals', 'connections', 'endpoints', 'messages', 'KiB'], rows),
    `All ${count(nodes)} nodes: ${count(total.messages)} messages and ${mib(total.bytes)} MiB a second. Bytes are those ` +
      'of HTTP/2, without TLS and TCP; `connections` and `endpoints` are changes in reports.',
  ].join('\n\n');
}

function savings({ savings: { nodes, none, off } }: FleetData): string {
  const rows = Object.entries(off).flatMap(([name, kinds]) =>
    KINDS.filter((kind) => none[kind].nodes > 0).map((kind) => [
      SAVINGS[name as keyof typeof SAVINGS].setting,
      kind,
      ...saved(kinds[kind], none[kind]),
    ]),
  );
  return [
    `Switched off, by the same facts (${count(nodes)} nodes):`,
    table(['setting', 'node', 'connections', 'with the saving', 'KiB', 'with the saving', 'bytes'], rows),
  ].join('\n\n');
}

function saved(without: NodeMinute, with_: NodeMinute): (string | number)[] {
  return [
    without.connections,
    with_.connections,
    kib(without.bytes),
    kib(with_.bytes),
    `×${(without.bytes / with_.bytes).toFixed(2)}`,
  ];
}

function burst({ nodes, restarts, burst: { jittered, unjittered } }: FleetData): string {
  const rows = restarts.flatMap((restart) => {
    const row = (name: string, { connections, signals, network, last }: Comeback) => [
      restart.down === 0 ? 'no gap' : `${restart.down} s`,
      name,
      ...[connections, signals, network].map((most) => `${count(most)} (${percent(most / nodes)})`),
      `${last.toFixed(1)} s`,
    ];
    return [row('fixed', restart.unjittered), row('full jitter', restart.jittered)];
  });
  return [
    `Sensor restarts, and ${count(nodes)} nodes come back; in the fullest second:`,
    table(
      [
        'Sensor away',
        'back-off',
        'connections',
        'streams of signals',
        'streams of connections',
        'last stream',
      ],
      rows,
    ),
    `The fullest second's bytes after a restart without a gap: ${mib(Math.max(...unjittered))} MiB fixed, ` +
      `${mib(Math.max(...jittered))} MiB with full jitter.`,
  ].join('\n\n');
}

function model({ nodes, model: { sample, sizes, larger, ...checks } }: FleetData): string {
  const row = (
    name: string,
    of: string,
    { predicted, simulated, error }: Checked,
    show: (value: number) => string,
  ) => [name, of, show(predicted), show(simulated), `${error > 0 ? '+' : ''}${(100 * error).toFixed(1)} %`];
  const known = (name: string, value: string) => [name, count(larger.nodes), value, '–', '–'];
  return [
    `Bytes of a node and minute are \`S·${bytes(sizes.signal)} + C·${bytes(sizes.connection)} + E·${bytes(sizes.endpoint)} + ` +
      `R·${bytes(sizes.report)}\`: signals, changes of connections and of endpoints, reports; messages are \`S + R\`. After a ` +
      'restart, with waits from 0 to W seconds, `N·(1 − (1 − 1/W)²)` nodes connect in the first second, and of each kind ' +
      'of stream `N/W + √(2·ln W·(N/W)·(1 − 1/W))` open in the fullest. The formula knows ' +
      `${count(sample)} nodes:`,
    table(
      ['', 'nodes', 'formula', 'simulation', 'error'],
      [
        row('MiB a second', count(nodes), checks.bytesPerSecond, mib),
        row('messages a second', count(nodes), checks.messagesPerSecond, count),
        row('connections in the fullest second', count(nodes), checks.connections, count),
        row('streams of signals in the fullest second', count(nodes), checks.streams, count),
        known('MiB a second', mib(larger.bytesPerSecond)),
        known('messages a second', count(larger.messagesPerSecond)),
        row('connections in the fullest second', count(larger.nodes), larger.connections, count),
        row('streams of signals in the fullest second', count(larger.nodes), larger.streams, count),
      ],
    ),
  ].join('\n\n');
}

function wire({ wire: { clients, jittered, unjittered, simulated } }: FleetData): string {
  const row = (name: string, { signals, network, last }: WireComeback) => [
    name,
    signals,
    network,
    `${last.toFixed(1)} s`,
  ];
  return [
    `${clients} real clients and a real Sensor double, which resets all connections:`,
    table(
      ['', 'most streams of signals in a second', 'of connections', 'last stream'],
      [
        row('fixed back-off', unjittered),
        row('fixed back-off, simulated', simulated.unjittered),
        row('full jitter', jittered),
        row('full jitter, simulated', simulated.jittered),
      ],
    ),
  ].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? count(cell) : cell)).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- ').join('|')}|`, ...rows.map(line)].join('\n');
}

function count(value: number): string {
  return (value < 10 ? Math.round(value * 10) / 10 : Math.round(value)).toLocaleString('en-GB');
}

function bytes(value: number): string {
  return value.toFixed(0);
}

function kib(value: number): string {
  return (value / 1024).toFixed(1);
}

function mib(value: number): string {
  return (value / 1024 ** 2).toFixed(2);
}

function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}
