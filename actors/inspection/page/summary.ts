import { count, counted, duration, lately } from './format.js';
import type { ActorView, Model } from './model.js';
import { at, failureIn, numberOf, textOf, type FailureText } from './plain.js';
import type { Road, StreamView } from './road.js';

/** Collector in one sentence. */
export interface Summary {
  /** `good`: collects and delivers; `busy`: on the way; `bad`: something failed. */
  readonly tone: 'good' | 'busy' | 'bad';
  /** The phase alone, without counts: changes seldom. */
  readonly phase: string;
  /** The rest of the sentence; empty: nothing to add. */
  readonly rest: string;
  readonly failure: FailureText | undefined;
}

/** Starts of the phases' sentences, by the active state of the root. */
const PHASES: Readonly<Record<string, string>> = {
  'connect-sensor': 'Waiting for Sensor',
  'find-driver': 'Looking for a driver for this kernel',
  download: 'Preparing the driver',
  load: 'Loading the BPF programs into the kernel',
  loaded: 'The BPF programs are loaded',
};

/** The same for the states of the collection. */
const COLLECTING: Readonly<Record<string, string>> = {
  preparing: 'Preparing to collect',
  draining: 'Ending: reading the last events',
  stopping: 'Ending',
  closing: 'Ending: bringing the last messages to their receiver',
  ended: 'Ended',
};

/** @param road of the same model */
export function summarise(model: Model, { end, streams, ...road }: Road): Summary {
  const { root } = model;
  if (root === undefined) {
    const isReplay = model.hello?.mode === 'replay';
    return busy(
      isReplay ? 'A recording without charts' : 'Connected',
      isReplay ? '' : 'no actor has been announced yet',
    );
  }
  const failure = failureIn(root.snapshot.context);
  const active = new Set(root.snapshot.active.flatMap((id) => id.split('.').slice(1)));
  if (active.has('failed') || root.snapshot.status === 'error')
    return { tone: 'bad', phase: 'Failed', rest: failedPhase(failure), failure };
  if (active.has('stopped') || root.snapshot.status !== 'active')
    return busy('Ended in good order', 'Collector has stopped');
  if (active.has('collecting')) return summariseCollection(model, { end, streams, ...road });
  const phase = [...active].findLast((key) => key in PHASES);
  if (phase === undefined) return { ...busy('Starting', ''), failure };
  const address = phase === 'connect-sensor' ? sensorAddress(root) : undefined;
  return {
    tone: failure === undefined ? 'busy' : 'bad',
    phase: `Starting: ${lowerFirst(PHASES[phase]!)}${address === undefined ? '' : ` at ${address}`}`,
    rest: '',
    failure,
  };
}

function summariseCollection(model: Model, { end, fills, streams, lost, recentlyLost, span }: Road): Summary {
  const collection = model.actorOf('collecting');
  const active = collection?.snapshot.active.flatMap((id) => id.split('.').slice(1)) ?? [];
  const ownFailure = failureIn(collection?.snapshot.context);
  const other = active.findLast((key) => key in COLLECTING);
  if (other !== undefined)
    return { tone: ownFailure ? 'bad' : 'busy', phase: COLLECTING[other]!, rest: '', failure: ownFailure };
  const containers = fills.containers.find(({ name }) => name === 'containers')?.entries;
  const connections = fills.connections.find(({ name }) => name === 'connections')?.entries;
  const toSensor = streams.filter(({ name }) => !name.startsWith('runtime'));
  const broken = toSensor.filter(({ state }) => state !== 'open');
  const failure =
    ownFailure ??
    broken
      .map(({ name }) => failureIn(model.actorOf(name)?.snapshot.context))
      .find((one) => one !== undefined);
  const parts = [
    [
      ...(containers === undefined ? [] : [counted(containers, 'container')]),
      ...(connections === undefined ? [] : [counted(connections, 'connection')]),
    ].join(', '),
    end === 'output' ? 'printing to standard output' : '',
    toSensor.length > 0 && broken.length === 0 ? "Sensor's streams are open" : brokenText(model, broken),
    lostSentence(lost, recentlyLost, span),
  ];
  const isBad = failure !== undefined || !broken.every(isConnecting);
  return {
    tone: isBad ? 'bad' : broken.length > 0 ? 'busy' : 'good',
    phase: broken.some(({ state }) => state === 'backing off')
      ? 'Collecting, but delivery to Sensor is interrupted'
      : 'Collecting',
    rest: parts.filter((text) => text !== '').join('; '),
    failure,
  };
}

