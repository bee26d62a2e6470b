import { html, nothing, render, type TemplateResult } from 'lit-html';
import type { ContainerRow, EventRow, EventsMessage, Message, NodeView } from '../protocol.js';
import { NODE_KEYS } from './filter.js';
import { FilterBox } from './filter-box.js';
import { clock, count, counted, dateAndClock } from './format.js';
import {
  connectionKey,
  listeningKey,
  NodeModel,
  select,
  type ConnectionItem,
  type ContainerNode,
  type Counts,
  type Kind,
  type ListeningItem,
  type ProcessItem,
  type Selection,
} from './node-model.js';
import { failureText, rowDetails } from './row-detail.js';
import {
  addressAndPort,
  age,
  baseName,
  cellText,
  containerPath,
  containerTitle,
  legible,
} from './row-text.js';
import type { Tab, TabContext } from './tab.js';
import { VirtualList, type Column } from './virtual-list.js';
import { whyConnection, whyContainer, whyEndpoint, WhyPanel, type WhySubject } from './why-panel.js';

/** ms between listings: events may have been missed without a word, by a lost record for example. */
const LISTING_INTERVAL = 30_000;
/** ms between listings if events are known to be missed. */
const SHORTEST_INTERVAL = 5000;
/** ms between updates of the rows, and of the counts; faster ones nobody can read. */
const UPDATE_INTERVAL = 500;
const COUNTS_INTERVAL = 1000;
/** ms without typing or choosing before the address says it; browsers limit how often it may change. */
const ADDRESS_DELAY = 200;
/** Events kept while a listing is on its way; more, and another listing is asked for. */
const LATER_KEPT = 20_000;
/** The host's id is empty, which no address can say. */
const HOST = 'host';

const KINDS: readonly { readonly kind: Kind; readonly title: string }[] = [
  { kind: 'processes', title: 'Processes' },
  { kind: 'connections', title: 'Connections' },
  { kind: 'listening', title: 'Listening ports' },
];

/** An entry of the list of containers; without a node: all of them. */
interface Entry {
  readonly node?: ContainerNode;
  readonly counts: Counts;
}

const ALL = '*';
const entryId = ({ node }: Entry) => node?.row.container ?? ALL;
const NONE: Selection = {
  containers: [],
  total: { processes: 0, connections: 0, listening: 0 },
  chosen: { processes: 0, connections: 0, listening: 0 },
  processes: [],
  connections: [],
  listening: [],
};

type Item = ProcessItem | ConnectionItem | ListeningItem;

