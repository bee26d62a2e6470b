import type { Fact, StartFact } from '../../actors/capture/facts.js';
import { RecordType } from '../../actors/capture/layout.js';
import { openRecording } from '../../actors/capture/replayer.js';
import { ConnectionState } from '../../actors/connections/state.js';
import { processJson } from '../../actors/output/json.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { ProcessState } from '../../actors/processes/state.js';
import { own, type Figure } from './figures.js';
import { medianOf } from './statistics.js';

const SEED = 0x5eed;
const PROCESSES = 32_768;
const FEWEST = 6;

/** Makes the steps to be timed, anew for each time. */
type Prepare = () => (() => void)[];

/**
 * Makes steps to fold the recording of a TCP load and to report, without kernel, streams and output.
 * @returns also the count of its records
 */
export function connectionSteps(recording: string): { readonly prepare: Prepare; readonly count: number } {
  const { start, facts } = readAll(recording);
  const batches = facts.flatMap((fact) => (fact.kind === 'records' ? [fact.records] : []));
  const time = facts.at(-1)!.time;
  const prepare = () => {
    const state = new ConnectionState(start.settings, () => 0, SEED);
    return [
      () => {
        for (const batch of batches) {
          for (let at = 0; at < batch.length; at += batch.size(at)) state.record(batch, at);
        }
      },
      () => [...state.tick({ kind: 'tick', time, epoch: 0, audience: 'same' })],
    ];
  };
  return { prepare, count: countOf(facts, [RecordType.open, RecordType.close]) };
}

/**
 * The time to fold the recording of a TCP load.
 * @param milliseconds to go on for
 */
export function connectionFigures(recording: string, milliseconds: number): Figure[] {
  const { prepare, count } = connectionSteps(recording);
  const [records, tick] = steadyCosts(milliseconds, prepare);
  return [
    own('fold: TCP record into the connections', 'ns', records! / count),
    own('fold: report tick, its share for a record', 'ns', tick! / count),
  ];
}

/**
 * The time to fold the recording of a process load, and to print the result.
 * @param milliseconds to go on for
 */
export function processFigures(recording: string, milliseconds: number): Figure[] {
  const { start, facts } = readAll(recording);
  const count = countOf(facts, [RecordType.exec]);
  let characters = 0;
  const [fold, lines] = steadyCosts(milliseconds, () => {
    const state = new ProcessState(PROCESSES);
    state.fold(start);
    let signals: ProcessSignal[][] = [];
    return [
      () => (signals = facts.map((fact) => state.fold(fact))),
      () => signals.forEach((some) => some.forEach((signal) => (characters += processJson(signal).length))),
    ];
  });
  if (characters === 0) throw new Error('The recording of the process load has no process in it.');
  return [
    own('fold: exec and exit records into a signal', 'ns', fold! / count),
    own('fold: signal into a line of JSON', 'ns', lines! / count),
  ];
}

/**
 * Processor time, ns, of each of several steps in a row; the median of many times, once the compiler of
 * JavaScript has done its work.
 */
function steadyCosts(milliseconds: number, prepare: Prepare): number[] {
  const end = performance.now() + milliseconds;
  const times: number[][] = [];
  while (performance.now() < end || times.length < FEWEST) times.push(prepare().map(cpuTime));
  const steady = times.slice(times.length >> 1);
  return steady[0]!.map((_, step) => medianOf(steady.map((time) => time[step]!)));
}

function readAll(recording: string): { start: StartFact; facts: Fact[] } {
  const { start, facts } = openRecording(recording);
  return { start, facts: [...facts] };
}

function countOf(facts: readonly Fact[], types: readonly number[]): number {
  let count = 0;
  for (const fact of facts) {
    if (fact.kind !== 'records') continue;
    const { records } = fact;
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (types.includes(records.type(at))) count++;
    }
  }
  return count;
}

/** Of the whole process, ns: garbage collection is part of the price. */
export function cpuTime(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}
