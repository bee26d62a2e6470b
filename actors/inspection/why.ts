import type { StateSettings } from '../capture/facts.js';
import { IPPROTO_UDP } from '../capture/linux.js';
import {
  addressBytes,
  formatAddress,
  isLoopback,
  type Address,
  type Network,
} from '../connections/address.js';
import type { PAUSE } from '../connections/listing.js';
import type { ConnectionQuery, EndpointQuery, ReportStatus } from '../connections/report-status.js';
import type { ConnectionState } from '../connections/state.js';
import { containerId } from '../containers/id.js';
import type { Process } from '../processes/process.js';
import { printable } from '../telemetry/plain-text.js';
import type { StreamStatus } from '../telemetry/publication.js';
import type { NodeSources } from './node-view.js';
import type { WhyStep, WhyView } from './protocol.js';

/** Sensor, as far as it answers. */
export interface SensorView {
  readonly streams: () => readonly StreamStatus[];
  readonly queues: () => Readonly<Record<StreamName, QueueView>>;
  /** Whether process signals of a container were dropped. @param sharer owner of its share of the queue */
  readonly hasDropped: (sharer: number) => boolean;
}

/** Messages on their way to Sensor, and lost ones; of reports, the ends in them count. */
interface QueueView {
  readonly waiting: number;
  readonly dropped: number;
  readonly uncertain: number;
}

export interface WhySources extends NodeSources {
  readonly settings: StateSettings;
  /** undefined: there is none, and reports are printed. */
  readonly sensor: SensorView | undefined;
}

/** The thing asked for. */
export type WhyQuery =
  | { readonly of: 'container'; readonly container: number }
  | ({ readonly of: 'connection' } & ConnectionQuery)
  | ({ readonly of: 'endpoint' } & EndpointQuery);

type Paused<Result> = Generator<typeof PAUSE, Result>;
type StreamName = 'signals' | 'network';

/** Content of the streams, in words. */
const CONTENT = { signals: 'process signals', network: 'network reports' } as const;
/** The way of a thing to Sensor. */
const ORDER: readonly WhyStep['step'][] = [
  'seen',
  'container',
  'loopback',
  'ignored-network',
  'established',
  'rate-limit',
  'afterglow',
  'stream',
  'queue',
  'report',
];
const NS_PER_SECOND = 1e9;
/** The discard service: see `RecordFilter`. */
const DISCARD_PORT = 9;
/** Processes to look at between two pauses: the throttle hashes each. */
const SLICE = 256;

/**
 * Answers whether something is in Sensor, or why not, from the states as they are. Pauses as a listing does.
 * @returns undefined before the start fact
 */
export function* why(sources: WhySources, query: WhyQuery): Paused<WhyView | undefined> {
  const state = sources.connections();
  if (state === undefined) return undefined;
  const inquiry = new Inquiry(sources, state);
  switch (query.of) {
    case 'container':
      return yield* inquiry.container(query.container);
    case 'connection':
      return yield* inquiry.connection(query);
    case 'endpoint':
      return yield* inquiry.endpoint(query);
  }
}

/** The processes of a container, for an answer about it. */
interface ContainerProcesses {
  count: number;
  reported: number;
  newest: Process | undefined;
  /** Processes started too often, one of them, and the end of its window. */
  throttled: number;
  sample: { readonly path: string; readonly until: number } | undefined;
}

/** Collects the steps of one answer. */
class Inquiry {
  readonly #sources: WhySources;
  readonly #settings: StateSettings;
  readonly #state: ConnectionState;
  readonly #steps: WhyStep[] = [];

  constructor(sources: WhySources, state: ConnectionState) {
    this.#sources = sources;
    this.#settings = sources.settings;
    this.#state = state;
  }

