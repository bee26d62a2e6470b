/** The fields of events and lists. */
import type {
  ConnectionAnswer,
  ContainerAnswer,
  ListeningAnswer,
  ListName,
  ProcessAnswer,
} from '../inspection/ask.js';
import type { ContainerRef, EventRow } from '../inspection/protocol.js';
import { fullName } from '../output/line-parts.js';
import { eventDetails, eventLabel, hostPort, pieces } from './event-lines.js';
import type { Field } from './fields.js';
import { ageText } from './time.js';

/** `namespace/pod/container`, else the id. */
export function containerText(row: ContainerRef): string {
  return row.pod === '' ? row.container || 'host' : fullName(row);
}

function containerFields<Row extends ContainerRef>(): Field<Row>[] {
  return [
    {
      name: 'container',
      help: "the container: namespace, pod and name where a runtime has told them, else its id, or 'host'",
      from: 'compact',
      width: 30,
      value: (row) => row.container,
      text: containerText,
    },
    { name: 'id', help: "12 digits of the container's id", value: (row) => row.container },
    { name: 'namespace', help: "the pod's namespace", value: (row) => row.namespace },
    { name: 'pod', help: "the pod's name", value: (row) => row.pod },
    { name: 'name', help: "the container's name in its pod", value: (row) => row.name },
  ];
}

export const eventViewFields: readonly Field<EventRow>[] = [
  {
    name: 'time',
    help: 'when it happened',
    from: 'compact',
    kind: 'clock',
    width: 8,
    value: (row) => row.time,
  },
  ...containerFields<EventRow>(),
  {
    name: 'pid',
    kind: 'number',
    help: 'the process, by its number on the node',
    from: 'compact',
    width: 7,
    value: (row) => row.pid,
  },
  {
    name: 'event',
    help: 'exec, enter, exit, killed, connect, accept, close, listen or stop',
    from: 'compact',
    width: 7,
    value: eventLabel,
  },
  {
    name: 'process',
    help: 'path of the program of an exec, else the name of the process',
    value: (row) => row.process,
  },
  { name: 'args', help: 'arguments of an exec', value: (row) => row.args },
  {
    name: 'user',
    kind: 'number',
    help: 'number of the user; of execs',
    from: 'wide',
    width: 5,
    value: (row) => row.uid,
  },
  {
    name: 'lineage',
    help: 'programs of the ancestors, nearest first; of execs',
    value: (row) => row.lineage,
  },
  { name: 'protocol', help: 'tcp or udp', from: 'wide', width: 8, value: (row) => row.protocol },
  { name: 'local', help: 'address of the own side', value: (row) => row.local },
  { name: 'local-port', kind: 'number', help: 'port of the own side', value: (row) => row.localPort },
  { name: 'remote', help: 'address of the peer', value: (row) => row.remote },
  { name: 'remote-port', kind: 'number', help: 'port of the peer', value: (row) => row.remotePort },
  {
    name: 'lasted',
    kind: 'number',
    help: 'how long a closed connection was open, ms',
    value: (row) => row.lasted,
  },
  { name: 'status', kind: 'number', help: 'exit status', value: (row) => row.status },
  { name: 'signal', kind: 'number', help: 'the signal that killed the process', value: (row) => row.signal },
  {
    name: 'details',
    help: 'all of that, for people; not in JSON',
    from: 'compact',
    value: () => undefined,
    text: (row) => pieces(eventDetails(row, 0)),
  },
];

const processFields: readonly Field<ProcessAnswer>[] = [
  ...containerFields<ProcessAnswer>(),
  { name: 'pid', kind: 'number', help: 'its number on the node', from: 'compact', value: (row) => row.pid },
  {
    name: 'parent',
    kind: 'number',
    help: 'its parent in the container; 0: none',
    from: 'wide',
    value: (row) => row.parent,
  },
  { name: 'user', kind: 'number', help: 'number of its user', from: 'table', value: (row) => row.uid },
  { name: 'age', help: 'since when it runs', from: 'compact', kind: 'age', value: (row) => row.started },
  { name: 'started', help: 'when it started', from: 'wide', kind: 'date', value: (row) => row.started },
  { name: 'process', help: 'path of its program', value: (row) => row.process },
  { name: 'args', help: 'its arguments', value: (row) => row.args },
  {
    name: 'command',
    help: 'program and arguments; not in JSON',
    from: 'compact',
    value: () => undefined,
    text: ({ process, args }) => (args === '' ? process : `${process} ${args}`),
  },
];

