/**
 * Messages as Sensor would get them, in the JSON form of protobuf (protobuf.dev/programming-guides/json):
 * lowerCamelCase names, default values left out, bytes as base64, enums by name, timestamps as RFC 3339. proto/ has
 * the messages.
 */
import { AF_INET6 } from '../connections/address.js';
import type { Ancestor } from '../capture/process-record.js';
import type { AddressReport, ConnectionReport, Delta, EndpointReport } from '../connections/report.js';
import { containerId } from '../containers/id.js';
import type { Originator } from '../processes/state.js';
import type { ProcessSignal } from '../processes/signal.js';
import { escapeJson } from '../telemetry/plain-text.js';

/** `sensor.ClientServerRole` by `SocketRole`. */
const ROLES = ['ROLE_UNKNOWN', 'ROLE_SERVER', 'ROLE_CLIENT'] as const;

/** `storage.L4Protocol` by IPPROTO_*. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'L4_PROTOCOL_ICMP',
  6: 'L4_PROTOCOL_TCP',
  17: 'L4_PROTOCOL_UDP',
};

/**
 * A `sensor.SignalStreamMessage`, one line without its newline. Written by hand, since each exec costs a message,
 * unlike other events: several times faster than building an object for JSON.stringify.
 */
export function processJson(signal: ProcessSignal): string {
  const { container, name, args, path, pid, uid, gid, scraped, lineage } = signal;
  let json = `{"signal":{"processSignal":{"id":"${signal.id}"`;
  if (container !== 0) json += `,"containerId":"${containerId(container)}"`;
  json += `,"time":"${isoTimestamp(signal.time)}"`;
  if (name !== '') json += `,"name":${JSON.stringify(name)}`;
  if (args !== '') json += `,"args":${JSON.stringify(args)}`;
  if (path !== '') json += `,"execFilePath":${JSON.stringify(path)}`;
  if (pid !== 0) json += `,"pid":${pid}`;
  if (uid !== 0) json += `,"uid":${uid}`;
  if (gid !== 0) json += `,"gid":${gid}`;
  if (scraped) json += ',"scraped":true';
  if (lineage.length > 0) json += `,"lineageInfo":[${lineage.map(ancestorJson).join(',')}]`;
  return escapeJson(`${json}}}}`);
}

function ancestorJson({ uid, path }: Ancestor): string {
  const parentUid = uid === 0 ? '' : `"parentUid":${uid}`;
  const parentPath = path === '' ? '' : `"parentExecFilePath":${JSON.stringify(path)}`;
  return `{${parentUid}${parentUid !== '' && parentPath !== '' ? ',' : ''}${parentPath}}`;
}

/**
 * A `sensor.NetworkConnectionInfoMessage`, one line without its newline.
 * @param time of the tick, Unix time in µs
 * @param originator describes an endpoint's process by its number
 */
export function networkJson(delta: Delta, time: number, originator: (id: number) => Originator): string {
  const json = JSON.stringify({
    info: {
      updatedConnections: listOrAbsent(delta.connections.map(connectionJson)),
      time: isoTimestamp(time),
      updatedEndpoints: listOrAbsent(delta.endpoints.map((report) => endpointJson(report, originator))),
    },
  });
  return escapeJson(json);
}

function connectionJson(report: ConnectionReport): object {
  return {
    // socketFamily stays SOCKET_FAMILY_UNKNOWN, the default: addresses have their own length.
    localAddress: report.local && addressJson(report.local),
    remoteAddress: addressJson(report.remote),
    protocol: PROTOCOLS[report.protocol],
    role: report.role === 0 ? undefined : ROLES[report.role],
    containerId: textOrAbsent(containerId(report.container)),
    closeTimestamp: report.closedAt === undefined ? undefined : isoTimestamp(report.closedAt),
  };
}

function endpointJson(report: EndpointReport, originator: (id: number) => Originator): object {
  const process = report.originator === 0 ? undefined : originator(report.originator);
  return {
    socketFamily: report.family === AF_INET6 ? 'SOCKET_FAMILY_IPV6' : 'SOCKET_FAMILY_IPV4',
    protocol: PROTOCOLS[report.protocol],
    listenAddress: addressJson(report.listen),
    containerId: textOrAbsent(containerId(report.container)),
    closeTimestamp: report.closedAt === undefined ? undefined : isoTimestamp(report.closedAt),
    originator: process && {
      processName: textOrAbsent(process.name),
      processExecFilePath: textOrAbsent(process.path),
      processArgs: textOrAbsent(process.args),
    },
  };
}

function addressJson({ address, port, network }: AddressReport): object {
  return { addressData: base64(address), port: numberOrAbsent(port), ipNetwork: base64(network) };
}

function textOrAbsent(value: string): string | undefined {
  return value === '' ? undefined : value;
}

function numberOrAbsent(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

function base64(value: Uint8Array): string | undefined {
  return value.length === 0 ? undefined : Buffer.from(value).toString('base64');
}

function listOrAbsent<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length === 0 ? undefined : values;
}

let second = NaN;
let secondText = '';

/** @param time Unix time in µs */
function isoTimestamp(time: number): string {
  const now = Math.floor(time / 1_000_000);
  // Formatting a date is most of the cost, and messages written at once are of one second.
  if (now !== second) {
    second = now;
    secondText = new Date(now * 1000).toISOString().slice(0, 19);
  }
  return `${secondText}.${String(time - now * 1_000_000).padStart(6, '0')}Z`;
}
