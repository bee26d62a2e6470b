import { Observable } from 'rxjs';
import type { ProgramStats } from '../../native/index.js';
import type { Connections, NetworkUpdate } from '../connections/actor.js';
import type { SlotTableCounts } from '../connections/counts.js';
import { isOfListening } from '../connections/record-filter.js';
import type { Containers } from '../containers/actor.js';
import { judge, type Verdict } from '../containers/verdict.js';
import { NETWORK_WORDS, type Fact, type ScanFact, type TickFact } from '../capture/facts.js';
import { RecordType } from '../capture/layout.js';
import { processPath } from '../capture/process-record.js';
import type { Records } from '../capture/records.js';
import type { LeftOutProcess } from '../processes/state.js';
import type { Processes } from '../processes/actor.js';
import type { Log } from '../telemetry/log.js';
import { containerText, isSocketRecord, recordText, serverText, socketText } from './record-text.js';

/** The folds to explain. */
export interface FactLogSources {
  readonly containers: Containers;
  readonly processes: Processes;
  readonly connections: Connections;
}

/** Sizes of the tables before a scan or a tick. */
interface Sizes {
  readonly processes: number;
  readonly connections: number;
  readonly listeners: number;
}

/** The scan under way. */
interface Scan {
  readonly before: Sizes;
  listed: number;
  signals: number;
}

/** The tick under way. */
interface Tick {
  readonly audience: TickFact['audience'];
  readonly refused: ReadonlyMap<string, number>;
  /** Reports so far: connections and endpoints, open and closed. */
  readonly counts: { connections: number; ended: number; endpoints: number; endpointsEnded: number };
}

type Of = ScanFact['of'];

/**
 * Explains a run in the log: at debug each scan, each tick, each container met, and each connection or process left out
 * with the reason, once for a key and window; at trace each record too.
 *
 * It looks at facts beside their fold, and asks the predicates of the folds. At other levels it is one question for a
 * fact, and nothing for a record.
 */
export class FactLog {
  readonly #log: Log;
  readonly #sources: FactLogSources;
  readonly #leaveOut: (key: string, message: string) => void;
  readonly #scans: Partial<Record<Of, Scan | undefined>> = {};
  /** Duration of the latest scan, s; undefined in a replay. */
  readonly #scanSeconds: Partial<Record<Of, number>> = {};
  #tick: Tick | undefined;
  /** Entries refused by the end of the tick before, by table. */
  #refused: ReadonlyMap<string, number> | undefined;
  #kernel: readonly ProgramStats[] = [];
  #isOn = false;

  constructor(log: Log, sources: FactLogSources) {
    this.#log = log;
    this.#sources = sources;
    this.#leaveOut = log.oncePerKey('debug');
  }

