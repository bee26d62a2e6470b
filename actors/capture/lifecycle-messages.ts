/**
 * The payload of a lifecycle frame: a JSON array of messages of an inspection. A reader shows them to a person, so all
 * is bounded and checked: structure, depth, length of texts, and no controls in them.
 */
import { UNSAFE } from '../telemetry/plain-text.js';
import type { LifecycleMessage } from './facts.js';

/** Most bytes of a payload: a start-up has some 50 KB. */
const MOST_BYTES = 1024 * 1024;
/** Longest text in a message, UTF-16 units. */
const LONGEST_TEXT = 4096;
/** Most levels of a context. */
const MOST_LEVELS = 16;
/** Members of a list or record, at most. */
const MOST_MEMBERS = 1024;
/** ECMA-262's bound of time, ms. */
const LATEST_MS = 8.64e15;

/** The payload for messages; without those that a reader would refuse. */
export function encodeLifecycle(messages: readonly LifecycleMessage[]): Uint8Array {
  const texts: string[] = [];
  let bytes = 2;
  for (const message of messages.slice(0, MOST_MEMBERS)) {
    const text = JSON.stringify(message);
    const length = Buffer.byteLength(text) + 1;
    if (bytes + length > MOST_BYTES || !isLifecycleMessage(JSON.parse(text))) continue;
    texts.push(text);
    bytes += length;
  }
  return Buffer.from(`[${texts.join(',')}]`);
}

/** @throws Error if the payload is anything else */
export function decodeLifecycle(payload: Uint8Array): readonly LifecycleMessage[] {
  const refuse = () => new Error('a lifecycle that is none');
  if (payload.length > MOST_BYTES) throw refuse();
  const messages = JSON.parse(Buffer.from(payload).toString()) as unknown;
  if (!Array.isArray(messages) || messages.length > MOST_MEMBERS || !messages.every(isLifecycleMessage))
    throw refuse();
  return messages;
}

function isLifecycleMessage(value: unknown): value is LifecycleMessage {
  if (!isRecord(value) || !isBounded(value)) return false;
  const { type, time, actor } = value;
  if (typeof time !== 'number' || !(Math.abs(time) <= LATEST_MS)) return false;
  if (type === 'hello') return isTexts([value['version'], value['node'], value['release']]);
  if (typeof actor !== 'string') return false;
  switch (type) {
    case 'actor':
      return (
        typeof value['id'] === 'string' &&
        isTextOrAbsent(value['parent']) &&
        isTextOrAbsent(value['chart']) &&
        isSnapshot(value['snapshot'])
      );
    case 'snapshot':
      return isSnapshot(value['snapshot']);
    case 'transition':
      return isEvent(value['event']) && isTexts(value['edges']) && isSnapshot(value['snapshot']);
    case 'event':
      return isTextOrAbsent(value['source']) && isEvent(value['event']);
    default:
      return false;
  }
}

const STATUSES: readonly unknown[] = ['active', 'done', 'error', 'stopped'];

function isSnapshot(value: unknown): boolean {
  return (
    isRecord(value) && STATUSES.includes(value['status']) && isTexts(value['active']) && 'context' in value
  );
}

function isEvent(value: unknown): boolean {
  return isRecord(value) && typeof value['type'] === 'string' && 'fields' in value;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether plain data is small enough, and its texts are fit to be shown. */
function isBounded(value: unknown, levels = MOST_LEVELS): boolean {
  if (typeof value === 'string') return value.length <= LONGEST_TEXT && value.search(UNSAFE) < 0;
  if (typeof value !== 'object' || value === null) return true;
  const members = Object.entries(value);
  return (
    levels > 0 &&
    members.length <= MOST_MEMBERS &&
    members.every(([name, member]) => isBounded(name) && isBounded(member, levels - 1))
  );
}
