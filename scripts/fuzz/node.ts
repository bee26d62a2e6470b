import { merge, share, Subject, tap, type Subscription } from 'rxjs';
import type { Fact, StartFact } from '../../actors/capture/facts.js';
import { recordText } from '../../actors/output/record-text.js';
import { Slices } from '../../actors/capture/slices.js';
import { EventLines } from '../../actors/command/event-lines.js';
import { eventViewFields, listViewFields } from '../../actors/command/views.js';
import { objectOf, tableLines, type Field } from '../../actors/command/fields.js';
import type { ListName } from '../../actors/inspection/ask.js';
import { listLines } from '../../actors/inspection/ask-lists.js';
import { eventRows } from '../../actors/inspection/events.js';
import { Filter } from '../../actors/inspection/filter.js';
import { nodeView } from '../../actors/inspection/node-view.js';
import type { WhySources } from '../../actors/inspection/why.js';
import { outputLines } from '../../actors/output/actor.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { networkMessage, signalMessage } from '../../actors/sensor/messages.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Pipeline } from '../../actors/wiring/pipeline.js';
import { sensor } from '../../proto/generated/messages.js';
import { ensureJson, ensureJsonLine, ensureLine, ensureUnicode } from './checks.js';
import { ensure } from './target.js';

/** Columns of a person's terminal: lines are cut there. */
const WIDTH = 80;
const CONTAINER_ID = /^[\da-f]{12}$/;

/**
 * Folds facts as a run does, and checks everything on its way out: JSON, compact lines in both widths,
 * messages to Sensor, log lines at trace, rows of events and their lines in the command.
 */
export class FuzzedNode {
  readonly #slices = new Slices();
  readonly #facts = new Subject<Fact>();
  readonly #pipeline: Pipeline;
  readonly #folding: Subscription;
  readonly #narrow = new EventLines({ zone: 'utc', color: true, width: WIDTH });
  #error: unknown;

  constructor(start: StartFact) {
    const log = createLog({ level: 'trace', write: (line) => ensureLine(line.slice(0, -1), 'a log line') });
    this.#pipeline = new Pipeline(start.settings, this.#slices, log, { pastEvents: 64 * 1024 });
    this.#folding = this.#pipeline
      .run(this.#facts, (updates) => {
        const shared = {
          ...updates,
          processes: updates.processes.pipe(
            tap(({ signals }) => signals.forEach(ensureSignal)),
            share(),
          ),
          network: updates.network.pipe(
            tap(({ delta, time }) => ensureNetwork(networkMessage(delta, time, updates.originator))),
            share(),
          ),
        };
        return merge(
          outputLines(shared, 'json', { color: false }).pipe(
            tap((lines) => lines.forEach((line) => ensureJsonLine(line, 'a message in JSON'))),
          ),
          outputLines(shared, 'compact', { color: true, width: WIDTH }).pipe(tap(ensureCompact)),
          outputLines(shared, 'compact', { color: false }).pipe(tap(ensureCompact)),
        );
      })
      .subscribe({ error: (error: unknown) => (this.#error = error) });
    this.fold(start);
  }

  get sources(): WhySources {
    return this.#pipeline.viewSources(undefined);
  }

  get events(): Pipeline['events'] {
    return this.#pipeline.events;
  }

  get pipeline(): Pipeline {
    return this.#pipeline;
  }

  /** @throws the error of a fold or of an output */
  fold(fact: Fact): void {
    this.#facts.next(fact);
    for (const work = this.#slices.run(); work.next().done !== true;);
    if (this.#error !== undefined) throw this.#error as Error;
    if (fact.kind === 'records' || fact.kind === 'scan') this.#ensureRows(fact);
  }

  /** Checks the views of the whole node: they cost more than a fact. */
  ensureViews(): void {
    const { sources } = this;
    ensureJsonLine([...nodeView(sources)].join('').trimEnd(), 'the view of the node');
    for (const name of Object.keys(listViewFields) as ListName[]) this.#ensureList(name);
  }

  close(): void {
    this.#folding.unsubscribe();
  }

  #ensureRows({ records }: Extract<Fact, { records: unknown }>): void {
    for (let at = 0; at < records.length; at += records.size(at)) recordText(records, at);
    const { clock, refs } = this.sources;
    for (const row of eventRows(records, { clock, refs })) {
      ensureJsonLine(JSON.stringify(row), 'a row of an event');
      for (const line of this.#narrow.of(row)) ensureLine(line, "a line of the command's");
      objectOf(row, eventViewFields, 'utc');
    }
  }

  #ensureList(name: ListName): void {
    const text = [...listLines(name, this.sources, new Filter([], []))].join('');
    const rows = text.split('\n').slice(0, -1);
    const all = listViewFields[name] as readonly Field<unknown>[];
    const look = { zone: 'utc', now: 0 } as const;
    for (const line of tableLines(
      rows.map((row) => ensureJson(row, `a row of ${name}`)),
      all,
      look,
      WIDTH,
    ))
      ensureLine(line, `a line of ${name}`);
  }
}

function ensureCompact(lines: readonly string[]): void {
  for (const line of lines) ensureLine(line, 'a compact line');
}

/** Reads a message as Sensor does: a string with invalid UTF-8 would end the stream. */
function ensureSignal(signal: ProcessSignal): void {
  const { args, path, name, lineage } = signal;
  for (const text of [args, path, name, ...lineage.map((ancestor) => ancestor.path)])
    ensureUnicode(text, 'a text of a process');
  const read = sensor.SignalStreamMessage.decode(signalMessage(signal)).signal?.processSignal;
  ensure(
    read?.args === args && read.execFilePath === path && read.name === name,
    () => 'Sensor reads others',
  );
  ensure(
    signal.container === 0 || CONTAINER_ID.test(read.containerId ?? ''),
    () => `container ${read.containerId}`,
  );
}

function ensureNetwork(message: Buffer): void {
  const { info } = sensor.NetworkConnectionInfoMessage.decode(message);
  for (const { containerId } of [...(info?.updatedConnections ?? []), ...(info?.updatedEndpoints ?? [])])
    ensure(containerId === '' || CONTAINER_ID.test(containerId ?? ''), () => `container ${containerId}`);
}
