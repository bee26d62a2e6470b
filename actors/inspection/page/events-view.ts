import { html, nothing, render, type TemplateResult } from 'lit-html';
import type { EventRow, EventsMessage, Message } from '../protocol.js';
import { EventBuffer, type NumberedEvent } from './event-buffer.js';
import { EVENT_KEYS } from './filter.js';
import { FilterBox } from './filter-box.js';
import { count, counted, dateAndClock, duration, preciseClock } from './format.js';
import { copyText, rowDetails, type Detail } from './row-detail.js';
import { addressAndPort, baseName, cellText, containerPath, containerTitle } from './row-text.js';
import type { Tab, TabContext } from './tab.js';
import { VirtualList, type Column } from './virtual-list.js';
import { whyConnection, whyContainer, whyEndpoint, WhyPanel, type WhySubject } from './why-panel.js';

/** Rows kept, and as many again while paused. */
const KEPT = 5000;
/** ms between updates of the table. */
const UPDATE_INTERVAL = 250;
/** ms that the shown rate is the mean of. */
const RATE_WINDOW = 3000;
const ADDRESS_DELAY = 200;

/** Classes of the kinds: what it is about, and whether it begins or ends. */
const LOOKS: Readonly<Record<EventRow['kind'], string>> = {
  exec: 'of-process',
  enter: 'of-process',
  exit: 'of-end',
  connect: 'of-connection',
  accept: 'of-connection',
  close: 'of-end',
  listen: 'of-port',
  unlisten: 'of-end',
};