  *container(container: number): Paused<WhyView> {
    this.#addScope(container);
    if (this.#held() !== undefined) return this.#heldView();
    const cgroup = this.#sources.containers.cgroup(container);
    const processes = yield* this.#processesOf(container);
    if (processes.count === 0 && cgroup === undefined)
      return this.#unseen(
        'seen',
        'No process of it was seen: it counts from its first exec on, or from a scan that lists a process of it.',
      );
    this.#addProcesses(processes, cgroup);
    this.#addProcessLimit(processes);
    this.#addConnectionLimit(container);
    this.#addWay('signals');
    if (this.#sources.sensor?.hasDropped(processes.newest?.sharer ?? container) === true)
      this.#add('queue', false, 'Process signals of it were dropped: the queue for Sensor was full.');
    const { count, reported } = processes;
    const text = `Reports have ${reported} of its ${count} running processes.`;
    if (count > 0) this.#add('report', reported > 0, text);
    if (this.#held() === undefined) return this.#view('reported', `${this.#place(true)}. ${text}`);
    return reported > 0 ? this.#heldView(`A part of it may not be ${this.#where()}`) : this.#heldView();
  }

  *connection(query: ConnectionQuery): Paused<WhyView> {
    this.#addScope(query.container);
    this.#addNetwork();
    this.#addPeer(query);
    if (this.#held() !== undefined) return this.#heldView();
    const status = yield* this.#state.connectionStatus(query);
    const { seen, reported, matching } = status;
    if (seen === undefined && reported === undefined)
      return this.#unseen(
        'established',
        `It was never seen established, or it ended before the report of ${this.#latest(status)}. ` +
          (query.protocol === IPPROTO_UDP
            ? 'A UDP socket counts from a scan of its connect() on, or from its first datagram.'
            : 'A connection counts from being established on.'),
      );
    const newest = matching > 1 ? ` ${matching} connections match, and this is the newest.` : '';
    this.#addSeen(status, newest);
    this.#add('established', true, 'It was established.');
    this.#addLimit(status, 'connections');
    this.#addAfterglow(status);
    this.#addWay('network');
    this.#addReport(status);
    return this.#verdict(status);
  }

  *endpoint(query: EndpointQuery): Paused<WhyView> {
    this.#addScope(query.container);
    this.#addNetwork();
    if (!this.#settings.endpoints)
      this.#add('seen', false, 'Listening ports are not reported: ROX_NETWORK_GRAPH_PORTS is false.');
    if (this.#held() !== undefined) return this.#heldView();
    const status = yield* this.#state.endpointStatus(query);
    if (status.seen === undefined && status.reported === undefined)
      return this.#unseen(
        'seen',
        `No socket was seen listening on its port ${query.port}, or it ended before the report of ` +
          `${this.#latest(status)}. A socket counts from listen() on, unless its address is on the loopback.`,
      );
    this.#addSeen(status, '');
    this.#addLimit(status, 'endpoints');
    this.#addWay('network');
    this.#addReport(status);
    return this.#verdict(status);
  }

  #addScope(container: number): void {
    const { sensor } = this.#sources;
    const { scope } = this.#settings;
    if (container !== 0) this.#add('container', true, `It is in the container ${containerId(container)}.`);
    else if (sensor !== undefined)
      this.#add('container', false, 'It is of the host, and Sensor gets only containers.');
    else
      this.#add(
        'container',
        scope === 'all',
        `It is of the host, and ROX_COLLECTOR_SCOPE is ${scope}${scope === 'all' ? ', so it is printed too' : ''}.`,
      );
  }

  #addNetwork(): void {
    if (this.#settings.networkDisabled)
      this.#add('seen', false, 'The network is not watched: ROX_COLLECTOR_DISABLE_NETWORK_FLOWS is true.');
  }

  /** Adds the steps decided by the peer's address and the ports alone. */
  #addPeer({ protocol, localPort, remote, remotePort }: ConnectionQuery): void {
    const { dropIgnored } = this.#settings;
    const isDiscard = remotePort === DISCARD_PORT || localPort === DISCARD_PORT;
    if (dropIgnored && protocol === IPPROTO_UDP && isDiscard)
      this.#add(
        'ignored-network',
        false,
        `UDP to port ${DISCARD_PORT} (discard) is left out: ROX_NETWORK_DROP_IGNORED is true.`,
      );
    if (remote === undefined) return;
    const peer = addressText(remote);
    const isLocal = isLoopback(remote.words, 0, remote.family);
    this.#add(
      'loopback',
      !isLocal,
      `Its peer ${peer} is ${isLocal ? 'on the loopback, which is never reported' : 'not on the loopback'}.`,
    );
    const network = this.#state.ignoredNetwork(remote);
    this.#add(
      'ignored-network',
      network === undefined,
      network === undefined
        ? `Its peer ${peer} is in no ignored network (ROX_IGNORE_NETWORKS).`
        : `Its peer ${peer} is in the ignored network ${networkText(network)} (ROX_IGNORE_NETWORKS).`,
    );
  }

  #addSeen({ seen, reported }: ReportStatus, more: string): void {
    const { clock } = this.#sources;
    const time = seen?.time ?? reported!.lastActive;
    const text =
      seen === undefined
        ? `It ended; it was last active at ${this.#at(time)}.`
        : `It was seen ${seen.active ? 'open' : 'closed'} by ${seen.scanned ? 'a scan' : 'an event'} at ${this.#at(time)}.`;
    this.#add('seen', true, text + more, clock.unix(time));
  }

  #addLimit(status: ReportStatus, what: 'connections' | 'endpoints'): void {
    const { seen, limit, latest } = status;
    const isDue = seen !== undefined && seen.time <= latest && isUnreported(status);
    const isOver = limit.count > limit.most;
    const fact =
      `The report of ${this.#latest(status)} had ${limit.count} new ${what} of its container, and the limit is ` +
      `${limit.most} (networking.maxConnectionsPerMinute).`;
    if (isDue && isOver) {
      const fate = seen.active ? 'It comes up again at each report.' : 'It is closed, so it is lost.';
      this.#add('rate-limit', false, `${fact} ${fate}`);
    } else if (latest > -Infinity) this.#add('rate-limit', true, fact);
  }

  /** Holds back the end of a connection alone. */
  #addAfterglow(status: ReportStatus): void {
    const { clock } = this.#sources;
    const { afterglowPeriod } = this.#settings;
    if (status.seen?.active === true) return;
    const end = lastActive(status);
    const until = end + afterglowPeriod * NS_PER_SECOND;
    if (isEndUnreported(status) && clock.time < until)
      this.#add(
        'afterglow',
        false,
        `It was reported as active, and ended at ${this.#at(end)}. It counts as active until ${this.#at(until)} ` +
          `(ROX_AFTERGLOW_PERIOD is ${afterglowPeriod} s); the first report after it has the end.`,
        clock.unix(until),
      );
    else this.#add('afterglow', true, `It ended at ${this.#at(end)}, and no afterglow holds back its end.`);
  }

  #addWay(name: StreamName): void {
    const { sensor } = this.#sources;
    if (sensor === undefined) {
      this.#add('stream', true, 'It is printed: there is no Sensor (GRPC_SERVER is empty).');
      return;
    }
    const content = CONTENT[name];
    const stream = sensor.streams().find((one) => one.name === name);
    const state = stream?.state ?? 'not started';
    this.#add(
      'stream',
      state === 'open',
      `The stream of ${content} to Sensor is ${state}; it broke ${stream?.breaks ?? 0} times so far.`,
    );
    const { waiting, dropped, uncertain } = sensor.queues()[name];
    const lost = name === 'signals' ? 'process signals' : 'ends of connections and endpoints';
    this.#add(
      'queue',
      waiting === 0,
      `${waiting} ${content} wait for Sensor; ${dropped + uncertain} ${lost} of all containers were dropped so far.`,
    );
  }

  #addReport(status: ReportStatus): void {
    const { seen, reported, isFull, latest } = status;
    const next = `the next one is due within ${this.#settings.scrapeInterval} s (ROX_COLLECTOR_SCRAPE_INTERVAL)`;
    if (reported === undefined && isFull)
      this.#add('report', false, 'The table of what was reported is full.');
    else if (reported === undefined) this.#add('report', false, `It is in no report yet; ${next}.`);
    else if (isUnreported(status))
      this.#add('report', false, `It was reported as closed, and is open again; ${next}.`);
    else if (isEndUnreported(status))
      this.#add('report', false, `Its end at ${this.#at(lastActive(status))} is in no report yet; ${next}.`);
    else {
      const state = reported.active ? 'as active' : `as closed at ${this.#at(reported.lastActive)}`;
      const peer = reported.peer === '' ? '' : `, with the peer ${reported.peer}`;
      const since = seen === undefined || latest === -Infinity ? '' : ` up to ${this.#latest(status)}`;
      this.#add('report', true, `It is reported ${state}${peer}${since}.`);
    }
  }

  #addProcesses({ count, newest }: ContainerProcesses, cgroup: string | undefined): void {
    const { clock } = this.#sources;
    const path = cgroup === undefined ? '' : ` Its cgroup is ${printable(cgroup)}.`;
    if (newest === undefined) {
      this.#add('seen', true, `Processes of it were seen, and all have ended.${path}`);
      return;
    }
    const time = observed(newest);
    const by = newest.executed > 0 ? 'an event' : 'a scan';
    const text = `It has running processes: ${count}, the newest seen by ${by} at ${this.#at(time)}.`;
    this.#add('seen', true, text + path, clock.unix(time));
  }

  #addProcessLimit({ count, throttled, sample }: ContainerProcesses): void {
    const { clock } = this.#sources;
    if (sample === undefined) {
      this.#add('rate-limit', true, `None of its ${count} running processes was started too often.`);
      return;
    }
    const { path, until } = sample;
    this.#add(
      'rate-limit',
      false,
      `${throttled} of its ${count} running processes were started 10 times within 30 minutes: more of the same ` +
        `are left out, such as ${printable(path)} until ${this.#at(until)}.`,
      clock.unix(until),
    );
  }

  #addConnectionLimit(container: number): void {
    const limit = this.#state.connectionLimit(container);
    this.#add(
      'rate-limit',
      limit.count <= limit.most,
      `The latest report had ${limit.count} new connections of it, and the limit is ${limit.most} ` +
        '(networking.maxConnectionsPerMinute).',
    );
  }

  *#processesOf(container: number): Paused<ContainerProcesses> {
    const { processes, clock } = this.#sources;
    const sum: ContainerProcesses = {
      count: 0,
      reported: 0,
      newest: undefined,
      throttled: 0,
      sample: undefined,
    };
    for (const [at, pid] of processes.pids().entries()) {
      if (at % SLICE === SLICE - 1) yield '';
      const process = processes.process(pid);
      if (process?.container !== container) continue;
      sum.count++;
      if (process.isReported) sum.reported++;
      if (sum.newest === undefined || observed(process) > observed(sum.newest)) sum.newest = process;
      const until = processes.heldUntil(process, clock.time);
      if (until === undefined) continue;
      sum.throttled++;
      sum.sample ??= { path: process.path, until };
    }
    return sum;
  }

  #verdict(status: ReportStatus): WhyView {
    const held = this.#held();
    if (held === undefined) {
      const report = this.#steps.find(({ step }) => step === 'report')!;
      return this.#view('reported', `${this.#place(true)}. ${report.text}`);
    }
    if (status.reported === undefined) return this.#heldView();
    return this.#heldView(
      isEndUnreported(status) ? `Its end is not ${this.#where()}` : `It may not be ${this.#where()}`,
    );
  }

  #heldView(start = this.#place(false)): WhyView {
    return this.#view('held', `${start}. ${this.#held()!.text}`);
  }

  #unseen(step: WhyStep['step'], text: string): WhyView {
    this.#add(step, false, text);
    return this.#view('unseen', `${this.#place(false)}. ${text}`);
  }

  #view(verdict: WhyView['verdict'], summary: string): WhyView {
    return { summary, verdict, steps: this.#inOrder() };
  }

  /** The failed step that holds it back. */
  #held(): WhyStep | undefined {
    return this.#inOrder().find(({ passed }) => !passed);
  }

  #inOrder(): WhyStep[] {
    return [...this.#steps].sort((a, b) => ORDER.indexOf(a.step) - ORDER.indexOf(b.step));
  }

  #add(step: WhyStep['step'], passed: boolean, text: string, time?: number): void {
    this.#steps.push({ step, passed, text, ...(time !== undefined && { time }) });
  }

  #place(isThere: boolean): string {
    return `It is ${isThere ? '' : 'not '}${this.#where()}`;
  }

  #where(): string {
    return this.#sources.sensor === undefined ? 'in the output' : 'in Sensor';
  }

  #latest({ latest }: Pick<ReportStatus, 'latest'>): string {
    return latest === -Infinity ? 'the start' : this.#at(latest);
  }

  /** A time in words. @param ns in the facts' clock */
  #at(ns: number): string {
    return `${new Date(this.#sources.clock.unix(ns)).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  }
}

/** When a process was seen last; its start, if neither an exec nor a scan showed it. */
function observed({ executed, scanned, startTime }: Process): number {
  return Math.max(executed, scanned) || startTime;
}

/** Whether it is to be reported as active, and was not, or as closed. */
function isUnreported({ seen, reported }: ReportStatus): boolean {
  return reported === undefined || (seen?.active === true && !reported.active);
}

/** Whether it has ended, and the last report has it as active. */
function isEndUnreported({ seen, reported }: ReportStatus): boolean {
  return seen?.active !== true && reported?.active === true;
}

function lastActive({ seen, reported }: ReportStatus): number {
  return Math.max(seen?.time ?? -Infinity, reported?.lastActive ?? -Infinity);
}

function addressText({ family, words }: Address): string {
  return formatAddress(addressBytes(words, 0, family));
}

function networkText(network: Network): string {
  return `${addressText(network)}/${network.prefix}`;
}
