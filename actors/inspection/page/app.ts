/** Wires the page at /inspect: its stream, model, tabs, keys and address. */
import { html, nothing, render, type TemplateResult } from 'lit-html';
import { PROTOCOL, type EventsMessage, type Message } from '../protocol.js';
import { ChartsTab, type Charts } from './charts-tab.js';
import { EventsTab } from './events-view.js';
import { clock, duration } from './format.js';
import { Model } from './model.js';
import { NodeTab } from './node-view.js';
import { failureBox } from './pieces.js';
import { ReplayBar } from './replay-bar.js';
import { RoadTab } from './road-tab.js';
import { road, type Road } from './road.js';
import { MessageStream, type StreamState } from './stream.js';
import { lostText, summarise, type Summary } from './summary.js';
import { FetchError, type Tab, type TabContext } from './tab.js';

const TABS = ['charts', 'road', 'node', 'events'] as const;
type TabName = (typeof TABS)[number];

/** No message for so long while parts are sampled every second: something on the way is stuck. */
const SILENCE_MS = 6000;
const TICK_MS = 1000;
/** For the messages after a hello, which bring everything anew. */
const HOLD_MS = 80;
/** Least time between two drawings for messages. */
const DRAW_MS = 100;
const KEYS_SETTING = 'collector-inspect-keys';

const model = new Model();
const eventListeners = new Set<(message: EventsMessage) => void>();
/** Collector's clock less this browser's, ms. */
let clockDifference = 0;
let lastMessage = 0;
let holdUntil = 0;
let lastDraw = 0;
let currentRoad: { readonly version: number; readonly road: Road } | undefined;
let tab: TabName = 'charts';
/** The queries of the tabs, for coming back to one. */
const queries = new Map<TabName, string>();
let problem: string | undefined;
let hasKeys = readKeysSetting();
let isDirty = false;

const stream = new MessageStream({ path: 'stream', onMessage: take, onState: showConnection });

function contextOf(name: TabName): TabContext {
  return {
    fetchJson,
    setQuery: (query) => {
      if (tab !== name) return;
      queries.set(name, String(query));
      history.replaceState(null, '', addressOf(name));
    },
    subscribeEvents: (listener) => {
      eventListeners.add(listener);
      stream.withEvents = true;
      return () => {
        eventListeners.delete(listener);
        if (eventListeners.size === 0) stream.withEvents = false;
      };
    },
    now,
    isConnected: () => stream.state.is === 'open',
  };
}

const charts = new ChartsTab(contextOf('charts'), model, () => summarise(model, roadNow()).failure?.cause);
const roadTab = new RoadTab(roadNow, (name) => {
  const actor = model.actorOf(name);
  if (actor !== undefined) go('charts', `actor=${encodeURIComponent(actor.path)}`);
});
const tabs: Readonly<Record<TabName, Tab>> = {
  charts,
  road: roadTab,
  node: new NodeTab(contextOf('node')),
  events: new EventsTab(contextOf('events')),
};
const player = new ReplayBar(element('replay'), (text) => {
  problem = text;
  update();
});

function take(message: Message): void {
  lastMessage = Date.now();
  // Transitions told to a late watcher are of the past.
  if (message.type === 'hello' || message.type === 'snapshot') clockDifference = message.time - lastMessage;
  if (message.type === 'hello') {
    problem = undefined;
    holdUntil = lastMessage + HOLD_MS;
  }
  if (message.type === 'events') for (const listener of eventListeners) listener(message);
  else model.fold(message);
  for (const each of Object.values(tabs)) each.message?.(message);
  update();
}

/** Draws at the next frame; after a hello, once the messages that follow it are here. */
function update(): void {
  if (isDirty) return;
  isDirty = true;
  setTimeout(
    () =>
      requestAnimationFrame(() => {
        isDirty = false;
        lastDraw = Date.now();
        draw();
      }),
    Math.max(0, holdUntil - Date.now(), lastDraw + DRAW_MS - Date.now()),
  );
}

function draw(): void {
  drawTop();
  drawInstead();
  if (tab === 'charts') charts.update();
  if (tab === 'road') roadTab.update();
  player.update(model.hello?.mode === 'replay' ? model.replay : undefined);
}

