import { html, nothing, render, type TemplateResult } from 'lit-html';
import type { ContainerRef, WhyStep, WhyView } from '../protocol.js';
import { clock, dateAndClock } from './format.js';
import { copyText, failureText } from './row-detail.js';
import { addressAndPort, containerPath, legible } from './row-text.js';
import type { TabContext } from './tab.js';

/** A question: about a container, or about a connection or an endpoint in it. */
export interface WhySubject {
  readonly kind: 'container' | 'connection' | 'endpoint';
  readonly container: ContainerRef;
  /** Its text, beside the container. */
  readonly text: string;
  readonly query: Readonly<Record<string, string>>;
}

export function whyContainer(container: ContainerRef): WhySubject {
  return { kind: 'container', container, text: '', query: {} };
}

export interface ConnectionEnds {
  readonly protocol?: 'tcp' | 'udp';
  readonly local?: string;
  readonly localPort?: number;
  readonly remote?: string;
  readonly remotePort?: number;
}

export function whyConnection(container: ContainerRef, ends: ConnectionEnds): WhySubject {
  const { protocol = 'tcp', local = '', localPort = 0, remote = '', remotePort = 0 } = ends;
  return {
    kind: 'connection',
    container,
    text: `${protocol} ${addressAndPort(local, localPort)} – ${addressAndPort(remote, remotePort)}`,
    query: { protocol, local, localPort: String(localPort), remote, remotePort: String(remotePort) },
  };
}

export function whyEndpoint(container: ContainerRef, protocol: 'tcp' | 'udp', port: number): WhySubject {
  return {
    kind: 'endpoint',
    container,
    text: `${protocol} port ${port}`,
    query: { protocol, port: String(port) },
  };
}

const STEPS: Readonly<Record<string, string>> = {
  seen: 'Seen',
  container: 'In a container',
  loopback: 'Not loopback',
  'ignored-network': 'Not in an ignored network',
  established: 'Established',
  'rate-limit': 'Rate limit',
  afterglow: 'Afterglow',
  stream: 'Stream',
  queue: 'Queue',
  report: 'In a report',
};

/** In their order. */
const WAY = Object.keys(STEPS);
const CONNECTION_STEPS = ['loopback', 'ignored-network', 'established', 'afterglow'];
const OTHER_WAY = WAY.filter((step) => !CONNECTION_STEPS.includes(step));
/** The ways to Sensor: steps left out of an answer at its end have not been reached. */
const WAYS: Readonly<Record<WhySubject['kind'], readonly string[]>> = {
  container: OTHER_WAY,
  connection: WAY,
  endpoint: OTHER_WAY,
};

/** Steps where a failure is a loss; at the others, things are left out on purpose. */
const LOSSES: ReadonlySet<string> = new Set(['stream', 'queue']);

const VERDICTS: Readonly<Record<WhyView['verdict'], string>> = {
  reported: 'Reported',
  held: 'Held back',
  unseen: 'Not seen',
};

type Answer =
  | { readonly state: 'waiting' }
  | { readonly state: 'failed'; readonly reason: string }
  | { readonly state: 'answered'; readonly time: number; readonly view: WhyView };

/** The panel "Why is this not in Sensor?": the way of a thing to Sensor, and the step that holds it back. */
export class WhyPanel {
  readonly element = document.createElement('dialog');
  readonly #context: TabContext;
  #subject: WhySubject | undefined;
  #answer: Answer = { state: 'waiting' };
  /** Questions so far: the answer to an older one is dropped. */
  #asked = 0;
  #copied = '';