  /** Passes facts on, and explains them around their fold, as long as the level of the log asks for it. */
  watch(facts: Observable<Fact>): Observable<Fact> {
    return new Observable((subscriber) =>
      facts.subscribe({
        next: (fact) => {
          if (this.#log.enables('debug')) {
            this.#explain(fact, () => subscriber.next(fact));
          } else {
            if (this.#isOn) this.#stop();
            subscriber.next(fact);
          }
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  }

  /** Counts a part of a tick's report. */
  count({ delta }: NetworkUpdate): void {
    if (this.#tick === undefined) return;
    const { counts } = this.#tick;
    const ended = (reports: readonly { readonly closedAt: number | undefined }[]) =>
      reports.filter(({ closedAt }) => closedAt !== undefined).length;
    counts.connections += delta.connections.length;
    counts.ended += ended(delta.connections);
    counts.endpoints += delta.endpoints.length;
    counts.endpointsEnded += ended(delta.endpoints);
  }

  /** Explains a tick with its report given. */
  tickEnded(seconds: number): void {
    const tick = this.#tick;
    const state = this.#sources.connections.state;
    this.#tick = undefined;
    if (tick === undefined || state === undefined) return;
    const { connections, ended, endpoints, endpointsEnded } = tick.counts;
    this.#refused = refusedIn(state.tables);
    const { processes } = this.#sizes();
    const entries = state.tables.map(({ name, entries }) => `${name} ${entries}`);
    this.#log.debug(
      `Tick in ${milliseconds(seconds)}, audience ${tick.audience}: reported connections ${connections} (ended ${ended}), ` +
        `endpoints ${endpoints} (ended ${endpointsEnded}); tables: ${[`processes ${processes}`, ...entries].join(', ')}`,
    );
    for (const { name, refused, capacity } of state.tables) {
      const count = refused - (tick.refused.get(name) ?? 0);
      if (count === 0) continue;
      const message = `Left out, table full: ${count} entries of ${name}, with room for ${capacity}, since the last tick`;
      this.#leaveOut(`table ${name}`, message);
    }
    if (tick.audience === 'none') return;
    for (const { of, container, count, most } of state.overLimit)
      this.#leaveOut(
        `limit ${of} ${container}`,
        `Left out, over the rate limit of ${most} a report: ${count} new ${of} of ${containerText(container)}`,
      );
  }

  /** Takes the duration of a scan; its last fact follows. */
  scanned(of: Of, seconds: number): void {
    this.#scanSeconds[of] = seconds;
  }

  /** Explains the work of the BPF programs since the last look at their counts. */
  kernel(stats: readonly ProgramStats[]): void {
    const before = this.#kernel;
    this.#kernel = stats;
    if (!this.#log.enables('debug')) return;
    const parts = stats.flatMap(({ program, events, skipped }, index) => {
      const written = events - (before[index]?.events ?? 0);
      const left = skipped - (before[index]?.skipped ?? 0);
      return written + left === 0 ? [] : [`${program} wrote ${written} and left out ${left}`];
    });
    if (parts.length > 0)
      this.#log.debug(
        `Kernel side: ${parts.join(', ')} (helpers of the host on their way, loopback peers and listeners)`,
      );
  }

  /** Forgets all it holds, since it will be outdated when the level asks for it again. */
  #stop(): void {
    this.#isOn = false;
    this.#sources.processes.leftOut = undefined;
    this.#tick = undefined;
    this.#refused = undefined;
    this.#scans.processes = this.#scans.sockets = undefined;
  }

  #explain(fact: Fact, fold: () => void): void {
    this.#isOn = true;
    const leftOut: LeftOutProcess[] = (this.#sources.processes.leftOut = []);
    const met = 'records' in fact ? this.#met(fact.records) : [];
    if (fact.kind === 'scan') this.#scanBegins(fact);
    if (fact.kind === 'tick') this.#tickBegins(fact);
    const { signals } = this.#sources.processes;
    fold();
    met.forEach((verdict) => this.#log.debug(metText(verdict)));
    if ('records' in fact) this.#explainRecords(fact.records, leftOut);
    switch (fact.kind) {
      case 'scan':
        this.#scanPart(fact, this.#sources.processes.signals - signals);
        break;
      case 'start': {
        const { scope, format, scrapeInterval, externalIps, maxConnectionsPerMinute } = fact.settings;
        this.#log.debug(
          `Run begins: scope ${scope}, format ${format}, a tick each ${scrapeInterval} s, external IPs ${externalIps}, at most ` +
            `${maxConnectionsPerMinute} new connections a minute for each container`,
        );
        break;
      }
      case 'config':
        this.#log.debug(
          `Runtime configuration in force: external IPs ${fact.externalIps}, at most ${fact.maxConnectionsPerMinute} new ` +
            'connections a minute for each container',
        );
        break;
      case 'control':
        this.#log.debug(
          `Lists of Sensor in force: ${listText(fact.networks)} networks, ${listText(fact.publicAddresses)} public addresses`,
        );
        break;
      case 'containers':
        for (const { id, namespace, pod, name, image } of fact.updated)
          this.#log.debug(
            `Container ${id} is ${[namespace, pod, name].filter(Boolean).join('/')}, image '${image}'`,
          );
        for (const id of fact.removed) this.#log.debug(`Container ${id} was removed by its runtime`);
        break;
      case 'clock':
        this.#log.debug(`The clock was set: it is ${new Date((fact.time + fact.epoch) / 1e6).toISOString()}`);
    }
  }

