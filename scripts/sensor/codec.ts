/**
 * The wire by proto/*.proto, read by protobufjs at start. The daemon has generated code instead, so each of the two
 * checks the other.
 */
import path from 'node:path';
import protobuf from 'protobufjs';

/** A message in the JSON form of protobuf (protobuf.dev/programming-guides/json). */
export type Json = Readonly<Record<string, unknown>>;

/** A method of a service. Both of its sides are streams. */
export interface Method {
  /** As in the HTTP/2 request. */
  readonly path: string;
  readonly service: string;
  /** @throws Error if the bytes are no message of this method */
  readonly read: (bytes: Buffer) => Json;
  /** @param message with protobufjs's names and values: lowerCamelCase, bytes as they are */
  readonly write: (message: Json) => Buffer;
}

type Write = (value: unknown) => unknown;

interface FieldWriter {
  readonly name: string;
  readonly isLeftOut: (value: unknown) => boolean;
  readonly write: Write;
}

const TIMESTAMP = '.google.protobuf.Timestamp';
const folder = path.resolve(import.meta.dirname, '../../proto');
const root = new protobuf.Root();
root.resolvePath = (_, target) =>
  target.startsWith('google/') ? target : path.join(folder, path.basename(target));
root.loadSync(path.join(folder, 'sensor.proto')).resolveAll();

/** Made once for each type, since looking at a type takes longer than reading a message. */
const messageWriters = new Map<protobuf.Type, Write>();

/** @param service full name, such as `sensor.SignalService` */
export function method(service: string, name: string): Method {
  const { resolvedRequestType, resolvedResponseType } = root.lookupService(service).methods[name]!;
  const received = resolvedRequestType!;
  const sent = resolvedResponseType!;
  const toJson = messageWriter(received);
  return {
    path: `/${service}/${name}`,
    service,
    read: (bytes) => toJson(received.decode(bytes)) as Json,
    write: (message) => Buffer.from(sent.encode(message).finish()),
  };
}

function messageWriter(type: protobuf.Type): Write {
  if (type.fullName === TIMESTAMP) return timestampJson;
  const known = messageWriters.get(type);
  if (known !== undefined) return known;
  const fields = type.fieldsArray.map(fieldWriter);
  const write = (message: unknown): Json => {
    const json: Record<string, unknown> = {};
    for (const { name, isLeftOut, write } of fields) {
      if (!Object.hasOwn(message as object, name)) continue;
      const value = (message as Json)[name];
      if (!isLeftOut(value)) json[name] = write(value);
    }
    return json;
  };
  messageWriters.set(type, write);
  return write;
}

function fieldWriter(field: protobuf.Field): FieldWriter {
  const { name } = field;
  const write = valueWriter(field);
  if (field.repeated) {
    const isLeftOut = (values: unknown) => (values as unknown[]).length === 0;
    return { name, isLeftOut, write: (values) => (values as unknown[]).map(write) };
  }
  // A field with presence is written whatever its value is.
  const hasPresence = field.partOf !== null || field.resolvedType instanceof protobuf.Type;
  return { name, isLeftOut: hasPresence ? () => false : isDefault, write };
}

function isDefault(value: unknown): boolean {
  return value instanceof Uint8Array ? value.length === 0 : value === 0 || value === '' || value === false;
}

function valueWriter({ type, resolvedType, fullName }: protobuf.Field): Write {
  if (resolvedType instanceof protobuf.Type) return messageWriter(resolvedType);
  // A number without a name is written as a number.
  if (resolvedType instanceof protobuf.Enum)
    return (value) => resolvedType.valuesById[Number(value)] ?? value;
  if (type === 'bytes') return (value) => Buffer.from(value as Uint8Array).toString('base64');
  if (type === 'string' || type === 'bool' || type === 'uint32') return (value) => value;
  throw new Error(`${fullName}: there is no rule for the JSON form of ${type}.`);
}

/** RFC 3339, with µs as the daemon writes it, and with ns only where there are any. */
function timestampJson(value: unknown): string {
  // protobufjs has whole numbers of 64 bits as objects.
  const { seconds, nanos } = value as { readonly seconds: unknown; readonly nanos: number };
  const digits = String(nanos).padStart(9, '0');
  const fraction = digits.endsWith('000') ? digits.slice(0, 6) : digits;
  return `${new Date(Number(String(seconds)) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
