import { html, render, type TemplateResult } from 'lit-html';
import { live } from 'lit-html/directives/live.js';
import type { ReplayMessage } from '../protocol.js';
import { dateAndClock, duration } from './format.js';

const SPEEDS = [1, 2, 5, 10, 20, 50, 100];
/** Least time between two seeks while the slider moves, ms. */
const SEEK_MS = 150;
/** Time for the answer to a seek: the slider stays where it was put, ms. */
const SETTLE_MS = 600;

type Command =
  | { readonly action: 'play' | 'pause' | 'step' }
  | { readonly action: 'seek' | 'speed'; readonly value: number };

/** Plays a recording: pause, step, speed, and a slider of time. */
export class ReplayBar {
  readonly #element: HTMLElement;
  readonly #onProblem: (problem: string) => void;
  #status: ReplayMessage | undefined;
  /** Value of the slider while it is moved. */
  #wanted: number | undefined;
  #lastSeek = 0;
  #seekTimer: number | undefined;
  #settleTimer: number | undefined;

  constructor(element: HTMLElement, onProblem: (problem: string) => void) {
    this.#element = element;
    this.#onProblem = onProblem;
  }

  update(status: ReplayMessage | undefined): void {
    this.#status = status;
    this.#element.hidden = status === undefined;
    if (status !== undefined) render(this.#template(status), this.#element);
  }

  toggle(): void {
    const { paused = true, over = false, start = 0 } = this.#status ?? {};
    if (over) this.#send({ action: 'seek', value: start });
    this.#send({ action: paused || over ? 'play' : 'pause' });
  }

  step(): void {
    this.#send({ action: 'step' });
  }

  #template({ start, end, time, speed, paused, over }: ReplayMessage): TemplateResult {
    const shown = this.#wanted ?? time;
    const label = over ? 'Play again' : paused ? 'Play' : 'Pause';
    return html`<button type="button" class="button accent play" @click=${() => this.toggle()}>
        <span class="icon ${paused || over ? 'icon-play' : 'icon-pause'}" aria-hidden="true"></span>${label}
      </button>
      <button type="button" class="button" ?disabled=${over} @click=${() => this.step()}>Step</button>
      <label class="replay-speed"
        ><span class="muted">Speed</span>
        <select class="field" @change=${(event: Event) => this.#onSpeed(event)}>
          ${[...new Set([...SPEEDS, speed])]
            .sort((a, b) => a - b)
            .map((each) => html`<option value=${each} .selected=${each === speed}>${each}×</option>`)}
        </select></label
      >
      <input
        class="replay-slider"
        type="range"
        aria-label="Time in the recording"
        aria-valuetext=${`${duration(shown - start)} of ${duration(end - start)}`}
        min="0"
        max=${Math.max(1, Math.round(end - start))}
        step="100"
        .value=${live(String(Math.round(shown - start)))}
        @input=${(event: Event) => this.#onSlide(event, start)}
      />
      <span class="number replay-time"
        >${dateAndClock(shown)}
        <span class="muted">(${duration(shown - start)} of ${duration(end - start)})</span></span
      >`;
  }

  #onSpeed({ target }: Event): void {
    this.#send({ action: 'speed', value: Number((target as HTMLSelectElement).value) });
  }

  /** Seeks now, or as soon as the last seek is long enough ago. */
  #onSlide({ target }: Event, start: number): void {
    const value = start + Number((target as HTMLInputElement).value);
    this.#wanted = value;
    clearTimeout(this.#seekTimer);
    clearTimeout(this.#settleTimer);
    const seek = () => {
      this.#lastSeek = performance.now();
      this.#send({ action: 'seek', value });
      this.#settleTimer = setTimeout(() => {
        this.#wanted = undefined;
        this.update(this.#status);
      }, SETTLE_MS);
    };
    this.#seekTimer = setTimeout(seek, Math.max(0, this.#lastSeek + SEEK_MS - performance.now()));
    this.update(this.#status);
  }

  #send(command: Command): void {
    fetch('replay', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(command),
    }).then(
      ({ ok, status }) => {
        if (!ok) this.#onProblem(`The player refused the command (HTTP ${status})`);
      },
      () => this.#onProblem('The player does not answer'),
    );
  }
}
