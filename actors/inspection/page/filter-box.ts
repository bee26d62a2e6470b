import { html, nothing, render } from 'lit-html';
import { Filter, type FilterKey } from './filter.js';

/** The field for a filter, with the doubts about it and its help. */
export class FilterBox {
  readonly element = document.createElement('div');
  readonly #id: string;
  readonly #keys: readonly FilterKey[];
  readonly #onChange: () => void;
  #text = '';
  #filter = Filter.none;
  #helps = false;

  /** @param id unique in the page */
  constructor(id: string, keys: readonly FilterKey[], onChange: () => void) {
    this.#id = id;
    this.#keys = keys;
    this.#onChange = onChange;
    this.element.className = 'filter-box';
    this.#render();
  }

  get filter(): Filter {
    return this.#filter;
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    if (text === this.#text) return;
    this.#read(text);
    this.#input.value = text;
  }

  focus(): void {
    this.#input.focus();
    this.#input.select();
  }

  /** Empties it, as a person would. */
  clear(): void {
    this.text = '';
    this.#onChange();
    this.focus();
  }

  get #input(): HTMLInputElement {
    return this.element.querySelector('input')!;
  }

  #read(text: string): void {
    this.#text = text;
    this.#filter = Filter.parse(text, this.#keys);
    this.#render();
  }

  #typed(): void {
    if (this.#input.value === this.#text) return;
    this.#read(this.#input.value);
    this.#onChange();
  }

  #toggleHelp(helps: boolean): void {
    this.#helps = helps;
    this.#render();
  }

  /** Adds a word of the help to the filter. */
  #add(example: string): void {
    this.text = `${this.#text} ${example}`.trim();
    this.#onChange();
    this.#input.focus();
  }

  #render(): void {
    const id = this.#id;
    const { problems } = this.#filter;
    render(
      html`<label class="visually-hidden" for="${id}-input">Filter</label>
        <div class="filter-field">
          <input
            id="${id}-input"
            type="search"
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            placeholder="Filter: text, or key:value such as ${this.#keys[0]!.example}"
            aria-describedby="${id}-problems"
            @input=${() => this.#typed()}
            @search=${() => this.#typed()}
          />
          <button
            type="button"
            class="button quiet"
            aria-expanded=${this.#helps}
            aria-controls="${id}-help"
            @click=${() => this.#toggleHelp(!this.#helps)}
          >
            Filter help
          </button>
        </div>
        <div id="${id}-problems" class="filter-problems" role="status">
          ${problems.map((problem) => html`<p>${problem}</p>`)}
        </div>
        <div id="${id}-help" class="filter-help" ?hidden=${!this.#helps} @keydown=${this.#helpKey}>
          ${this.#helps ? this.#help() : nothing}
        </div>`,
      this.element,
    );
  }

  readonly #helpKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    this.#toggleHelp(false);
    this.element.querySelector<HTMLElement>('[aria-expanded]')!.focus();
  };

  #help() {
    return html`<p>
        A row is shown if every word matches. Words are text to find anywhere, or <code>key:value</code>:
      </p>
      <ul>
        ${this.#keys.map(
          ({ example, help }) =>
            html`<li>
              <button type="button" class="example" @click=${() => this.#add(example)}>${example}</button>
              <span>${help}</span>
            </li>`,
        )}
      </ul>
      <p>
        <code>pod:one,other</code> matches either, <code>pod:=name</code> the whole text,
        <code>-pod:name</code> all the others, <code>"two words"</code> a text with blanks. Capitals do not
        matter. The filter is in the address, so a link shows the same to a colleague.
      </p>`;
  }
}