  /** The containers without a process so far, each with its verdict. */
  #met(records: Records): Verdict[] {
    const { state } = this.#sources.containers;
    const met = new Map<number, Verdict>();
    for (let at = 0; at < records.length; at += records.size(at)) {
      const type = records.type(at);
      if (type !== RecordType.exec && type !== RecordType.process) continue;
      const container = records.container(at);
      if (container === 0 || met.has(container) || state.cgroup(container) !== undefined) continue;
      met.set(container, judge(records, at));
    }
    return [...met.values()];
  }

  #explainRecords(records: Records, leftOut: readonly LeftOutProcess[]): void {
    const { state } = this.#sources.connections;
    const isTracing = this.#log.enables('trace');
    for (let at = 0; at < records.length; at += records.size(at)) {
      if (isTracing) this.#log.trace(`Record: ${recordText(records, at)}`);
      const reason = isSocketRecord(records, at) ? state?.reasonAgainst(records, at) : undefined;
      if (reason === undefined) continue;
      const container = records.container(at);
      const what = isOfListening(records, at) ? 'listening socket' : 'connection';
      this.#leaveOut(
        `${reason} ${what} ${container} ${serverText(records, at)}`,
        `Left out, ${reason}: ${what} of ${containerText(container)}, pid ${records.pid(at)}, ${socketText(records, at)}`,
      );
    }
    for (const { record: at, reason } of leftOut) {
      const [container, path] = [records.container(at), processPath(records, at)];
      this.#leaveOut(
        `${reason} ${container} ${path}`,
        `Left out, ${reason}: process of ${containerText(container)}, pid ${records.pid(at)}, ${path}`,
      );
    }
  }

  #scanBegins({ of, part }: ScanFact): void {
    if (part === undefined || part === 'first')
      this.#scans[of] = { before: this.#sizes(), listed: 0, signals: 0 };
  }

  #scanPart({ of, part, afterLoss, audience, records }: ScanFact, signals: number): void {
    // The level was set in the middle of a scan: the next one is whole.
    const scan = this.#scans[of];
    if (scan === undefined) return;
    for (let at = 0; at < records.length; at += records.size(at)) scan.listed++;
    scan.signals += signals;
    if (part === 'first' || part === 'next') return;
    this.#scans[of] = undefined;
    const seconds = this.#scanSeconds[of];
    const now = this.#sizes();
    const { before, listed } = scan;
    const changes =
      of === 'sockets'
        ? `connections ${before.connections} → ${now.connections}, listening sockets ${before.listeners} → ${now.listeners}`
        : `signals ${scan.signals}, processes ${before.processes} → ${now.processes}`;
    this.#log.debug(
      `Scan of ${of}${seconds === undefined ? '' : ` in ${milliseconds(seconds)}`}, audience ${audience}` +
        `${afterLoss === true ? ', after a loss' : ''}: listed ${listed}; ${changes}`,
    );
  }

  #tickBegins({ audience }: TickFact): void {
    const tables = this.#sources.connections.state?.tables ?? [];
    this.#tick = {
      audience,
      refused: this.#refused ?? refusedIn(tables),
      counts: { connections: 0, ended: 0, endpoints: 0, endpointsEnded: 0 },
    };
  }

  #sizes(): Sizes {
    const { processes, connections } = this.#sources;
    const counts = connections.state?.counts;
    return {
      processes: processes.state.counts.processes,
      connections: counts?.connections ?? 0,
      listeners: counts?.listeners ?? 0,
    };
  }
}

function metText({ id, cgroup, isNamed }: Verdict): string {
  const verdict =
    isNamed === undefined
      ? 'is cut, so the verdict of the kernel side stands alone'
      : isNamed
        ? 'names it, as the kernel side says'
        : 'does not name it, against the kernel side';
  return `Container ${id} met: its cgroup '${cgroup}' ${verdict}`;
}

function refusedIn(tables: readonly SlotTableCounts[]): ReadonlyMap<string, number> {
  return new Map(tables.map(({ name, refused }) => [name, refused]));
}

/** The number of networks in a list; an absent list stays as it is. */
function listText(list: Uint32Array | undefined): string {
  return list === undefined ? 'the same' : String(list.length / NETWORK_WORDS);
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`;
}