  constructor(context: TabContext) {
    this.#context = context;
    const { element } = this;
    element.className = 'why';
    element.setAttribute('aria-label', 'Why is this not in Sensor?');
    element.addEventListener('click', (event) => {
      if (event.target === element) element.close();
    });
    element.addEventListener('close', () => this.#asked++);
  }

  /** Asks; the browser moves the focus into the panel, and back when it is closed. */
  open(subject: WhySubject): void {
    this.#subject = subject;
    this.#ask();
    if (!this.element.open) this.element.showModal();
  }

  close(): void {
    this.element.close();
  }

  #ask(): void {
    const { container, query } = this.#subject!;
    const number = ++this.#asked;
    this.#copied = '';
    this.#show({ state: 'waiting' });
    const parameters = new URLSearchParams({ container: container.container, ...query });
    this.#context.fetchJson<WhyView>(`/inspect/why?${parameters.toString()}`).then(
      (view) => {
        if (number === this.#asked) this.#show({ state: 'answered', time: this.#context.now(), view });
      },
      (error: unknown) => {
        if (number === this.#asked) this.#show({ state: 'failed', reason: failureText(error) });
      },
    );
  }

  #show(answer: Answer): void {
    this.#answer = answer;
    const { kind, container, text } = this.#subject!;
    render(
      html`<div class="why-body">
        <header>
          <h2>Why is this not in Sensor?</h2>
          <button type="button" class="button quiet" autofocus @click=${() => this.close()}>Close</button>
        </header>
        <dl class="why-subject">
          <div>
            <dt>Container</dt>
            <dd>${containerPath(container)}</dd>
          </div>
          ${
            text === ''
              ? nothing
              : html`<div>
                  <dt>${kind === 'endpoint' ? 'Endpoint' : 'Connection'}</dt>
                  <dd class="mono">${legible(text)}</dd>
                </div>`
          }
        </dl>
        <div class="why-answer" aria-live="polite" aria-busy=${answer.state === 'waiting'}>
          ${this.#answerView(answer)}
        </div>
        <footer>
          <button
            type="button"
            class="button"
            ?disabled=${answer.state === 'waiting'}
            @click=${() => this.#ask()}
          >
            Ask again
          </button>
          <button
            type="button"
            class="button"
            ?disabled=${answer.state !== 'answered'}
            @click=${() => void this.#copy()}
          >
            Copy as JSON
          </button>
          <span role="status">${this.#copied}</span>
        </footer>
      </div>`,
      this.element,
    );
  }

  #answerView(answer: Answer): TemplateResult {
    switch (answer.state) {
      case 'waiting':
        return html`<p class="muted">Asking Collector …</p>`;
      case 'failed':
        return html`<p class="failure">${legible(answer.reason)}</p>`;
      case 'answered': {
        const { summary, verdict, steps } = answer.view;
        return html`<p class="why-summary">
            <span class="verdict is-${verdict}">${VERDICTS[verdict]}</span>
            <strong>${legible(summary)}</strong>
          </p>
          <ol class="why-steps">
            ${steps.map(stepView)}
            ${notReached(this.#subject!.kind, steps).map(
              (step) =>
                html`<li class="is-beyond">
                  <span class="why-mark" aria-hidden="true">–</span>
                  <h3>${STEPS[step]} <span class="outcome">not reached</span></h3>
                </li>`,
            )}
          </ol>
          <p class="muted">As of ${clock(answer.time)}.</p>`;
      }
    }
  }

  async #copy(): Promise<void> {
    if (this.#answer.state !== 'answered') return;
    const { container, query } = this.#subject!;
    const copied = await copyText(
      JSON.stringify({ ...container, ...query, ...this.#answer.view }, undefined, 2),
    );
    this.#copied = copied ? 'Copied.' : 'The browser does not let the page copy.';
    this.#show(this.#answer);
  }
}

/** Steps of the way after the last one of a held thing. */
function notReached(kind: WhySubject['kind'], steps: readonly WhyStep[]): readonly string[] {
  if (steps.every(({ passed }) => passed)) return [];
  const way = WAYS[kind];
  return way.slice(Math.max(...steps.map(({ step }) => way.indexOf(step))) + 1);
}

function stepView({ step, passed, text, time }: WhyStep): TemplateResult {
  const [className, mark, word] = passed
    ? ['is-passed', '✓', 'passed']
    : [LOSSES.has(step) ? 'is-lost' : 'is-held', '✕', 'held back here'];
  return html`<li class=${className}>
    <span class="why-mark" aria-hidden="true">${mark}</span>
    <div>
      <h3>${STEPS[step] ?? step} <span class="outcome">${word}</span></h3>
      <p>${legible(text)}</p>
      ${time === undefined ? nothing : html`<p class="muted">${dateAndClock(time)}</p>`}
    </div>
  </li>`;
}
