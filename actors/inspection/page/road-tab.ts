import { html, nothing, render, svg, type TemplateResult } from 'lit-html';
import { bytes, count, lately, milliseconds, percent, rate, words } from './format.js';
import { fillBar, sparkline } from './pieces.js';
import type { EdgeView, FactView, Fill, LossView, Place, Road, StreamView } from './road.js';
import { causeText } from './summary.js';
import type { Tab } from './tab.js';

const FACT_TEXTS = { count, rate, ms: milliseconds, bytes } as const;

const TITLES: Readonly<Record<Place, readonly [title: string, what: string]>> = {
  kernel: ['Kernel', 'BPF programs see what containers do'],
  rings: ['Rings', 'records wait for Collector'],
  capture: ['Capture', 'reads records, scans what ran before'],
  containers: ['Containers', 'names and cgroups'],
  processes: ['Processes', 'who started what'],
  connections: ['Connections', 'who talks to whom'],
  queue: ['Queue', 'waits for Sensor'],
  streams: ['Streams', 'to Sensor and runtimes'],
  output: ['Output', 'standard output'],
};

/** Ways of an edge: down to the next box of its column, or across from the right side of a box to another column. */
const DOWN = new Set(['kernel rings', 'rings capture', 'queue streams']);
/** From the left side of a gap to where its edges part, CSS pixels. */
const TRUNK = 10;
/** Length of an arrow's head, CSS pixels. */
const ARROW = 8;

/** The way of an event from the kernel to Sensor, with rates, fills, and each loss where it happens. */
export class RoadTab implements Tab {
  readonly element = document.createElement('div');
  readonly #road: () => Road;
  readonly #choose: (path: string) => void;
  #isShown = false;

  /** @param choose shows the chart of a stream */
  constructor(road: () => Road, choose: (name: string) => void) {
    this.#road = road;
    this.#choose = choose;
    this.element.className = 'road-view';
    new ResizeObserver(() => this.update()).observe(this.element);
  }

  show(query: URLSearchParams): void {
    this.#isShown = true;
    this.update();
    if (query.has('lost')) this.element.querySelector<HTMLElement>('#ledger')?.scrollIntoView();
  }

  hide(): void {
    this.#isShown = false;
  }

  update(): void {
    if (!this.#isShown) return;
    const road = this.#road();
    render(this.#template(road), this.element);
    const lines = this.element.querySelector<SVGElement>('.road-lines');
    const grid = this.element.querySelector<HTMLElement>('.road');
    if (lines !== null && grid !== null) drawLines(lines, grid, road);
  }

  #template(road: Road): TemplateResult {
    const edge = (from: Place, to: Place) => {
      const found = road.edges.find((one) => one.from === from && one.to === to);
      return found === undefined ? nothing : edgeView(found, road.span);
    };
    const box = (place: Place) => this.#box(place, road);
    const end = road.end === 'output' ? 'output' : 'queue';
    return html`${
        road.isEmpty
          ? html`<p class="notice">Nothing is collected yet: the counts appear once Collector collects.</p>`
          : nothing
      }
      <div class="road">
        <svg class="road-lines" aria-hidden="true"></svg>
        <div class="column">
          ${box('kernel')} ${edge('kernel', 'rings')} ${box('rings')} ${edge('rings', 'capture')}
          ${box('capture')}
        </div>
        <div class="lanes">
          <div class="lane">${edge('capture', 'containers')} ${box('containers')}</div>
          <div class="lane">
            ${edge('capture', 'processes')} ${box('processes')} ${edge('processes', end)}
          </div>
          <div class="lane">
            ${edge('capture', 'connections')} ${box('connections')} ${edge('connections', end)}
          </div>
        </div>
        <div class="column">
          ${
            road.end === 'output'
              ? box('output')
              : html`${box('queue')} ${edge('queue', 'streams')} ${box('streams')}`
          }
        </div>
      </div>
      ${ledger(road)}`;
  }

  #box(place: Place, road: Road): TemplateResult {
    const [title, what] = TITLES[place];
    const losses = road.losses.filter((loss) => loss.place === place);
    const lost = losses.filter(({ count }) => count > 0);
    return html`<section
      class="box ${lost.length > 0 ? 'is-bad' : ''}"
      data-place=${place}
      aria-label=${title}
    >
      <h2>${title}</h2>
      <p class="box-what">${what}</p>
      ${road.fills[place].map(fillView)} ${road.facts[place].map(factView)}
      ${place === 'streams' ? this.#streams(road) : nothing} ${lost.map((loss) => lossView(loss, road.span))}
      ${losses.length > 0 && lost.length === 0 ? html`<p class="box-lost">Lost: 0</p>` : nothing}
    </section>`;
  }

  #streams({ streams }: Road): TemplateResult {
    if (streams.length === 0) return html`<p class="hint">None is open yet.</p>`;
    return html`<ul class="streams">
      ${streams.map(
        (stream) =>
          html`<li>
            <button type="button" class="stream" @click=${() => this.#choose(stream.name)}>
              <span class="mark ${markOf(stream)}"></span>
              <span class="ellipsis">${stream.name}</span>
              <span class="stream-state ${stream.state === 'backing off' ? 'bad' : 'muted'}"
                >${stream.state}</span
              >
            </button>
            ${stream.reason === undefined ? nothing : html`<p class="bad stream-reason">${stream.reason}</p>`}
            ${stream.breaks ? html`<p class="muted stream-reason">broke ${stream.breaks === 1 ? 'once' : `${count(stream.breaks)} times`} so far</p>` : nothing}
          </li>`,
      )}
    </ul>`;
  }
}