function drawTop(): void {
  const now = roadNow();
  const { hello } = model;
  const summary = summarise(model, now);
  element('node').textContent = hello?.node ?? '';
  document.title = `${now.lost > 0 ? `(${now.lost} lost) ` : ''}Collector${hello === undefined ? '' : ` on ${hello.node}`}`;
  const isLive = stream.state.is === 'open';
  render(
    html`<button
        type="button"
        class="lost ${now.lost > 0 ? 'is-bad' : ''}"
        title="Everything lost, with its causes"
        @click=${() => go('road', 'lost')}
      >
        ${lostText(now)}
      </button>
      <span class="connected ${isLive ? '' : 'is-off'}"
        >${hello?.mode === 'replay' ? 'Recording' : isLive ? 'Live' : 'Not live'}</span
      >
      <button
        type="button"
        class="button quiet keys-button"
        aria-label="Keys"
        title="Keys (?)"
        @click=${showKeys}
      >
        ?
      </button>`,
    element('top-right'),
  );
  const isKnown = hello !== undefined && !model.isOtherProtocol;
  const state = element('now');
  state.className = `now tone-${isLive && isKnown ? summary.tone : 'off'}`;
  render(
    html`<p class="now-text">
        <span class="now-mark" aria-hidden="true"></span>
        ${nowText(summary)}
        <span class="spring"></span>
        ${
          hello === undefined
            ? nothing
            : html`<span class="now-facts muted">Collector ${hello.version} · Linux ${hello.release}</span>`
        }
      </p>
      ${summary.failure === undefined || !isKnown ? nothing : failureBox(summary.failure)}
      ${problem === undefined ? nothing : html`<p class="bad">${problem}</p>`}`,
    state,
  );
  announce(hello === undefined ? '' : summary.phase);
}

/** The sentence of the header. */
function nowText({ phase, rest }: Summary): TemplateResult {
  const { is } = stream.state;
  if (model.hello === undefined)
    return html`<span
      >${is === 'waiting' || is === 'refused' ? 'Not connected' : 'Connecting to Collector…'}</span
    >`;
  if (model.isOtherProtocol) return html`<span>Collector speaks another version of the protocol</span>`;
  return html`<span
    >${is === 'open' ? nothing : html`<span class="muted">Last known:</span> `}<strong>${phase}</strong>${
      rest === '' ? nothing : `: ${rest}`
    }</span
  >`;
}

/** A few words for screen readers, at changes only. */
function announce(text: string): void {
  const region = element('announcement');
  if (region.textContent !== text) region.textContent = text;
}

/** What stands in the place of all views. */
function drawInstead(): void {
  const content = instead();
  element('instead').hidden = content === undefined;
  for (const name of TABS) element(`panel-${name}`).hidden = content !== undefined || name !== tab;
  if (content !== undefined) render(content, element('instead'));
}

function instead(): TemplateResult | undefined {
  const { hello } = model;
  if (hello !== undefined && model.isOtherProtocol)
    return html`<div class="empty">
      <h2>This page is ${hello.protocol > PROTOCOL ? 'too old' : 'too new'} for this Collector</h2>
      <p>
        Collector ${hello.version} speaks version ${hello.protocol} of the inspection's protocol, this page
        version ${PROTOCOL}. It comes from Collector itself: load it again to get the one that fits.
      </p>
      <button type="button" class="button accent" @click=${() => location.reload()}>Load again</button>
    </div>`;
  if (hello !== undefined) return undefined;
  if (stream.state.is === 'refused') return refusal(stream.state.status);
  if (stream.state.is === 'waiting')
    return html`<div class="empty">
      <h2>Collector does not answer</h2>
      <p>It may have ended, or the forwarded port is gone. This page tries again by itself.</p>
      ${tryNow()}
    </div>`;
  return html`<div class="empty loading">
    <h2>Connecting to Collector</h2>
    <p>The first messages bring its actors and what they did last.</p>
  </div>`;
}

