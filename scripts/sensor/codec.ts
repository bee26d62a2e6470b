/** Sensor's side of the wire, read from the .proto files alone: not by the code that the daemon is built with. */
import path from 'node:path';
import protobuf from 'protobufjs';

const folder = path.resolve(import.meta.dirname, '../../proto');
const root = new protobuf.Root();
root.resolvePath = (_, target) =>
  target.startsWith('google/') ? target : path.join(folder, path.basename(target));
root.loadSync(path.join(folder, 'sensor.proto')).resolveAll();

/** A message in the JSON form of protobuf. */
export type Json = Readonly<Record<string, unknown>>;

/** A message's bytes in the JSON form of protobuf: defaults left out, times as RFC 3339. @throws Error if they are none */
export function toJson(type: string, bytes: Uint8Array): Json {
  const message = root.lookupType(type);
  const plain = message.toObject(message.decode(bytes), { enums: String, bytes: String, longs: String });
  return withTimes(plain) as Json;
}

/** @param message in the JSON form of protobuf */
export function fromJson(type: string, message: Json): Buffer {
  const known = root.lookupType(type);
  return Buffer.from(known.encode(known.fromObject(message)).finish());
}

function withTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTimes);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if ('seconds' in value || 'nanos' in value) return time(value);
  return Object.fromEntries(entries.map(([name, inner]) => [name, withTimes(inner)]));
}

/** A google.protobuf.Timestamp. */
function time({ seconds = '0', nanos = 0 }: { seconds?: unknown; nanos?: unknown }): string {
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${text}.${String(Number(nanos)).padStart(9, '0')}Z`;
}