function markOf({ state }: StreamView): string {
  if (state === 'open') return 'on';
  return state === 'backing off' ? 'bad' : 'off';
}

function edgeView(
  { from, to, what, rate: perSecond, recent, history }: EdgeView,
  span: number,
): TemplateResult {
  return html`<div class="edge ${DOWN.has(`${from} ${to}`) ? 'down' : 'across'}">
    <div class="edge-above">
      ${sparkline(history)}
      <span class="edge-rate">${rate(perSecond)}</span>
    </div>
    <div class="edge-below">
      <span class="edge-what">${what}</span>
      ${recent === undefined ? nothing : html`<span>${count(recent)} in ${lately(span)}</span>`}
    </div>
  </div>`;
}

/** Draws the edges between the boxes where they are now: their sizes follow from what they hold. */
function drawLines(lines: SVGElement, grid: HTMLElement, { edges }: Road): void {
  const origin = grid.getBoundingClientRect();
  const box = (place: Place) => {
    const found = grid.querySelector(`[data-place=${place}]`)?.getBoundingClientRect();
    if (found === undefined) return undefined;
    const { left, right, top, bottom } = found;
    return {
      left: left - origin.left,
      right: right - origin.left,
      top: top - origin.top,
      bottom: bottom - origin.top,
      middle: (left + right) / 2 - origin.left,
      centre: (top + bottom) / 2 - origin.top,
    };
  };
  const paths = edges.map(({ from, to, rate: perSecond }) => {
    const [source, target] = [box(from), box(to)];
    if (source === undefined || target === undefined) return nothing;
    const way = DOWN.has(`${from} ${to}`)
      ? `M${source.middle} ${source.bottom}V${target.top - ARROW}`
      : from === 'capture'
        ? `M${source.right} ${source.centre}h${TRUNK}V${target.centre}H${target.left - ARROW}`
        : `M${source.right} ${source.centre}H${target.left - TRUNK - ARROW}V${target.centre}h${TRUNK}`;
    return svg`<path class=${perSecond !== undefined && perSecond > 0 ? 'is-moving' : ''} d=${way}></path>`;
  });
  const arrows = edges.map(({ from, to }) => {
    const target = box(to);
    if (target === undefined) return nothing;
    const tip = DOWN.has(`${from} ${to}`)
      ? `${target.middle},${target.top} ${target.middle - 5},${target.top - ARROW} ${target.middle + 5},${target.top - ARROW}`
      : `${target.left},${target.centre} ${target.left - ARROW},${target.centre - 5} ${target.left - ARROW},${target.centre + 5}`;
    return svg`<polygon points=${tip}></polygon>`;
  });
  render(svg`${paths}${arrows}`, lines);
}

function fillView({ name, entries, capacity, evicted, unit }: Fill): TemplateResult {
  const text = unit === 'bytes' ? bytes : count;
  return html`<div class="fill">
    <div class="fill-line">
      <span class="fill-name">${words(name)}</span>
      <span class="number">${text(entries)}</span>
      <span class="muted small number fill-share" title=${`of ${text(capacity)}`}
        >${percent(entries, capacity)}<span class="fill-of"> of ${text(capacity)}</span></span
      >
    </div>
    ${fillBar(words(name), entries, capacity)}
    ${evicted > 0 ? html`<p class="muted small">${count(evicted)} forgotten for want of room</p>` : nothing}
  </div>`;
}

function factView({ label, value, kind }: FactView): TemplateResult {
  return html`<div class="fill-line box-fact">
    <span class="muted">${label}</span>
    <span class="number">${FACT_TEXTS[kind](value)}</span>
  </div>`;
}

function lossView({ stage, cause, count: lost, recent }: LossView, span: number): TemplateResult {
  return html`<p class="loss">
    <strong>Lost ${count(lost)}</strong
    >${recent > 0 ? html` (${count(recent)} in the last ${lately(span)})` : nothing}:
    ${causeText(stage, cause)}
  </p>`;
}

function ledger({ losses, lost, recentlyLost, end, span }: Road): TemplateResult {
  const sorted = losses.toSorted((a, b) => b.count - a.count);
  return html`<section class="panel ledger" id="ledger" aria-labelledby="ledger-title" tabindex="-1">
    <header class="panel-title">
      <h2 id="ledger-title">What was lost</h2>
      <span class=${lost > 0 ? 'bad' : 'muted'}>
        ${
          end === undefined
            ? 'not known before Collector collects'
            : lost === 0
              ? 'nothing since Collector started'
              : `${count(lost)} since Collector started, ${count(recentlyLost)} in the last ${lately(span)}`
        }
      </span>
    </header>
    ${
      sorted.length === 0
        ? nothing
        : html`<table class="table">
            <thead>
              <tr>
                <th scope="col">Cause</th>
                <th scope="col">Stage</th>
                <th scope="col">Name in metrics</th>
                <th scope="col" class="number">In the last ${lately(span)}</th>
                <th scope="col" class="number">Since the start</th>
              </tr>
            </thead>
            <tbody>
              ${sorted.map(
                (loss) =>
                  html`<tr class=${loss.count > 0 ? 'bad' : 'muted'}>
                    <td>${causeText(loss.stage, loss.cause)}</td>
                    <td>${loss.stage}</td>
                    <td><code>${loss.cause}</code></td>
                    <td class="number">${count(loss.recent)}</td>
                    <td class="number">${count(loss.count)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}