/** The tab Node: containers with their processes, connections and listening ports. */
export class NodeTab implements Tab {
  readonly element = document.createElement('div');
  readonly #context: TabContext;
  readonly #model = new NodeModel();
  readonly #filterBox = new FilterBox('node-filter', NODE_KEYS, () => this.#choose());
  readonly #why: WhyPanel;
  readonly #containers: VirtualList<Entry>;
  readonly #lists: {
    readonly processes: VirtualList<ProcessItem>;
    readonly connections: VirtualList<ConnectionItem>;
    readonly listening: VirtualList<ListeningItem>;
  };
  #selection = NONE;
  #kind: Kind = 'processes';
  /** Id of the chosen container; undefined: all. */
  #container: string | undefined;
  #item: Item | undefined;

  #subscription: (() => void) | undefined;
  #ticks: ReturnType<typeof setInterval> | undefined;
  #isAsking = false;
  #later: EventRow[] = [];
  /** Of performance.now(). */
  #askedAt = -Infinity;
  #isStale = false;
  /** Time of the newest listing. */
  #listed: number | undefined;
  #failure: string | undefined;
  #replayed = 0;

  #frame = 0;
  #updatedAt = -Infinity;
  #countedAt = -Infinity;
  #updateTimer: ReturnType<typeof setTimeout> | undefined;
  #addressTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(context: TabContext) {
    this.#context = context;
    this.element.className = 'node';
    this.#why = new WhyPanel(context);
    const empty = () => this.#empty();
    this.#containers = new VirtualList<Entry>({
      id: 'node-containers',
      label: 'Containers',
      role: 'grid',
      className: 'containers',
      rowHeight: 3,
      columns: this.#containerColumns(),
      identity: entryId,
      empty: () => html`<p>${this.#listed === undefined ? nothing : 'No container.'}</p>`,
      rowClass: (entry) => (entry.node?.row.container === this.#container ? 'is-chosen' : ''),
      onMove: (entry) => {
        if (entry !== undefined) this.#chooseContainer(entry.node?.row.container);
      },
      onEnter: ({ node }) => {
        if (node !== undefined) this.#why.open(whyContainer(node.row));
      },
    });
    const shared = { rowHeight: 2, empty, onMove: (item: Item | undefined) => this.#chooseItem(item) };
    this.#lists = {
      processes: new VirtualList<ProcessItem>({
        ...shared,
        id: 'node-processes',
        label: 'Processes',
        role: 'treegrid',
        className: 'processes',
        columns: this.#processColumns(),
        identity: ({ row }) => row.pid,
        rowClass: ({ matched }) => (matched ? '' : 'faint'),
        level: ({ depth }) => depth + 1,
      }),
      connections: new VirtualList<ConnectionItem>({
        ...shared,
        id: 'node-connections',
        label: 'Connections',
        role: 'grid',
        className: 'connections',
        columns: this.#connectionColumns(),
        identity: ({ row }) => `${row.container} ${connectionKey(row)}`,
        rowClass: ({ row }) => (row.active ? '' : 'faint'),
        onEnter: (item) => this.#why.open(subjectOf(item, 'connections')),
      }),
      listening: new VirtualList<ListeningItem>({
        ...shared,
        id: 'node-listening',
        label: 'Listening ports',
        role: 'grid',
        className: 'listening',
        columns: this.#listeningColumns(),
        identity: ({ row }) => `${row.container} ${listeningKey(row)}`,
        rowClass: ({ row }) => (row.active ? '' : 'faint'),
        onEnter: (item) => this.#why.open(subjectOf(item, 'listening')),
      }),
    };
  }

  show(query: URLSearchParams): void {
    this.#filterBox.text = query.get('q') ?? '';
    const container = query.get('container') ?? undefined;
    this.#container = container === HOST ? '' : container;
    const kind = query.get('show');
    this.#kind = KINDS.find((one) => one.kind === kind)?.kind ?? 'processes';
    if (this.#subscription === undefined) {
      this.#subscription = this.#context.subscribeEvents((message) => this.#receive(message));
      this.#ticks = setInterval(() => this.#tick(), 1000);
      this.#isStale = true;
    }
    this.#tick();
    this.#updateSoon();
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
    if (message.type === 'hello') {
      this.#isStale = true;
      if (this.#subscription !== undefined) this.#tick();
    }
    if (message.type !== 'replay') return;
    // Events fold forwards only: after a step back, the listing of the shown time is needed.
    if (message.time < this.#replayed) this.#isStale = true;
    this.#replayed = message.time;
  }

  focusFilter(): void {
    this.#filterBox.focus();
  }

  #receive({ rows, missed }: EventsMessage): void {
    if (missed > 0) this.#isStale = true;
    this.#model.fold(rows);
    if (this.#isAsking) {
      if (this.#later.length < LATER_KEPT) this.#later.push(...rows);
      else this.#isStale = true;
    }
    this.#scheduleUpdate();
  }

  #tick(): void {
    const waited = performance.now() - this.#askedAt;
    if (waited >= (this.#isStale ? SHORTEST_INTERVAL : LISTING_INTERVAL)) void this.#ask();
    this.#scheduleUpdate();
  }

  /** Replaces the model by a listing, and folds the events since then. */
  async #ask(): Promise<void> {
    if (this.#isAsking || !this.#context.isConnected()) return;
    this.#isAsking = true;
    this.#isStale = false;
    this.#later = [];
    this.#askedAt = performance.now();
    try {
      const view = await this.#context.fetchJson<NodeView>('/inspect/node');
      const loading = this.#model.load(view);
      do await nextTask();
      while (loading.next().done !== true);
      this.#model.fold(this.#later.filter(({ time }) => time > view.time));
      this.#listed = view.time;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = failureText(error);
      this.#isStale = true;
    }
    this.#later = [];
    this.#isAsking = false;
    this.#updateSoon();
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
      this.#update();
    });
  }

  #update(): void {
    const selection = select(this.#model, this.#filterBox.filter, this.#kind, this.#container);
    this.#selection = selection;
    const { processes, connections, listening } = this.#lists;
    for (const list of [processes, connections, listening]) {
      list.element.classList.toggle('of-one', this.#container !== undefined);
    }
    // Lists out of view get no rows, and so cost nothing.
    processes.update(selection.processes);
    connections.update(selection.connections);
    listening.update(selection.listening);
    this.#item = this.#lists[this.#kind].active;
    this.#render();
    // In a frame of its own: both together are a long task on a slow core.
    if (performance.now() - this.#countedAt >= COUNTS_INTERVAL) {
      requestAnimationFrame(() => this.#updateCounts());
    }
  }

  #updateCounts(): void {
    const { containers, total } = this.#selection;
    this.#countedAt = performance.now();
    this.#containers.update(containers.length === 0 ? [] : [{ counts: total }, ...containers]);
  }

  /** Updates everything in the next frame. */
  #updateSoon(): void {
    this.#countedAt = -Infinity;
    this.#scheduleFrame();
  }

  #choose(): void {
    this.#updateSoon();
    clearTimeout(this.#addressTimer);
    this.#addressTimer = setTimeout(() => this.#context.setQuery(this.#query()), ADDRESS_DELAY);
  }

  #query(): URLSearchParams {
    const query = new URLSearchParams();
    if (this.#filterBox.text !== '') query.set('q', this.#filterBox.text);
    if (this.#container !== undefined) query.set('container', this.#container || HOST);
    if (this.#kind !== 'processes') query.set('show', this.#kind);
    return query;
  }

  #chooseContainer(container: string | undefined): void {
    if (container === this.#container) return;
    this.#container = container;
    const list = this.#lists[this.#kind];
    list.activate(undefined);
    list.scrollToTop();
    this.#choose();
  }

  #chooseItem(item: Item | undefined): void {
    this.#item = item;
    this.#render();
  }

  #chooseKind(kind: Kind): void {
    this.#kind = kind;
    this.#item = undefined;
    this.#choose();
  }

  #tabKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = KINDS.findIndex(({ kind }) => kind === this.#kind);
    const { kind } = KINDS[(at + step + KINDS.length) % KINDS.length]!;
    this.#chooseKind(kind);
    this.element.querySelector<HTMLElement>(`#node-tab-${kind}`)!.focus();
    event.preventDefault();
  }

  #render(): void {
    const list = this.#lists[this.#kind];
    render(
      html`<div class="node-bar">${this.#filterBox.element} ${this.#status()}</div>
        <div class="node-split">
          <section class="node-left" aria-label="Containers">${this.#containers.element}</section>
          <section class="node-right" aria-label="In the container">
            ${this.#heading()}
            <div class="kinds" role="tablist" aria-label="Of the container" @keydown=${this.#onTabKey}>
              ${KINDS.map(({ kind, title }) => this.#kindTab(kind, title))}
            </div>
            <div class="node-list" id="node-panel" role="tabpanel" aria-labelledby="node-tab-${this.#kind}">
              ${list.element}
            </div>
            ${this.#item === undefined ? nothing : this.#details(this.#item)}
          </section>
        </div>
        ${this.#why.element}`,
      this.element,
    );
  }

  readonly #onTabKey = (event: KeyboardEvent): void => this.#tabKey(event);

  #kindTab(kind: Kind, title: string): TemplateResult {
    const isChosen = kind === this.#kind;
    return html`<button
      type="button"
      role="tab"
      id="node-tab-${kind}"
      aria-selected=${isChosen}
      aria-controls="node-panel"
      tabindex=${isChosen ? 0 : -1}
      @click=${() => this.#chooseKind(kind)}
    >
      ${title} <span class="count">${count(this.#selection.chosen[kind])}</span>
    </button>`;
  }

  #status(): TemplateResult {
    if (this.#failure !== undefined) {
      return html`<p class="node-status failure" role="status">
        ${legible(this.#failure)}
        <button type="button" class="button quiet" @click=${() => void this.#ask()}>Ask again</button>
      </p>`;
    }
    if (this.#listed === undefined) return html`<p class="node-status" role="status">Asking Collector …</p>`;
    return html`<p class="node-status">Listed at ${clock(this.#listed)}, live since then</p>`;
  }

  #heading(): TemplateResult {
    const node = this.#container === undefined ? undefined : this.#model.container(this.#container);
    if (node === undefined) {
      const title = this.#container === undefined ? 'All containers' : `Container ${this.#container || HOST}`;
      const containers = this.#selection.containers.length;
      const note =
        this.#container === undefined || this.#listed === undefined
          ? counted(containers, 'container')
          : 'It is not on this node, or no longer.';
      return html`<header class="node-head">
        <div>
          <h2>${legible(title)}</h2>
          <p class="muted">${note}</p>
        </div>
      </header>`;
    }
    const { row } = node;
    const facts = [row.namespace, row.image, row.container, row.cgroup].filter((one) => one !== '');
    return html`<header class="node-head">
      <div>
        <h2 title=${legible(containerPath(row))}>${containerTitle(row)}</h2>
        <p class="muted" title=${facts.map(legible).join('\n')}>
          ${facts.map((fact) => html`<span>${cellText(fact)}</span>`)}
        </p>
      </div>
      <button type="button" class="button" @click=${() => this.#why.open(whyContainer(row))}>
        Why is this not in Sensor?
      </button>
    </header>`;
  }

  #empty(): TemplateResult {
    if (this.#listed === undefined) {
      return html`<p>
        ${this.#failure === undefined ? 'Asking Collector for the node …' : 'No listing yet.'}
      </p>`;
    }
    if (this.#filterBox.filter.isEmpty) return html`<p>Nothing here now.</p>`;
    return html`<p>Nothing matches the filter.</p>
      <button type="button" class="button" @click=${() => this.#filterBox.clear()}>Clear the filter</button>`;
  }

  #details(item: Item): TemplateResult {
    const { row } = item;
    const container = containerPath(item.node.row);
    if ('path' in row) {
      return rowDetails(
        'Chosen process',
        [
          ['Process', row.path],
          ['Arguments', row.args],
          ['Process id', String(row.pid)],
          ['Parent', row.parent === 0 ? '' : String(row.parent)],
          ['User id', String(row.uid)],
          ['Started', dateAndClock(row.started)],
          ['Container', container],
        ],
        nothing,
      );
    }
    const observed = [
      ['State', row.active ? 'open' : 'closed'],
      ['Last seen', `${dateAndClock(row.seen)}, by ${row.by === 'event' ? 'an event' : 'a scan'}`],
      ['Container', container],
    ] as const;
    const why = html`<button
      type="button"
      class="button"
      @click=${() => this.#why.open(subjectOf(item, this.#kind))}
    >
      Why is this not in Sensor?
    </button>`;
    if ('port' in row) {
      return rowDetails(
        'Chosen port',
        [
          ['Port', `${row.protocol} ${row.port}`],
          ['Process', row.process],
          ['Arguments', row.args],
          ['Process id', row.pid === 0 ? '' : String(row.pid)],
          ...observed,
        ],
        why,
      );
    }
    return rowDetails(
      'Chosen connection',
      [
        ['Local', `${row.protocol} ${addressAndPort(row.local, row.localPort)}`],
        ['Remote', addressAndPort(row.remote, row.remotePort)],
        ['Role', row.role],
        ...observed,
      ],
      why,
    );
  }

  #containerColumns(): Column<Entry>[] {
    const number = (title: string, label: string, kind: Kind): Column<Entry> => ({
      title,
      label,
      className: `number of-${kind}`,
      cell: ({ counts }) => (counts[kind] === 0 ? html`<span class="faint">0</span>` : count(counts[kind])),
    });
    return [
      {
        title: 'Container',
        className: 'container-name',
        cell: ({ node }) =>
          node === undefined
            ? 'All containers'
            : html`<span title=${containerPath(node.row)}>${containerTitle(node.row)}</span>`,
      },
      {
        title: '',
        label: 'Namespace',
        className: 'container-place muted',
        cell: ({ node }) =>
          node === undefined ? counted(this.#selection.containers.length, 'container') : placeOf(node.row),
      },
      number('Proc', 'Processes', 'processes'),
      number('Conn', 'Connections', 'connections'),
      number('Ports', 'Listening ports', 'listening'),
      {
        title: '',
        label: 'Question',
        className: 'action',
        cell: ({ node }) => (node === undefined ? nothing : this.#whyButton(whyContainer(node.row))),
      },
    ];
  }

  #processColumns(): Column<ProcessItem>[] {
    return [
      {
        title: 'Process',
        className: 'process-name',
        cell: ({ row, depth }) =>
          html`<span class="depth depth-${Math.min(depth, DEEPEST)}" title=${cellText(row.path)}
            >${cellText(baseName(row.path))}</span
          >`,
      },
      { title: 'PID', label: 'Process id', className: 'number', cell: ({ row }) => row.pid },
      { title: 'User', label: 'User id', className: 'number', cell: ({ row }) => row.uid },
      { title: 'Arguments', className: 'mono', cell: ({ row }) => cellText(row.args) },
      { title: 'Age', className: 'number', cell: ({ row }) => age(row.started, this.#context.now()) },
      this.#containerColumn(),
    ];
  }

  #connectionColumns(): Column<ConnectionItem>[] {
    return [
      { title: 'Role', cell: ({ row }) => row.role },
      { title: '', label: 'Protocol', className: 'muted', cell: ({ row }) => row.protocol },
      {
        title: 'Local',
        className: 'mono',
        cell: ({ row }) => cellText(addressAndPort(row.local, row.localPort)),
      },
      {
        title: 'Remote',
        className: 'mono',
        cell: ({ row }) => cellText(addressAndPort(row.remote, row.remotePort)),
      },
      { title: 'State', cell: ({ row }) => (row.active ? 'open' : 'closed') },
      { title: 'Seen', className: 'number of-wide', cell: ({ row }) => age(row.seen, this.#context.now()) },
      { title: 'By', className: 'muted of-wide', cell: ({ row }) => row.by },
      this.#containerColumn(),
      {
        title: '',
        label: 'Question',
        className: 'action',
        cell: ({ node, row }) => this.#whyButton(whyConnection(node.row, row)),
      },
    ];
  }

  #listeningColumns(): Column<ListeningItem>[] {
    return [
      { title: 'Port', className: 'number', cell: ({ row }) => row.port },
      { title: '', label: 'Protocol', className: 'muted', cell: ({ row }) => row.protocol },
      {
        title: 'Process',
        cell: ({ row }) =>
          row.process === ''
            ? html`<span class="faint">not known</span>`
            : html`<span title=${cellText(row.process)}>${cellText(baseName(row.process))}</span>`,
      },
      { title: 'PID', label: 'Process id', className: 'number', cell: ({ row }) => row.pid || '' },
      { title: 'Arguments', className: 'mono', cell: ({ row }) => cellText(row.args) },
      { title: 'State', cell: ({ row }) => (row.active ? 'open' : 'closed') },
      { title: 'Seen', className: 'number of-wide', cell: ({ row }) => age(row.seen, this.#context.now()) },
      { title: 'By', className: 'muted of-wide', cell: ({ row }) => row.by },
      this.#containerColumn(),
      {
        title: '',
        label: 'Question',
        className: 'action',
        cell: ({ node, row }) => this.#whyButton(whyEndpoint(node.row, row.protocol, row.port)),
      },
    ];
  }

  #containerColumn<Row extends Item>(): Column<Row> {
    return {
      title: 'Container',
      className: 'muted of-all',
      cell: ({ node }) => html`<span title=${containerPath(node.row)}>${containerTitle(node.row)}</span>`,
    };
  }

  #whyButton(subject: WhySubject): TemplateResult {
    const text = `${subject.text} ${containerPath(subject.container)}`.trim();
    return html`<button
      type="button"
      class="button quiet"
      tabindex="-1"
      aria-label="Why is this not in Sensor? ${text}"
      @click=${() => this.#why.open(subject)}
    >
      Why?
    </button>`;
  }
}

/** Depth of the style sheet's last indentation. */
const DEEPEST = 8;

function subjectOf(item: Item, kind: Kind): WhySubject {
  const { row } = item;
  if (kind === 'connections' && 'remote' in row) return whyConnection(item.node.row, row);
  if (kind === 'listening' && 'port' in row) return whyEndpoint(item.node.row, row.protocol, row.port);
  return whyContainer(item.node.row);
}

/** The second line of a container. */
function placeOf({ container, namespace, image, pod }: ContainerRow): string {
  if (container === '') return 'not in a container';
  return cellText(namespace || image || (pod === '' ? 'no name known' : container));
}

/** Lets the browser answer the person first. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
