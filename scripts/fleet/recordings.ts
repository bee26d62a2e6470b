import path from 'node:path';
import type { Fact, RecordsFact, ScanFact } from '../../actors/capture/facts.js';
import { RecordType, SocketRole, socket_record } from '../../actors/capture/layout.js';
import { openRecording } from '../../actors/capture/replayer.js';

/** Records with the role of their socket. */
const WITH_ROLE: readonly number[] = [RecordType.open, RecordType.close];
const CORPUS = path.resolve(import.meta.dirname, '../../spec/corpus');

/** Recordings played on every node. The others of the corpus change settings, or lose records. */
export const USUAL = ['first-run', 'servers', 'churn', 'endings', 'long-connections', 'dns-flood'] as const;
/** The recording of a web server under load, played on ingress nodes. */
export const INGRESS = 'web-load';

/** What happened in a recording, without its reports and what Sensor had to do with it. */
export interface Played {
  readonly name: string;
  /** With the times of the recorded machine. */
  readonly facts: readonly (RecordsFact | ScanFact)[];
  /** CLOCK_BOOTTIME of the first fact, ns. */
  readonly start: number;
  /** Ns. */
  readonly length: number;
  /** Local ports of accepted connections. */
  readonly serverPorts: ReadonlySet<number>;
}

/** Reads a recording of spec/corpus. */
export function readPlayed(name: string): Played {
  const { start, facts } = openRecording(path.join(CORPUS, `${name}.collector`));
  const all = [...facts];
  const played = withFewScans(all.filter(isPlayed));
  return {
    name,
    facts: played,
    start: start.time,
    length: all.at(-1)!.time - start.time,
    serverPorts: new Set(played.flatMap(serverPorts)),
  };
}

/** Leaves the first and the last scan of sockets: the corpus has one each second, and a node in 30 s. */
function withFewScans(facts: readonly (RecordsFact | ScanFact)[]): (RecordsFact | ScanFact)[] {
  const isOfSockets = (fact: RecordsFact | ScanFact) => fact.kind === 'scan' && fact.of === 'sockets';
  const [first, last] = [facts.findIndex(isOfSockets), facts.findLastIndex(isOfSockets)];
  return facts.filter((fact, at) => !isOfSockets(fact) || at === first || at === last);
}

function isPlayed(fact: Fact): fact is RecordsFact | ScanFact {
  return fact.kind === 'records' || fact.kind === 'scan';
}

function serverPorts({ records }: RecordsFact | ScanFact): number[] {
  const ports: number[] = [];
  for (let at = 0; at < records.length; at += records.size(at)) {
    if (!WITH_ROLE.includes(records.type(at)) || records.u8[at + socket_record.role] !== SocketRole.server)
      continue;
    ports.push(records.u16[(at + socket_record.local_port) >> 1]!);
  }
  return ports;
}
