import { html, nothing, render, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { Edge, LaidOutChart, StateNode } from '../protocol.js';
import { ChartView } from './chart-view.js';
import { clock, duration, eventName, preciseClock } from './format.js';
import type { ActorView, Model, Step } from './model.js';
import { at, failureIn, isRecord, textOf } from './plain.js';
import { failureBox, plainTree } from './pieces.js';
import { streamState } from './road.js';
import type { Tab, TabContext } from './tab.js';

/** Charts by the id of their machine. */
export type Charts = Readonly<Record<string, LaidOutChart>>;

/** Rows of the list at first; all, when asked for. */
const FEW_STEPS = 100;
const NO_EDGES: readonly string[] = [];

interface Drawn {
  readonly chart: LaidOutChart;
  readonly view: ChartView;
}

/**
 * The machines: the tree of actors, the chart of one of them, its last transitions, its context. An earlier transition
 * picked from the list shows everything as it was.
 */
export class ChartsTab implements Tab {
  readonly element = document.createElement('div');
  readonly #context: TabContext;
  readonly #model: Model;
  readonly #knownCause: () => string | undefined;
  #charts: Charts | undefined;
  #chartsProblem: string | undefined;
  readonly #drawn = new Map<string, Drawn>();
  /** Path of the chosen actor; undefined: the root. */
  #path: string | undefined;
  /** Time of the picked transition; undefined: live. */
  #picked: number | undefined;
  /** Id of the state or edge chosen in the chart. */
  #chosen: string | undefined;
  #showsAll = false;
  #isFit = true;
  #isShown = false;

  /** @param knownCause of the failure in the page's header: not to be said twice */
  constructor(context: TabContext, model: Model, knownCause: () => string | undefined) {
    this.#context = context;
    this.#model = model;
    this.#knownCause = knownCause;
    this.element.className = 'charts';
    this.element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** @param problem why there are no charts */
  set charts({ charts, problem }: { charts: Charts; problem: string | undefined }) {
    this.#charts = charts;
    this.#chartsProblem = problem;
    this.update();
  }

  show(query: URLSearchParams): void {
    this.#isShown = true;
    const path = query.get('actor') ?? undefined;
    if (path !== this.#path) this.#chosen = undefined;
    this.#path = path;
    const at = Number(query.get('at') ?? NaN);
    this.#picked = Number.isFinite(at) ? at : undefined;
    this.update();
  }

  hide(): void {
    this.#isShown = false;
  }

  /** Back to what happens now. */
  goLive(): void {
    this.#pick(undefined);
  }

  update(): void {
    if (this.#isShown) render(this.#template(), this.element);
  }

  #template(): TemplateResult | typeof nothing {
    const { root, actors } = this.#model;
    if (root === undefined)
      return html`<div class="empty">
        <h2>No actors</h2>
        <p>${noActors(this.#model)}</p>
      </div>`;
    const actor = actors.find(({ path }) => path === this.#path) ?? root;
    const steps = this.#model.steps(actor.actor);
    const step = this.#picked === undefined ? undefined : steps.findLast(({ time }) => time === this.#picked);
    if (actor.chart === undefined)
      return html`${this.#actorTree(actors, actor)} ${this.#contextPanel(actor, undefined)}`;
    return html`${this.#actorTree(actors, actor)} ${this.#chartPanel(actor, steps, step)}
      <div class="side">${this.#stepList(actor, steps, step)} ${this.#contextPanel(actor, step)}</div>`;
  }

  /** Name of what is shown without a pick. */
  get #liveName(): string {
    if (this.#model.hello?.mode === 'replay') return 'Latest';
    return this.#context.isConnected() ? 'Live' : 'Last known';
  }

  #actorTree(actors: readonly ActorView[], chosen: ActorView): TemplateResult {
    const below = (parent: string | undefined): TemplateResult | typeof nothing => {
      const children = actors.filter((actor) => actor.parent === parent && isOfInterest(actor));
      if (children.length === 0) return nothing;
      return html`<ul>
        ${repeat(
          children,
          ({ path }) => path,
          (actor) =>
            html`<li>
              <button
                type="button"
                class="actor ${actor.snapshot.status}"
                aria-current=${actor === chosen ? 'true' : nothing}
                @click=${() => this.#choose(actor)}
              >
                <span class="mark ${markOf(actor)}"></span>
                <span class="actor-name" title=${actor.id}>${actor.id}</span>
                ${stateOf(actor) === '' ? nothing : html`<span class="muted actor-state">${stateOf(actor)}</span>`}
              </button>
              ${below(actor.actor)}
            </li>`,
        )}
      </ul>`;
    };
    return html`<nav class="panel actors" aria-label="Actors">
      <h2 class="panel-title">Actors</h2>
      <div class="scroll">${below(undefined)}</div>
    </nav>`;
  }

  #chartPanel(actor: ActorView, steps: readonly Step[], step: Step | undefined): TemplateResult {
    const snapshot = step?.snapshot ?? actor.snapshot;
    const failure = failureIn(snapshot.context);
    const isPast = this.#picked !== undefined;
    const drawn = this.#draw(actor);
    drawn?.view.show({
      active: snapshot.active,
      taken: step?.edges ?? steps.at(-1)?.edges ?? NO_EDGES,
      selected: this.#chosen,
    });
    return html`<section class="panel chart-panel" aria-label=${`Chart of ${actor.id}`}>
      <header class="panel-title">
        <h2>${actor.id}</h2>
        <span class="muted ellipsis">${pathOf(snapshot.active)}</span>
        <span class="spring"></span>
        ${
          isPast
            ? html`<span class="past"
                  >${step ? html`As it was at ${preciseClock(step.time)}` : 'No longer kept'}</span
                >
                <button type="button" class="button accent" @click=${() => this.goLive()}>
                  Back to live
                </button>`
            : html`<span class="live">${this.#liveName}</span>`
        }
        ${
          drawn
            ? html`<button
                type="button"
                class="button"
                aria-pressed=${this.#isFit}
                @click=${() => {
                  this.#isFit = !this.#isFit;
                  this.update();
                }}
              >
                Fit
              </button>`
            : nothing
        }
      </header>
      ${failure && (isPast || failure.cause !== this.#knownCause()) ? failureBox(failure) : nothing}
      <div
        class="scroll chart-scroll ${this.#isFit ? 'fit' : ''}"
        tabindex="0"
        role="region"
        aria-label="Drawing"
      >
        ${drawn?.view.element ?? this.#withoutChart(snapshot.active)}
      </div>
      ${drawn ? this.#chosenDetails(drawn.chart) : nothing}
    </section>`;
  }

  /** In place of a chart: the states as text. */
  #withoutChart(active: readonly string[]): TemplateResult {
    if (this.#charts === undefined) return html`<div class="empty"><p>Loading the charts…</p></div>`;
    return html`<div class="empty">
      <h2>No chart of this machine</h2>
      <p>${this.#chartsProblem ?? 'This build of Collector brings none: its active states as text.'}</p>
      <ol class="states">
        ${active.map((id) => html`<li><code>${id}</code></li>`)}
      </ol>
    </div>`;
  }

  #chosenDetails(chart: LaidOutChart): TemplateResult | typeof nothing {
    const state = chart.states.find(({ id }) => id === this.#chosen);
    const edge = chart.edges.find(({ id }) => id === this.#chosen);
    if (state === undefined && edge === undefined) return nothing;
    return html`<section class="chosen" aria-label="Chosen in the chart">
      ${state ? stateDetails(state, chart) : edgeDetails(edge!)}
      <button
        type="button"
        class="button quiet"
        @click=${() => {
          this.#chosen = undefined;
          this.update();
        }}
      >
        Close
      </button>
    </section>`;
  }

  #stepList(actor: ActorView, steps: readonly Step[], picked: Step | undefined): TemplateResult {
    const chart = actor.chart === undefined ? undefined : this.#charts?.[actor.chart];
    const newest = steps.toReversed();
    const shown = this.#showsAll ? newest : newest.slice(0, FEW_STEPS);
    return html`<section class="panel steps" aria-label="Transitions">
      <header class="panel-title">
        <h2>Transitions</h2>
        <span class="muted">${steps.length === 0 ? '' : 'newest first'}</span>
      </header>
      <div class="scroll">
        ${
          steps.length === 0
            ? html`<p class="hint">None yet: the next one appears here.</p>`
            : html`<ol class="step-list">
                ${repeat(
                  shown,
                  (step) => `${step.time} ${step.event.type} ${step.edges.join()}`,
                  (step, index) => this.#stepRow(step, newest[index - 1], chart, step === picked),
                )}
              </ol>`
        }
        ${
          shown.length < steps.length
            ? html`<button
                type="button"
                class="button quiet"
                @click=${() => {
                  this.#showsAll = true;
                  this.update();
                }}
              >
                All ${steps.length}
              </button>`
            : nothing
        }
      </div>
    </section>`;
  }

  /** @param next the transition after it; undefined: its state lasts */
  #stepRow(
    step: Step,
    next: Step | undefined,
    chart: LaidOutChart | undefined,
    isPicked: boolean,
  ): TemplateResult {
    const edges = step.edges.flatMap((id) => chart?.edges.find((edge) => edge.id === id) ?? []);
    const label = edges.map((edge) => edge.label).join(', ') || eventName(step.event.type);
    const stayed = (next?.time ?? this.#context.now()) - step.time;
    const failure = failureIn(step.event.fields);
    const reason = failure?.cause ?? textOf(at(step.event.fields, 'reason'));
    const isBad = failure !== undefined || /broken|failed|^xstate\.error/.test(step.event.type);
    return html`<li>
      <button
        type="button"
        class="step ${isBad ? 'is-bad' : ''}"
        aria-current=${isPicked ? 'true' : nothing}
        title=${step.event.type}
        @click=${() => this.#pick(step.time)}
      >
        <time class="number">${preciseClock(step.time)}</time>
        <span class="step-event"
          >${label}${step.times > 1 ? html` <span class="muted">×${step.times}</span>` : nothing}</span
        >
        <span class="step-target"
          >→ ${leafOf(step.snapshot.active) ?? step.snapshot.status}${guardsOf(edges)}</span
        >
        ${reason === undefined ? nothing : html`<span class="step-reason">${reason}</span>`}
        <span class="step-stay number muted">${duration(stayed)}${next ? nothing : '\u00a0…'}</span>
      </button>
    </li>`;
  }

  #contextPanel(actor: ActorView, step: Step | undefined): TemplateResult {
    const isPart = actor.chart === undefined;
    const { context } = (step ?? actor).snapshot;
    const fields = step?.event.fields;
    const hasFields = isRecord(fields)
      ? Object.keys(fields).length > 0
      : fields !== undefined && fields !== null;
    return html`<section
      class="panel context ${isPart ? 'context-part' : ''}"
      aria-label=${isPart ? `Counts of ${actor.id}` : 'Context'}
    >
      <header class="panel-title">
        <h2>${isPart ? actor.id : 'Context'}</h2>
        <span class="muted"
          >${step ? `at ${clock(step.time)}` : isPart ? 'a part without a machine: its counts, once a second' : ''}</span
        >
      </header>
      <div class="scroll" tabindex="0" role="region" aria-label="Context of the actor">
        ${
          step
            ? html`<h3>Event <code>${step.event.type}</code></h3>
                ${hasFields ? plainTree(step.event.fields) : html`<p class="hint">It has no other fields.</p>`}
                <h3>Context after it</h3>`
            : nothing
        }
        ${plainTree(context)}
      </div>
    </section>`;
  }

  #draw({ actor, chart: id }: ActorView): Drawn | undefined {
    if (id === undefined) return undefined;
    const known = this.#drawn.get(actor);
    if (known !== undefined) return known;
    const chart = this.#charts?.[id];
    if (chart === undefined) return undefined;
    const view = new ChartView(chart, (chosen) => {
      this.#chosen = chosen;
      this.update();
    });
    const drawn = { chart, view };
    this.#drawn.clear();
    this.#drawn.set(actor, drawn);
    return drawn;
  }

  #choose(actor: ActorView): void {
    this.#path = actor === this.#model.root ? undefined : actor.path;
    this.#picked = undefined;
    this.#chosen = undefined;
    this.#showsAll = false;
    this.#address();
  }

  #pick(time: number | undefined): void {
    this.#picked = time;
    this.#address();
  }

  #address(): void {
    const query = new URLSearchParams();
    if (this.#path !== undefined) query.set('actor', this.#path);
    if (this.#picked !== undefined) query.set('at', String(this.#picked));
    this.#context.setQuery(query);
    this.update();
  }

  /** Arrow keys go through the buttons of a list. */
  #onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const button = event.target instanceof Element ? event.target.closest('.actor, .step') : null;
    if (step === undefined || button === null) return;
    const list = [
      ...this.element.querySelectorAll<HTMLElement>(button.matches('.actor') ? '.actor' : '.step'),
    ];
    const next = list[list.indexOf(button as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  }
}

function noActors({ hasHistory, hello }: Model): string {
  if (hasHistory) return 'The run has ended: none of its actors lives any more.';
  return hello?.mode === 'replay'
    ? 'None has started yet at this time, or this recording was made by an older Collector: without its lifecycle there are no charts. Road, node and events play as usual.'
    : 'Collector announces its actors with the first messages of the stream.';
}

function stateDetails(state: StateNode, chart: LaidOutChart): TemplateResult {
  const edges = chart.edges.filter(({ source }) => source === state.id);
  return html`<h3>State <code>${state.id}</code></h3>
    <dl class="facts">
      ${fact('Kind', state.kind)} ${fact('Runs meanwhile', state.invokes.join(', '))}
      ${fact('On entry', state.entry.join(', '))} ${fact('On exit', state.exit.join(', '))}
      ${fact('Leaves by', edges.map(({ label }) => label).join(', '))}
    </dl>`;
}

function edgeDetails(edge: Edge): TemplateResult {
  return html`<h3>Transition <code>${edge.label}</code></h3>
    <dl class="facts">
      ${fact('Event', edge.event)} ${fact('From', edge.source)} ${fact('To', edge.target ?? 'the same state')}
      ${fact('Only if', edge.guard ?? '')} ${fact('After', edge.delay ?? '')}
      ${fact('Actions', edge.actions.join(', '))}
    </dl>`;
}

function fact(name: string, value: string): TemplateResult | typeof nothing {
  return value === ''
    ? nothing
    : html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`;
}

function guardsOf(edges: readonly Edge[]): TemplateResult | typeof nothing {
  const notes = edges.flatMap(({ guard, delay, label }) => [
    ...(guard === undefined ? [] : [`if ${guard}`]),
    ...(delay === undefined || label === `after ${delay}` ? [] : [`after ${delay}`]),
  ]);
  return notes.length === 0 ? nothing : html` <span class="muted">${notes.join(', ')}</span>`;
}

/** Keys of the active states, outermost first, without the machine's: `starting › load`. */
function pathOf(active: readonly string[]): string {
  const keys = active.map((id) => id.split('.').at(-1) ?? id);
  return (active[0]?.includes('.') === false ? keys.slice(1) : keys).join(' › ');
}

function leafOf(active: readonly string[]): string | undefined {
  return active.at(-1)?.split('.').at(-1);
}

/** Machines and parts; of their helpers, promises for example, there is nothing to see. */
function isOfInterest({ chart, snapshot: { context, status } }: ActorView): boolean {
  return chart !== undefined || (status === 'active' && isRecord(context) && Object.keys(context).length > 0);
}

function stateOf(actor: ActorView): string {
  if (actor.chart === undefined) return actor.snapshot.status === 'active' ? '' : actor.snapshot.status;
  return streamState(actor);
}

function markOf(actor: ActorView): string {
  const { status, active } = actor.snapshot;
  const leaf = leafOf(active) ?? '';
  if (status === 'error' || leaf === 'failed' || leaf === 'backing off') return 'bad';
  if (status !== 'active') return 'off';
  return actor.chart === undefined ? 'part' : 'on';
}