function refusal(status: number): TemplateResult {
  const texts: Readonly<Record<number, readonly [string, string]>> = {
    503: [
      'Four pages watch already',
      'Collector serves four at most, so that watching never costs a node much. Close another page; this one tries again by itself.',
    ],
    404: [
      'This Collector cannot be inspected',
      'Inspection is off. Start Collector with ROX_COLLECTOR_INTROSPECTION_ENABLE=true to turn it on.',
    ],
    421: [
      'Collector refused this address',
      'It answers at literal addresses, at localhost, and at names given to it by ROX_COLLECTOR_INSPECT_HOSTS. Open the page at one of them.',
    ],
  };
  const [title, text] = texts[status] ?? [
    'Collector refused the stream',
    `It answered with HTTP status ${status}. Its log may say why.`,
  ];
  return html`<div class="empty">
    <h2>${title}</h2>
    <p>${text}</p>
    ${tryNow()}
  </div>`;
}

function tryNow(): TemplateResult {
  return html`<button type="button" class="button accent" @click=${() => stream.open()}>Try now</button>`;
}

/** The bar below the header while there is no stream. Its text changes seldom, since it is read aloud. */
function showConnection(state: StreamState): void {
  const bar = element('connection');
  const isOff = (state.is === 'waiting' || state.is === 'refused') && model.hello !== undefined;
  if (isOff)
    render(
      html`<span
          ><strong
            >${
              state.is === 'refused' && state.status === 503
                ? 'Four other pages watch already'
                : state.is === 'refused'
                  ? `Collector refused the stream (HTTP ${state.status})`
                  : 'Collector ended'
            };
            trying again.</strong
          >
          Shown is what was known at ${clock(lastMessage)}.</span
        >
        <span class="spring"></span>
        <button type="button" class="button" @click=${() => stream.open()}>Try now</button>`,
      bar,
    );
  if (isOff || state.is === 'open') bar.hidden = !isOff;
  document.body.classList.toggle('is-stale', isOff);
  if (state.is === 'open') void loadCharts();
  update();
}

/** Once a second: durations go on, and a silent stream is told of. */
function onTick(): void {
  const silence = Date.now() - lastMessage;
  const hasParts = model.actors.some(
    ({ chart, snapshot }) => chart === undefined && snapshot.status === 'active',
  );
  const isSilent =
    stream.state.is === 'open' && hasParts && model.hello?.mode === 'live' && silence > SILENCE_MS;
  const text = `No message from Collector for ${duration(silence)}: the connection may be stuck`;
  if (isSilent) problem = text;
  else if (problem?.startsWith('No message')) problem = undefined;
  update();
}

let hasCharts = false;
async function loadCharts(): Promise<void> {
  if (hasCharts) return;
  try {
    charts.charts = { charts: await fetchJson<Charts>('/inspect/charts.json'), problem: undefined };
    hasCharts = true;
  } catch (error) {
    const status = error instanceof FetchError ? error.status : 0;
    charts.charts = {
      charts: {},
      problem:
        status === 404
          ? 'This build of Collector brings no charts: its active states as text.'
          : `The charts could not be loaded (${status === 0 ? 'no answer' : `HTTP ${status}`}): the active states as text.`,
    };
  }
}

/** The page may be served below a proxy's path: its own is relative. */
async function fetchJson<T>(path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path.replace(/^\/inspect\//, ''), { cache: 'no-store' });
  } catch {
    throw new FetchError(0, `${path}: no answer`);
  }
  if (!response.ok) throw new FetchError(response.status, `${path}: HTTP ${response.status}`);
  const text = await response.text();
  // A listing of a node has megabytes: parsed in a task of its own, since decoding them takes as long again.
  await new Promise((resolve) => setTimeout(resolve));
  return JSON.parse(text) as T;
}

/** Counts of the road, made once for each change of the model. */
function roadNow(): Road {
  if (currentRoad?.version !== model.version) currentRoad = { version: model.version, road: road(model) };
  return currentRoad.road;
}

function now(): number {
  return model.replay?.time ?? Date.now() + clockDifference;
}

function addressOf(name: TabName): string {
  const query = queries.get(name) ?? '';
  return `#${name}${query === '' ? '' : `?${query}`}`;
}

/** Chooses a tab by the address bar, for Back to lead to the one before. @param query undefined: that of before */
function go(name: TabName, query?: string): void {
  if (query !== undefined) queries.set(name, query);
  const address = addressOf(name);
  if (location.hash === address) onAddress();
  else location.hash = address;
}

