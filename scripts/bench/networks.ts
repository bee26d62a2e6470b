/**
 * Measures the costs of taking Sensor's networks in, and of finding one: `npx tsx scripts/bench/networks.ts`. The
 * message is decoded, its lists become rows, the rows become a set: the pause is the longest wait of the event loop,
 * for the longest slice. The first list is the one of a fresh process; `… first <family> <size>` takes in only this
 * list.
 */
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { AF_INET, AF_INET6 } from '../../actors/connections/address.js';
import { Networks } from '../../actors/connections/networks.js';
import { readControl } from '../../actors/sensor/control.js';
import { decodeControlMessage } from '../../actors/sensor/messages.js';
import { sensor } from '../../proto/generated/messages.js';
import { LinearNetworks } from './linear-networks.js';
import { medianOf } from './statistics.js';

const SIZES = [10, 1000, 10_000, 100_000];
const ROUNDS = 9;
/** Processes taking in a list as their first. */
const FRESH = 5;
const PROBES = 65_536;
/** Looked at in one measurement of the list: networks times lookups. */
const LINEAR_WORK = 50_000_000;

const kinds = [
  { name: 'IPv4', family: AF_INET, bytes: 4 },
  { name: 'IPv6', family: AF_INET6, bytes: 16 },
] as const;

/** A message with networks of 8 to all bits in no order, half of them inside of others. */
function message(bytes: number, size: number): Buffer {
  const list = new Uint8Array(size * (bytes + 1));
  for (let index = 0; index < size; index++) {
    const at = index * (bytes + 1);
    const parent = index % 2 === 0 ? -1 : Math.floor(random() * index) * (bytes + 1);
    for (let byte = 0; byte < bytes; byte++) {
      const isShared = parent >= 0 && byte < list[parent + bytes]! >> 3;
      list[at + byte] = isShared ? list[parent + byte]! : Math.floor(random() * 256);
    }
    // No mapped ones, and nothing of the other's family by chance.
    if (bytes === 16 && parent < 0) list[at] = 0x20;
    list[at + bytes] = 8 + Math.floor(random() * (bytes * 8 - 7));
  }
  const ipNetworks = bytes === 4 ? { ipv4Networks: list } : { ipv6Networks: list };
  return sensor.NetworkFlowsControlMessage.encode({ ipNetworks }).finish() as Buffer;
}

/** Addresses, half of them in networks of the rows, 4 words each. */
function probesOf(rows: Uint32Array, family: number): Uint32Array {
  const used = family === AF_INET ? 1 : 4;
  return Uint32Array.from({ length: PROBES * 4 }, (_, at) => {
    const word = at & 3;
    if (word >= used) return 0;
    const row = ((at >>> 3) % (rows.length / 6)) * 6;
    const isInside = (at & 4) === 0;
    const noise = Math.floor(random() * 2 ** 32);
    if (!isInside) return noise;
    const bits = Math.min(32, Math.max(0, rows[row + 1]! - word * 32));
    return rows[row + 2 + word]! + (bits === 32 ? 0 : noise >>> bits);
  });
}

/** ns for each of `lookups` lookups. */
function lookup(
  find: (words: Uint32Array, at: number) => unknown,
  probes: Uint32Array,
  lookups: number,
): number {
  const start = performance.now();
  for (let probe = 0; probe < lookups; probe++) find(probes, (probe % PROBES) * 4);
  return ((performance.now() - start) * 1e6) / lookups;
}

let seed = 1;
/** The same numbers at each run. */
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

/** Takes a message in; the set, its rows, and the ms of the longest slice and of all. */
function take(encoded: Buffer): { networks: Networks; rows: Uint32Array; longest: number; total: number } {
  let longest = 0;
  let total = 0;
  const timed = <T>(act: () => T): T => {
    const start = performance.now();
    const result = act();
    const duration = performance.now() - start;
    longest = Math.max(longest, duration);
    total += duration;
    return result;
  };
  const work = timed(() => readControl(decodeControlMessage(encoded)));
  for (;;) {
    const { done, value } = timed(() => work.next());
    if (!done) continue;
    const rows = value.lists.networks!;
    const networks = timed(() => new Networks(rows));
    return { networks, rows, longest, total };
  }
}

/** The longest slices of first lists, each in a process of its own, ms. */
function firstPauses(name: string, size: number): number[] {
  return Array.from({ length: FRESH }, () => {
    const script = [...process.execArgv, process.argv[1]!, 'first', name, String(size)];
    return Number(spawnSync(process.execPath, script, { encoding: 'utf8' }).stdout);
  });
}

const [mode, only, count] = process.argv.slice(2);
if (mode === 'first') {
  console.log(take(message(kinds.find(({ name }) => name === only)!.bytes, Number(count))).longest);
} else
  for (const { name, family, bytes } of kinds) {
    for (const size of SIZES) {
      const encoded = message(bytes, size);
      const taken = Array.from({ length: ROUNDS }, () => take(encoded));
      const { networks, rows } = taken[0]!;
      const pauses = taken.map(({ longest }) => longest);
      const first = firstPauses(name, size);
      const probes = probesOf(rows, family);
      const list = new LinearNetworks(rows);
      const inTree = (words: Uint32Array, at: number) => networks.find(words, at, family);
      const inList = (words: Uint32Array, at: number) => list.find(words, at, family);
      lookup(inTree, probes, PROBES);
      const tree = medianOf(Array.from({ length: ROUNDS }, () => lookup(inTree, probes, PROBES)));
      const linear = lookup(inList, probes, Math.max(50, Math.min(PROBES, LINEAR_WORK / size)));
      console.log(
        `${String(size).padStart(7)} ${name} networks: pause ${medianOf(pauses).toFixed(2)} ms ` +
          `(the first ${medianOf(first).toFixed(2)}, the longest ${Math.max(...pauses, ...first).toFixed(2)}), in all ` +
          `${medianOf(taken.map(({ total }) => total)).toFixed(2)} ms; a lookup ${tree.toFixed(0)} ns, in a list ${linear.toFixed(0)} ns`,
      );
    }
  }
