import { html, nothing, render, type TemplateResult } from 'lit-html';
import { bytes, count, percent, rate, UNKNOWN, words } from './format.js';
import { fillBar, sparkline } from './pieces.js';
import type { EdgeView, FactView, Fill, LossView, Place, Road, StreamView } from './road.js';
import { causeText } from './summary.js';
import type { Tab } from './tab.js';

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
    if (this.#isShown) render(this.#template(this.#road()), this.element);
  }

  #template(road: Road): TemplateResult {
    const edge = (from: Place, to?: Place) => {
      const found = road.edges.find((one) => one.from === from && (to === undefined || one.to === to));
      return found === undefined ? nothing : edgeView(found);
    };
    const box = (place: Place) => this.#box(place, road);
    return html`${
        road.end === undefined
          ? html`<p class="notice">Nothing is collected yet: the counts appear once Collector collects.</p>`
          : nothing
      }
      <div class="road ${road.end === 'output' ? 'to-output' : ''}">
        ${box('kernel')} ${edge('kernel')} ${box('rings')} ${edge('rings')} ${box('capture')}
        <div class="lanes">
          <div class="lane">${edge('capture', 'containers')} ${box('containers')}<div class="edge no-edge"></div></div>
          <div class="lane">${edge('capture', 'processes')} ${box('processes')} ${edge('processes')}</div>
          <div class="lane">${edge('capture', 'connections')} ${box('connections')} ${edge('connections')}</div>
        </div>
        ${road.end === 'output' ? box('output') : html`${box('queue')} ${edge('queue')} ${box('streams')}`}
      </div>
      ${ledger(road)}`;
  }

  #box(place: Place, road: Road): TemplateResult {
    const [title, what] = TITLES[place];
    const losses = road.losses.filter((loss) => loss.place === place);
    const lost = losses.filter(({ count }) => count > 0);
    return html`<section class="box box-${place} ${lost.length > 0 ? 'is-bad' : ''}" aria-label=${title}>
      <h2>${title}</h2>
      <p class="box-what">${what}</p>
      ${road.fills[place].map(fillView)} ${road.facts[place].map(factView)}
      ${place === 'streams' ? this.#streams(road) : nothing}
      ${lost.map(lossView)}
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
              <span class="stream-state ${stream.state === 'backing off' ? 'bad' : 'muted'}">${stream.state}</span>
            </button>
            ${stream.reason === undefined ? nothing : html`<p class="bad stream-reason">${stream.reason}</p>`}
            ${stream.breaks ? html`<p class="muted stream-reason">broke ${count(stream.breaks)} times so far</p>` : nothing}
          </li>`,
      )}
    </ul>`;
  }
}

function markOf({ state }: StreamView): string {
  if (state === 'open') return 'on';
  return state === 'backing off' ? 'bad' : 'off';
}

function edgeView({ from, to, what, rate: perSecond, lastMinute, history }: EdgeView): TemplateResult {
  const isMoving = perSecond !== undefined && perSecond > 0;
  return html`<div class="edge ${isMoving ? 'is-moving' : ''} edge-${from}-${to}">
    <span class="edge-rate number">${rate(perSecond)}</span>
    ${sparkline(history)}
    <span class="edge-line" aria-hidden="true"></span>
    <span class="edge-what">${what}</span>
    <span class="edge-minute muted">${lastMinute === undefined ? UNKNOWN : count(lastMinute)} in 1 min</span>
  </div>`;
}

function fillView({ name, entries, capacity, evicted, unit }: Fill): TemplateResult {
  const text = unit === 'bytes' ? bytes : count;
  return html`<div class="fill">
    <div class="fill-line">
      <span class="fill-name">${words(name)}</span>
      <span class="number">${text(entries)}</span>
    </div>
    ${fillBar(words(name), entries, capacity)}
    <div class="fill-line muted small">
      <span>${percent(entries, capacity)} of ${text(capacity)}</span>
      ${evicted > 0 ? html`<span>${count(evicted)} forgotten</span>` : nothing}
    </div>
  </div>`;
}

function factView({ label, value, kind }: FactView): TemplateResult {
  return html`<div class="fill-line box-fact">
    <span class="muted">${label}</span>
    <span class="number">${kind === 'rate' ? rate(value) : count(value)}</span>
  </div>`;
}

function lossView({ stage, cause, count: lost, recent }: LossView): TemplateResult {
  return html`<p class="loss">
    <strong>Lost ${count(lost)}</strong>${recent > 0 ? html` (${count(recent)} in the last minute)` : nothing}:
    ${causeText(stage, cause)}
  </p>`;
}

function ledger({ losses, lost, recentlyLost, end }: Road): TemplateResult {
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
              : `${count(lost)} since Collector started, ${count(recentlyLost)} in the last minute`
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
                <th scope="col" class="number">Last minute</th>
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