function onAddress(): void {
  const [name = '', ...query] = location.hash.slice(1).split('?');
  const wanted = TABS.find((each) => each === name) ?? 'charts';
  queries.set(wanted, query.join('?'));
  if (wanted !== tab) tabs[tab].hide();
  tab = wanted;
  for (const each of TABS) {
    const button = element(`tab-${each}`);
    button.setAttribute('aria-selected', String(each === tab));
    button.tabIndex = each === tab ? 0 : -1;
    element(`panel-${each}`).hidden = each !== tab;
  }
  tabs[tab].show(new URLSearchParams(query.join('?')));
  update();
}

function onTabKey(event: KeyboardEvent): void {
  const index = TABS.indexOf(tab);
  const next = {
    ArrowRight: (index + 1) % TABS.length,
    ArrowLeft: (index + TABS.length - 1) % TABS.length,
    Home: 0,
    End: TABS.length - 1,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  go(TABS[next]!);
  element(`tab-${TABS[next]!}`).focus();
}

const KEYS: readonly (readonly [key: string, what: string])[] = [
  ['1 2 3 4', 'Charts, Road, Node, Events'],
  ['← →', 'the tab beside, when a tab has the focus'],
  ['↑ ↓', 'the line above or below, in a list'],
  ['/', 'into the filter'],
  ['l', 'charts: back to live'],
  ['Space', 'recording: play or pause'],
  ['.', 'recording: a step'],
  ['?', 'these keys'],
];

function onKey(event: KeyboardEvent): void {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const isTyping =
    target instanceof Element && target.closest('input:not([type=range]), textarea, select, dialog') !== null;
  if (isTyping) return;
  if (key === '?') {
    event.preventDefault();
    showKeys();
    return;
  }
  if (!hasKeys) return;
  const isOnControl =
    target instanceof Element && target.closest('button, a, summary, [role=button]') !== null;
  const number = Number(key);
  if (number >= 1 && number <= TABS.length) go(TABS[number - 1]!);
  else if (key === '/') tabs[tab].focusFilter?.();
  else if (key === 'l' && tab === 'charts') charts.goLive();
  else if (key === ' ' && model.replay !== undefined && !isOnControl) player.toggle();
  else if (key === '.' && model.replay !== undefined) player.step();
  else return;
  event.preventDefault();
}

function showKeys(): void {
  const dialog = element('keys') as HTMLDialogElement;
  render(
    html`<h2 id="keys-title">Keys</h2>
      <dl class="key-list">
        ${KEYS.map(
          ([keys, what]) =>
            html`<div>
              <dt>${keys.split(' ').map((key) => html`<kbd class="kbd">${key}</kbd> `)}</dt>
              <dd>${what}</dd>
            </div>`,
        )}
      </dl>
      <label class="keys-switch"
        ><input type="checkbox" .checked=${hasKeys} @change=${onKeysSwitch} /> Keys of one character</label
      >
      <button type="button" class="button accent" autofocus @click=${() => dialog.close()}>Close</button>`,
    dialog,
  );
  if (!dialog.open) dialog.showModal();
}

function onKeysSwitch({ target }: Event): void {
  hasKeys = (target as HTMLInputElement).checked;
  try {
    localStorage.setItem(KEYS_SETTING, hasKeys ? 'on' : 'off');
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function readKeysSetting(): boolean {
  try {
    return localStorage.getItem(KEYS_SETTING) !== 'off';
  } catch {
    return true;
  }
}

function element(id: string): HTMLElement {
  return document.getElementById(id)!;
}

for (const name of TABS) {
  element(`panel-${name}`).append(tabs[name].element);
  element(`tab-${name}`).addEventListener('click', () => go(name));
}
document.querySelector<HTMLElement>('[role=tablist]')!.addEventListener('keydown', onTabKey);
document.addEventListener('keydown', onKey);
element('skip').addEventListener('click', (event) => {
  // The address belongs to the views.
  event.preventDefault();
  element('main').focus();
});
window.addEventListener('hashchange', onAddress);
window.addEventListener('pagehide', () => stream.close());
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted) stream.open();
});
element('now').replaceChildren();
onAddress();
stream.open();
setInterval(onTick, TICK_MS);
