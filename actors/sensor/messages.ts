/** Encodes messages to Sensor, and decodes Sensor's. Their codec is generated from proto/. */
import { sensor, storage } from '../../proto/generated/messages.js';
import { AF_INET6 } from '../connections/address.js';
import type { AddressReport, ConnectionReport, Delta, EndpointReport } from '../connections/report.js';
import { containerId } from '../containers/id.js';
import type { ProcessSignal } from '../processes/signal.js';
import type { Originator } from '../processes/state.js';
import { SignalEncoder } from './signal-encoder.js';

const { NetworkConnectionInfoMessage, NetworkFlowsControlMessage, SignalStreamMessage } = sensor;
const { L4Protocol } = storage;

/** `storage.L4Protocol` by IPPROTO_*. */
const PROTOCOLS: Readonly<Record<number, storage.L4Protocol>> = {
  1: L4Protocol.L4_PROTOCOL_ICMP,
  6: L4Protocol.L4_PROTOCOL_TCP,
  17: L4Protocol.L4_PROTOCOL_UDP,
};

/** `sensor.ClientServerRole` by `SocketRole`. */
const ROLES: readonly sensor.ClientServerRole[] = [
  sensor.ClientServerRole.ROLE_UNKNOWN,
  sensor.ClientServerRole.ROLE_SERVER,
  sensor.ClientServerRole.ROLE_CLIENT,
];

const signals = new SignalEncoder();

/** Identifies Collector: the first message on each stream. */
export interface Registration {
  /** The node's name. */
  readonly hostname: string;
  /** Distinguishes one start of Collector from the next. */
  readonly instanceId: string;
}

/** The network lists sent by Sensor. */
export type ControlMessage = sensor.NetworkFlowsControlMessage;

/** A `sensor.SignalStreamMessage`. */
export function signalRegistration(registration: Registration): Buffer {
  return asBuffer(SignalStreamMessage.encode({ collectorRegisterRequest: registration }).finish());
}

/** A `sensor.NetworkConnectionInfoMessage`. */
export function networkRegistration(registration: Registration): Buffer {
  return asBuffer(NetworkConnectionInfoMessage.encode({ register: registration }).finish());
}

/** A `sensor.SignalStreamMessage`. */
export function signalMessage(signal: ProcessSignal): Buffer {
  return signals.encode(signal) ?? largeSignalMessage(signal);
}

/** The same of any size, by the generated code. */
export function largeSignalMessage(signal: ProcessSignal): Buffer {
  const { id, container, time, name, args, path, pid, uid, gid, scraped, lineage } = signal;
  const processSignal: storage.ProcessSignal.$Properties = {
    id,
    containerId: containerId(container),
    time: protoTimestamp(time),
    name,
    args,
    execFilePath: path,
    pid,
    uid,
    gid,
    scraped,
    lineageInfo: lineage.map(({ uid, path }) => ({ parentUid: uid, parentExecFilePath: path })),
  };
  return asBuffer(SignalStreamMessage.encode({ signal: { processSignal } }).finish());
}

/**
 * A `sensor.NetworkConnectionInfoMessage`.
 * @param time of the tick, Unix time in µs
 * @param originator describes an endpoint's process by its number
 */
export function networkMessage(delta: Delta, time: number, originator: (id: number) => Originator): Buffer {
  const info: sensor.NetworkConnectionInfo.$Properties = {
    updatedConnections: delta.connections.map(connectionMessage),
    time: protoTimestamp(time),
    updatedEndpoints: delta.endpoints.map((report) => endpointMessage(report, originator)),
  };
  return asBuffer(NetworkConnectionInfoMessage.encode({ info }).finish());
}

/** @throws Error if the bytes are no control message */
export function decodeControlMessage(bytes: Buffer): ControlMessage {
  return NetworkFlowsControlMessage.decode(bytes);
}

function connectionMessage(report: ConnectionReport): sensor.NetworkConnection.$Properties {
  return {
    localAddress: report.local === undefined ? null : addressMessage(report.local),
    remoteAddress: addressMessage(report.remote),
    protocol: PROTOCOLS[report.protocol] ?? L4Protocol.L4_PROTOCOL_UNKNOWN,
    role: ROLES[report.role]!,
    containerId: containerId(report.container),
    closeTimestamp: report.closedAt === undefined ? null : protoTimestamp(report.closedAt),
  };
}

function endpointMessage(
  report: EndpointReport,
  originator: (id: number) => Originator,
): sensor.NetworkEndpoint.$Properties {
  const process = report.originator === 0 ? undefined : originator(report.originator);
  return {
    socketFamily:
      report.family === AF_INET6
        ? sensor.SocketFamily.SOCKET_FAMILY_IPV6
        : sensor.SocketFamily.SOCKET_FAMILY_IPV4,
    protocol: PROTOCOLS[report.protocol] ?? L4Protocol.L4_PROTOCOL_UNKNOWN,
    listenAddress: addressMessage(report.listen),
    containerId: containerId(report.container),
    closeTimestamp: report.closedAt === undefined ? null : protoTimestamp(report.closedAt),
    originator:
      process === undefined
        ? null
        : { processName: process.name, processExecFilePath: process.path, processArgs: process.args },
  };
}

function addressMessage({ address, port, network }: AddressReport): sensor.NetworkAddress.$Properties {
  return { addressData: address, port, ipNetwork: network };
}

/** @param time Unix time in µs */
function protoTimestamp(time: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(time / 1_000_000);
  return { seconds, nanos: (time - seconds * 1_000_000) * 1000 };
}

/** In Node, a protobufjs writer ends in a Buffer. */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes as Buffer;
}