/** The tab Events: a live table of the kernel's events. */
export class EventsTab implements Tab {
  readonly element = document.createElement('div');
  readonly #context: TabContext;
  readonly #buffer = new EventBuffer(KEPT);
  readonly #filterBox = new FilterBox('events-filter', EVENT_KEYS, () => this.#choose());
  readonly #why: WhyPanel;
  readonly #list: VirtualList<NumberedEvent>;
  #missed = 0;
  /** Counts of the latest messages, for the rate. */
  #arrived: { readonly at: number; readonly events: number }[] = [];
  #status = '';
  #subscription: (() => void) | undefined;
  #ticks: ReturnType<typeof setInterval> | undefined;
  #frame = 0;
  #updatedAt = -Infinity;
  #updateTimer: ReturnType<typeof setTimeout> | undefined;
  #addressTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(context: TabContext) {
    this.#context = context;
    this.element.className = 'events';
    this.#why = new WhyPanel(context);
    this.#list = new VirtualList<NumberedEvent>({
      id: 'events-list',
      label: 'Events, newest first',
      role: 'grid',
      className: 'event-rows',
      rowHeight: 2,
      columns: this.#columns(),
      identity: ({ number }) => number,
      empty: () => this.#empty(),
      onMove: () => this.#render(),
      onEnter: ({ row }) => this.#why.open(subjectOf(row)),
      onKey: (key, event) => this.#key(key, event),
    });
  }

  show(query: URLSearchParams): void {
    this.#filterBox.text = query.get('q') ?? '';
    this.#buffer.filter = this.#filterBox.filter;
    if (this.#subscription === undefined) {
      this.#subscription = this.#context.subscribeEvents((message) => this.#receive(message));
      this.#ticks = setInterval(() => this.#scheduleUpdate(), 1000);
      this.#arrived = [];
    }
    this.#scheduleFrame();
  }

  hide(): void {
    this.#subscription?.();
    this.#subscription = undefined;
    clearInterval(this.#ticks);
    clearTimeout(this.#updateTimer);
    this.#updateTimer = undefined;
    clearTimeout(this.#addressTimer);
    this.#why.close();
  }

  message(message: Message): void {
    // Another run, or another try: numbers of missed events of the one before say nothing about it.
    if (message.type === 'hello') this.#missed = 0;
  }

  focusFilter(): void {
    this.#filterBox.focus();
  }

  #receive({ rows, missed }: EventsMessage): void {
    this.#buffer.add(rows);
    this.#missed += missed;
    this.#arrived.push({ at: performance.now(), events: rows.length + missed });
    this.#scheduleUpdate();
  }

  /** Events a second, of late. */
  #rate(): number {
    const now = performance.now();
    this.#arrived = this.#arrived.filter(({ at }) => now - at < RATE_WINDOW);
    const first = this.#arrived[0];
    if (first === undefined) return 0;
    // The first message has the events before it; only the later ones came within the window.
    const events = this.#arrived.reduce((sum, one) => sum + one.events, -first.events);
    return Math.round((events / Math.max(1000, now - first.at)) * 1000);
  }

  #scheduleUpdate(): void {
    if (this.#updateTimer !== undefined) return;
    const wait = Math.max(0, this.#updatedAt + UPDATE_INTERVAL - performance.now());
    this.#updateTimer = setTimeout(() => this.#scheduleFrame(), wait);
  }

  #scheduleFrame(): void {
    if (this.#frame !== 0 || this.#subscription === undefined) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      clearTimeout(this.#updateTimer);
      this.#updateTimer = undefined;
      this.#updatedAt = performance.now();
      this.#list.update(this.#buffer.newestFirst());
      this.#render();
    });
  }

  #choose(): void {
    this.#buffer.filter = this.#filterBox.filter;
    this.#scheduleFrame();
    clearTimeout(this.#addressTimer);
    this.#addressTimer = setTimeout(() => {
      const query = new URLSearchParams();
      if (this.#filterBox.text !== '') query.set('q', this.#filterBox.text);
      this.#context.setQuery(query);
    }, ADDRESS_DELAY);
  }

  #key(key: string, event: NumberedEvent | undefined): boolean {
    if (key === ' ') this.#togglePause();
    else if (key === 'c' && event !== undefined) void this.#copy(event.row);
    else if (key === 'Escape') this.#follow();
    else return false;
    return true;
  }

  #togglePause(): void {
    if (this.#buffer.isPaused) this.#buffer.resume();
    else this.#buffer.pause();
    this.#status = this.#buffer.isPaused ? 'Paused.' : 'Live.';
    this.#scheduleFrame();
  }

  /** Back to the newest event, and on with each newer one. */
  #follow(): void {
    this.#list.activate(undefined);
    this.#list.scrollToTop();
    this.#render();
  }

  #clear(): void {
    this.#buffer.clear();
    this.#missed = 0;
    this.#scheduleFrame();
  }

  async #copy(row: EventRow): Promise<void> {
    const copied = await copyText(JSON.stringify(row));
    this.#status = copied ? 'Copied as JSON.' : 'The browser does not let the page copy.';
    this.#render();
  }

  #render(): void {
    const buffer = this.#buffer;
    const active = this.#list.active;
    const isBehind = active !== undefined || !this.#list.isAtTop;
    render(
      html`<div class="node-bar">
          ${this.#filterBox.element}
          <div class="event-controls">
            <button
              type="button"
              class="button ${buffer.isPaused ? 'accent' : ''}"
              title="Space, in the table"
              @click=${() => this.#togglePause()}
            >
              ${buffer.isPaused ? 'Resume' : 'Pause'}
            </button>
            <button
              type="button"
              class="button"
              ?disabled=${!isBehind}
              title="Escape, in the table"
              @click=${() => this.#follow()}
            >
              Newest
            </button>
            <button type="button" class="button" @click=${() => this.#clear()}>Clear</button>
          </div>
        </div>
        <div class="event-state">
          ${
            buffer.isPaused
              ? html`<span class="paused">Paused: ${counted(buffer.sincePause, 'new event')}</span>`
              : html`<span>${count(this.#rate())} events/s</span>`
          }
          <span>${this.#shown()}</span>
          ${
            this.#missed === 0
              ? nothing
              : html`<span class="missed" title="Collector itself has counted and reported them as ever">
                  ${counted(this.#missed, 'event')} missed by this page: more than its stream carries
                </span>`
          }
          <span class="event-note" role="status">${this.#status}</span>
        </div>
        <div class="node-list">${this.#list.element}</div>
        ${active === undefined ? nothing : this.#details(active.row)} ${this.#why.element}`,
      this.element,
    );
  }

  #shown(): string {
    const { matching, all } = this.#buffer;
    const kept = all < KEPT ? '' : `, the newest ${count(KEPT)} kept`;
    return this.#filterBox.filter.isEmpty
      ? `${counted(all, 'event')}${kept}`
      : `${count(matching)} of ${counted(all, 'event')} match${kept}`;
  }

  #empty(): TemplateResult {
    if (this.#buffer.all > 0) {
      return html`<p>Nothing matches the filter; new events will be shown if they do.</p>
        <button type="button" class="button" @click=${() => this.#filterBox.clear()}>
          Clear the filter
        </button>`;
    }
    return html`<p>
      ${
        this.#context.isConnected()
          ? 'No event yet. Processes, connections and ports of containers are shown as they begin and end.'
          : 'Not connected to Collector.'
      }
    </p>`;
  }

  #details(row: EventRow): TemplateResult {
    const subject = subjectOf(row);
    return rowDetails(
      'Chosen event',
      eventDetails(row),
      html`<button type="button" class="button" @click=${() => void this.#copy(row)}>Copy as JSON</button>
        <button type="button" class="button" @click=${() => this.#why.open(subject)}>
          Why is this not in Sensor?
        </button>`,
    );
  }

  #columns(): Column<NumberedEvent>[] {
    return [
      { title: 'Time', className: 'number', cell: ({ row }) => preciseClock(row.time) },
      {
        title: 'Event',
        cell: ({ row }) => html`<span class="kind ${LOOKS[row.kind]}">${row.kind}</span>`,
      },
      {
        title: 'Container',
        cell: ({ row }) => html`<span title=${containerPath(row)}>${containerTitle(row)}</span>`,
      },
      {
        title: 'Process',
        cell: ({ row }) =>
          html`<span title=${cellText(row.process)}>${cellText(baseName(row.process))}</span>`,
      },
      { title: 'PID', label: 'Process id', className: 'number', cell: ({ row }) => row.pid || '' },
      { title: 'What', className: 'mono', cell: ({ row }) => cellText(summary(row)) },
      {
        title: '',
        label: 'Copy',
        className: 'action',
        cell: ({ row }) =>
          html`<button
            type="button"
            class="button quiet"
            tabindex="-1"
            aria-label="Copy as JSON"
            @click=${() => void this.#copy(row)}
          >
            Copy
          </button>`,
      },
    ];
  }
}