const connectionFields: readonly Field<ConnectionAnswer>[] = [
  ...containerFields<ConnectionAnswer>(),
  { name: 'protocol', help: 'tcp or udp', from: 'table', value: (row) => row.protocol },
  { name: 'role', help: 'client, server or unknown', from: 'compact', value: (row) => row.role },
  {
    name: 'local',
    help: 'address and port of the own side',
    from: 'table',
    value: (row) => hostPort(row.local, row.localPort),
  },
  {
    name: 'remote',
    help: 'address and port of the peer',
    from: 'compact',
    value: (row) => hostPort(row.remote, row.remotePort),
  },
  { name: 'peer', help: "the peer's pod, if it is on this node", from: 'compact', value: (row) => row.peer },
  {
    name: 'pid',
    kind: 'number',
    help: 'the process that connected, or that listens for it',
    from: 'table',
    value: (row) => row.pid,
  },
  ageField('since when it is open'),
  {
    name: 'since',
    help: 'when it opened, if Collector saw that',
    from: 'wide',
    kind: 'date',
    value: (row) => row.since,
  },
  {
    name: 'process',
    help: 'path of its program, if it still runs',
    from: 'compact',
    value: (row) => row.process,
  },
  { name: 'args', help: 'its arguments', value: (row) => row.args },
  { name: 'active', help: 'whether it is open now', from: 'wide', value: (row) => row.active },
  {
    name: 'seen',
    help: 'since when nothing newer is known',
    from: 'table',
    kind: 'age',
    value: (row) => row.seen,
  },
  { name: 'by', help: 'event or scan: what told of it last', from: 'wide', value: (row) => row.by },
];

interface Opened {
  readonly since?: number | undefined;
  readonly started?: number | undefined;
}

/** Since when a socket is there, or its process at most. */
function ageField<Row extends Opened>(help: string): Field<Row> {
  return {
    name: 'age',
    help: `${help}; ≤: it is older than Collector, and this is the age of its process`,
    from: 'compact',
    kind: 'age',
    value: ({ since, started }) => since ?? started,
    text: ({ since, started }, { now }) =>
      since !== undefined ? ageText(now - since) : started === undefined ? '-' : `≤${ageText(now - started)}`,
  };
}

const listeningFields: readonly Field<ListeningAnswer>[] = [
  { name: 'port', kind: 'number', help: 'the port', from: 'compact', value: (row) => row.port },
  { name: 'protocol', help: 'tcp or udp', from: 'compact', value: (row) => row.protocol },
  ...containerFields<ListeningAnswer>(),
  { name: 'pid', kind: 'number', help: 'the process that listens', from: 'compact', value: (row) => row.pid },
  ageField('since when it listens'),
  {
    name: 'since',
    help: 'when it called listen(), if Collector saw that',
    from: 'table',
    kind: 'date',
    value: (row) => row.since,
  },
  {
    name: 'started',
    help: 'when the process started',
    from: 'wide',
    kind: 'date',
    value: (row) => row.started,
  },
  { name: 'active', help: 'whether it listens now', from: 'wide', value: (row) => row.active },
  {
    name: 'seen',
    help: 'since when nothing newer is known',
    from: 'wide',
    kind: 'age',
    value: (row) => row.seen,
  },
  { name: 'by', help: 'event or scan: what told of it last', from: 'wide', value: (row) => row.by },
  { name: 'process', help: 'path of its program', value: (row) => row.process },
  { name: 'args', help: 'its arguments', value: (row) => row.args },
  {
    name: 'command',
    help: 'program and arguments; not in JSON',
    from: 'compact',
    value: () => undefined,
    text: ({ process, args }) => `${process || '-'}${args === '' ? '' : ` ${args}`}`,
  },
];

const containerListFields: readonly Field<ContainerAnswer>[] = [
  ...containerFields<ContainerAnswer>(),
  { name: 'image', help: 'its image', from: 'table', value: (row) => row.image },
  {
    name: 'processes',
    kind: 'number',
    help: 'processes that run in it',
    from: 'compact',
    value: (row) => row.processes,
  },
  {
    name: 'connections',
    kind: 'number',
    help: 'connections of it',
    from: 'compact',
    value: (row) => row.connections,
  },
  {
    name: 'listening',
    kind: 'number',
    help: 'sockets of it that listen',
    from: 'compact',
    value: (row) => row.listening,
  },
  {
    name: 'age',
    help: 'since when its oldest process runs',
    from: 'compact',
    kind: 'age',
    value: (row) => row.started,
  },
  { name: 'started', help: 'when that started', kind: 'date', value: (row) => row.started },
  { name: 'cgroup', help: 'path of its cgroup', from: 'wide', value: (row) => row.cgroup },
];

/** The fields of each list. A list's rows have what its fields read. */
export const listViewFields = {
  processes: processFields,
  connections: connectionFields,
  listening: listeningFields,
  containers: containerListFields,
} satisfies Record<ListName, readonly Field<never>[]>;
