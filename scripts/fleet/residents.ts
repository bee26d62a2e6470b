import { record_header, RecordType, SocketRole } from '../../actors/capture/layout.js';
import { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, TCP_LISTEN } from '../../actors/capture/linux.js';
import { RecordWriter } from '../../actors/capture/record-writer.js';
import type { Records } from '../../actors/capture/records.js';
import { containerId } from '../../actors/containers/id.js';

/** Of a pod. */
const PROCESSES = 4;
const CONNECTIONS = 8;
const PORT = 8080;
const FIRST_PID = 100_000;
const FIRST_CLIENT_PORT = 40_000;
/** Second octet of the first peer: outside of the nodes' networks. */
const PEERS = 10;
/** The same of the called services. */
const CALLED = 30;
/** CLOCK_BOOTTIME of the scans, and of the start of all processes, ns. */
export const RECORDED = 3600e9;
const STARTED = RECORDED - 60e9;

/** Pods on a node from start to end, as scans list them. */
export interface Residents {
  readonly processes: Records;
  readonly sockets: Records;
  /** Each pod calls a service, and hangs up: opened connections, and the same closed. */
  readonly calls: readonly [opened: Records, closed: Records];
}

/** Makes the pods of a recorded node, for `shifted`: a service each, with clients and servers on other nodes. */
export function recordedResidents(pods: number): Residents {
  const processes = new RecordWriter();
  const sockets = new RecordWriter();
  const time = RECORDED;
  for (let pod = 0; pod < pods; pod++) {
    const container = 2 ** 48 + pod + 1;
    const id = containerId(container).padEnd(64, '0');
    const cgroup = `/kubepods/burstable/pod00000000-0000-4000-8000-${String(pod).padStart(12, '0')}/${id}`;
    const first = { pid: FIRST_PID + pod * PROCESSES, uid: 1000, path: `/usr/local/bin/service-${pod}` };
    const subject = { time, container, pid: first.pid, comm: `service-${pod}` };
    for (let number = 0; number < PROCESSES; number++) {
      const pid = first.pid + number;
      processes.process({
        ...{ ...subject, pid, tid: pid, ppid: number === 0 ? 1 : first.pid, startTime: STARTED },
        ...{ uid: first.uid, gid: first.uid, cgroup, outermost: container },
        path: first.path,
        args: `--config=/etc/service/config.yaml\0--worker=${number}\0`,
        lineage: number === 0 ? [] : [first],
        isLineageCut: false,
      });
    }
    const socket = { ...subject, cookieHigh: 0, family: AF_INET, protocol: IPPROTO_TCP };
    sockets.socket({
      ...{ ...socket, cookieLow: pod * 16 },
      ...{ local: address(0, 0, 0, 0), remote: address(0, 0, 0, 0), localPort: PORT, remotePort: 0 },
      ...{ role: SocketRole.unknown, state: TCP_LISTEN, startTime: STARTED },
    });
    for (let number = 0; number < CONNECTIONS; number++) {
      const isServer = number % 2 === 1;
      const clientPort = FIRST_CLIENT_PORT + number;
      sockets.socket({
        ...{ ...socket, cookieLow: pod * 16 + number + 1 },
        ...{ local: address(10, 111, 0, pod + 1), remote: address(10, PEERS + number, 0, pod + 1) },
        localPort: isServer ? PORT : clientPort,
        remotePort: isServer ? clientPort : PORT,
        ...{ role: isServer ? SocketRole.server : SocketRole.client, state: TCP_ESTABLISHED },
      });
    }
  }
  return {
    processes: processes.records(),
    sockets: sockets.records(),
    calls: [calls(pods, RecordType.open), calls(pods, RecordType.close)],
  };
}

function calls(pods: number, type: RecordType): Records {
  const writer = new RecordWriter();
  for (let pod = 0; pod < pods; pod++)
    writer.socket({
      ...{
        time: RECORDED,
        container: 2 ** 48 + pod + 1,
        pid: FIRST_PID + pod * PROCESSES,
        comm: `service-${pod}`,
      },
      ...{ cookieLow: pod * 16 + CONNECTIONS + 1, cookieHigh: 0, family: AF_INET, protocol: IPPROTO_TCP },
      ...{ local: address(10, 111, 0, pod + 1), remote: address(10, CALLED, 0, pod + 1) },
      ...{
        localPort: FIRST_CLIENT_PORT - 1,
        remotePort: PORT,
        role: SocketRole.client,
        state: TCP_ESTABLISHED,
      },
    });
  const records = writer.records();
  for (let at = 0; at < records.length; at += records.size(at)) records.u8[at + record_header.type] = type;
  return records;
}

/** An IPv4 address as a word in memory, its bytes in network order. */
function address(a: number, b: number, c: number, d: number): Uint32Array {
  return Uint32Array.of((a | (b << 8) | (c << 16) | (d << 24)) >>> 0, 0, 0, 0);
}
