import { RecordType, SocketRole, socket_record } from '../../actors/capture/layout.js';
import { processArguments } from '../../actors/capture/process-record.js';
import { openRecording } from '../../actors/capture/replayer.js';
import { containerId } from '../../actors/containers/id.js';
import { members } from './members.js';

const names = new Map(members(RecordType).map(([name, type]) => [type, name]));
const roles = new Map(members(SocketRole).map(([name, role]) => [role, name]));

/** The kernel events of a recording; scans are left out. */
export interface Counts {
  /** Of `CONTAINER TYPE`, with the role of a connection behind it; the host's container is `host`. */
  readonly events: ReadonlyMap<string, number>;
  /** All of them. */
  readonly total: number;
  readonly containers: ReadonlySet<string>;
  /** Different arguments of the execs of each container. */
  readonly arguments: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Counts the events in a recording. */
export function countEvents(file: string): Counts {
  const events = new Map<string, number>();
  const distinct = new Map<string, Set<string>>();
  const containers = new Set<string>();
  let total = 0;
  for (const fact of openRecording(file).facts) {
    if (fact.kind !== 'records') continue;
    const { records } = fact;
    for (let at = 0; at < records.length; at += records.size(at)) {
      const type = records.type(at);
      const container = containerId(records.container(at)) || 'host';
      containers.add(container);
      const hasRole = type === RecordType.open || type === RecordType.close;
      const role = hasRole ? ` ${roles.get(records.u8[at + socket_record.role]!)!}` : '';
      const key = `${container} ${names.get(type)!}${role}`;
      events.set(key, (events.get(key) ?? 0) + 1);
      total++;
      if (type !== RecordType.exec) continue;
      if (!distinct.has(container)) distinct.set(container, new Set());
      distinct.get(container)!.add(processArguments(records, at));
    }
  }
  return { events, total, containers, arguments: distinct };
}
