import assert from 'node:assert/strict';
import path from 'node:path';
import protobuf from 'protobufjs';

const folder = path.resolve(import.meta.dirname, '../../proto');

/** The messages of proto/, read by protobufjs: not by anything that writes them here. */
function load(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) =>
    target.startsWith('google/') ? target : path.join(folder, path.basename(target));
  root.loadSync(path.join(folder, 'sensor.proto')).resolveAll();
  return root;
}

const root = load();

/** @param name full name, such as `sensor.SignalStreamMessage` */
export function messageType(name: string): protobuf.Type {
  return root.lookupType(name);
}

/**
 * Asserts that a value is a message in the JSON form of protobuf: every name is a field's, every value of its type, and
 * none is the default, which the form leaves out.
 * @param type full name, such as `sensor.SignalStreamMessage`
 */
export function assertMessage(type: string, value: unknown): void {
  check(root.lookupType(type), value, type);
}

function check(type: protobuf.Type, value: unknown, where: string): void {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `${where} is an object`);
  const fields = new Map(type.fieldsArray.map((field) => [field.name, field]));
  for (const [name, item] of Object.entries(value)) {
    const field = fields.get(name);
    assert.ok(field, `${where}.${name} is a field of ${type.fullName}`);
    const items: unknown[] = field.repeated ? (item as unknown[]) : [item];
    assert.ok(Array.isArray(items) && items.length > 0, `${where}.${name} is a list with something in it`);
    for (const one of items) checkField(field, one, `${where}.${name}`);
  }
  for (const group of type.oneofsArray) {
    const given: number = group.oneof.filter((name) => name in value).length;
    assert.equal(given, 1, `${where} has one of ${group.oneof.join(', ')}`);
  }
}

function checkField(field: protobuf.Field, value: unknown, where: string): void {
  const { resolvedType } = field;
  if (resolvedType?.fullName === '.google.protobuf.Timestamp') {
    assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{3}|\d{6}|\d{9})Z$/, where);
    assert.ok(Number.isFinite(Date.parse(String(value))), where);
  } else if (resolvedType instanceof protobuf.Type) {
    check(resolvedType, value, where);
  } else if (resolvedType instanceof protobuf.Enum) {
    assert.ok(
      typeof value === 'string' && (resolvedType.values[value] ?? 0) > 0,
      `${where} is not ${String(value)}`,
    );
  } else {
    checkScalar(field.type, value, where);
  }
}

function checkScalar(type: string, value: unknown, where: string): void {
  switch (type) {
    case 'string':
      assert.ok(typeof value === 'string' && value !== '', where);
      return;
    case 'bool':
      assert.equal(value, true, where);
      return;
    case 'uint32':
      assert.ok(Number.isInteger(value) && Number(value) > 0 && Number(value) < 2 ** 32, where);
      return;
    case 'bytes':
      assert.ok(typeof value === 'string' && value !== '', where);
      assert.equal(Buffer.from(value, 'base64').toString('base64'), value, where);
      return;
    default:
      assert.fail(`${where}: no rule for ${type}`);
  }
}