/** One line: the arguments, the two ends, the port or the status. */
function summary(row: EventRow): string {
  const { kind, args = '', protocol = 'tcp', localPort = 0, lasted, status, signal } = row;
  switch (kind) {
    case 'exec':
      return args;
    case 'enter':
      return 'entered the container';
    case 'exit':
      if (signal !== undefined && signal !== 0) return `killed by signal ${signal}`;
      return status === undefined ? '' : `status ${status}`;
    case 'connect':
      return `${protocol} ${localEnd(row)} → ${remoteEnd(row)}`;
    case 'accept':
      return `${protocol} ${localEnd(row)} ← ${remoteEnd(row)}`;
    case 'close':
      return `${protocol} ${localEnd(row)} – ${remoteEnd(row)}${lasted === undefined ? '' : `, after ${duration(lasted)}`}`;
    case 'listen':
    case 'unlisten':
      return localPort === 0 ? `${protocol}, a port chosen by the kernel` : `${protocol} port ${localPort}`;
  }
}

function localEnd({ local = '', localPort = 0 }: EventRow): string {
  return addressAndPort(local, localPort);
}

function remoteEnd({ remote = '', remotePort = 0 }: EventRow): string {
  return addressAndPort(remote, remotePort);
}

function eventDetails(row: EventRow): Detail[] {
  const { uid, parent, lasted, protocol, local, remote, localPort } = row;
  return [
    ['Event', `${row.kind}, ${dateAndClock(row.time)}`],
    ['Container', row.container === '' ? 'host' : `${containerPath(row)} (${row.container})`],
    ['Process', row.process],
    ['Process id', row.pid === 0 ? '' : String(row.pid)],
    ['Arguments', row.args ?? ''],
    ['User id', uid === undefined ? '' : String(uid)],
    ['Parent', parent === undefined ? '' : String(parent)],
    ['Started by', row.lineage?.join(' ← ') ?? ''],
    ['Local', local === undefined ? '' : `${protocol ?? 'tcp'} ${localEnd(row)}`],
    ['Port', local === undefined && localPort !== undefined ? `${protocol ?? 'tcp'} ${localPort}` : ''],
    ['Remote', remote === undefined ? '' : remoteEnd(row)],
    ['Lasted', lasted === undefined ? '' : duration(lasted)],
    ['End', row.kind === 'exit' ? summary(row) : ''],
  ];
}

function subjectOf(row: EventRow): WhySubject {
  switch (row.kind) {
    case 'connect':
    case 'accept':
    case 'close':
      return whyConnection(row, row);
    case 'listen':
    case 'unlisten':
      return whyEndpoint(row, row.protocol ?? 'tcp', row.localPort ?? 0);
    default:
      return whyContainer(row);
  }
}