function lostSentence(lost: number, recently: number, span: number): string {
  if (lost === 0) return '';
  const when =
    recently === 0 ? `none in the last ${lately(span)}` : `${count(recently)} in the last ${lately(span)}`;
  return `lost ${counted(lost, 'event')} since the start, ${when}`;
}

function isConnecting({ state }: StreamView): boolean {
  return state === 'connecting';
}

function brokenText(model: Model, broken: readonly StreamView[]): string {
  const [first, ...others] = broken;
  if (first === undefined) return '';
  const because = first.reason === undefined ? '' : ` (${first.reason})`;
  if (others.length === 0) {
    const what = `Sensor's stream of ${first.name}`;
    return first.state === 'connecting'
      ? `${what} is being opened${because}`
      : `${what} broke${because}, and ${nextAttempt(model, first)}`;
  }
  const each = broken.map((stream) => `${stream.name} ${nextAttempt(model, stream)}`).join(', ');
  return broken.every(isConnecting) && because === ''
    ? "Sensor's streams are being opened"
    : `Sensor's streams broke${because}: ${each}`;
}

function nextAttempt(model: Model, { name, state }: StreamView): string {
  if (state === 'connecting') return 'is being opened';
  if (state !== 'backing off') return `is ${state}`;
  const wait = numberOf(at(model.actorOf(name)?.snapshot.context, 'wait'));
  return wait === undefined ? 'waits for its next attempt' : `is opened again after ${duration(wait)}`;
}

function sensorAddress({ snapshot: { context } }: ActorView): string | undefined {
  return (
    textOf(at(context, 'sensor', 'address')) ??
    textOf(at(context, 'sensor')) ??
    textOf(at(context, 'settings', 'sensor')) ??
    textOf(at(context, 'address'))
  );
}

function failedPhase(failure: FailureText | undefined): string {
  return failure?.phase === undefined ? '' : `in the phase ${failure.phase}`;
}

function busy(phase: string, rest: string): Summary {
  return { tone: 'busy', phase, rest, failure: undefined };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** `Lost: 0`, for the badge. */
export function lostText({ end, lost }: Road): string {
  return end === undefined ? 'Lost: –' : `Lost: ${count(lost)}`;
}

/** Losses in words, by stage and cause of the ledger. */
const CAUSES: Readonly<Record<string, string>> = {
  'kernel ring_full': 'The ring buffer was full: Collector did not read fast enough',
  'kernel over_share': "The ring buffer was full of one container's own events; the log names the container",
  'kernel record_failed': 'A BPF program could not build the record',
  'kernel program_busy': 'The BPF program was already running on that CPU',
  'kernel program_detached': 'Somebody detached BPF programs of Collector',
  'arguments blocked': 'Reading the arguments was given up: the process held up the helper',
  'arguments avoided': 'Arguments were not asked for: the process or its container held up helpers before',
  'arguments no_reader': 'Arguments were not read: no helper was free',
  'arguments unreadable':
    'Arguments could not be read: hidepid, a security policy, or memory backed by a file',
  'recording disk_slow': 'The disk did not take the recording fast enough',
  'recording disk_refused': 'The disk took no more of the recording, as when it is full',
  'processes table_full': 'The process table was full: the least recent process was forgotten',
  'processes originators_full': 'A listening process has no name: too many are in use by reports',
  'connections table_full': 'The connection table was full, or the container over its share',
  'connections rate_limited': 'The container opened more connections than a report may have',
  'endpoints rate_limited': 'The container opened more ports than a report may have',
  'sensor queue_full': 'The queue was full while no stream took signals',
  'sensor unconfirmed': 'The stream broke: these signals may not have arrived',
  'sensor reports_full': 'Network reports were dropped: their queue was full',
  'sensor reports_unconfirmed': 'The stream broke: these network reports may not have arrived',
  'output nobody_reads': 'Nobody read standard output in time',
};

/** The cause of a loss in words. */
export function causeText(stage: string, cause: string): string {
  return CAUSES[`${stage} ${cause}`] ?? `${stage}: ${cause.replaceAll('_', ' ')}`;
}
