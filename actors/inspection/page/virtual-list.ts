import { html, nothing, render, type TemplateResult } from 'lit-html';

export interface Column<Row> {
  readonly title: string;
  /** Longer title, shown on hovering; the only one, for screen readers, if `title` is empty. */
  readonly label?: string;
  /** Classes of its cells. */
  readonly className?: string;
  readonly cell: (row: Row, index: number) => unknown;
}

export interface ListOptions<Row> {
  /** Unique in the page. */
  readonly id: string;
  readonly label: string;
  readonly role: 'grid' | 'treegrid';
  /** Classes; they say the widths of columns. */
  readonly className: string;
  /** In rem; the style sheet says the same. */
  readonly rowHeight: number;
  readonly columns: readonly Column<Row>[];
  /** Same for the same row in a later update. */
  readonly identity: (row: Row) => unknown;
  readonly rowClass?: (row: Row) => string;
  /** Of a row in a tree, from 1. */
  readonly level?: (row: Row) => number;
  /** In place of rows, if there are none. */
  readonly empty: () => TemplateResult;
  /** The person chose another row, or none. */
  readonly onMove?: (row: Row | undefined) => void;
  /** Enter. */
  readonly onEnter?: (row: Row) => void;
  /** Any other key; true: it has been used. */
  readonly onKey?: (key: string, row: Row | undefined) => boolean;
}

/** Rows beyond each edge of the visible part, so that scrolling shows no gap before the next frame. */
const MARGIN = 4;

/**
 * A table of any length with the DOM of its visible rows only. The table has the focus and names its active row with
 * aria-activedescendant, since elements of rows are reused while it scrolls.
 */
export class VirtualList<Row> {
  readonly element = document.createElement('div');
  readonly #grid = document.createElement('div');
  /** Beside the grid: only rows may be in it. */
  readonly #empty = document.createElement('div');
  readonly #options: ListOptions<Row>;
  #rows: readonly Row[] = [];
  #active: { index: number; identity: unknown } | undefined;
  #frame = 0;
  /** Measured when they change: reading them in each frame would force a layout. */
  #height = 0;
  #scrollTop = 0;
  /** CSS pixels. */
  #rowHeight: number;

  constructor(options: ListOptions<Row>) {
    this.#options = options;
    this.#rowHeight = this.#measureRow();
    const grid = this.#grid;
    grid.className = 'vlist';
    grid.id = options.id;
    grid.tabIndex = 0;
    grid.setAttribute('role', options.role);
    grid.setAttribute('aria-label', options.label);
    grid.addEventListener(
      'scroll',
      () => {
        this.#scrollTop = grid.scrollTop;
        this.#schedule();
      },
      { passive: true },
    );
    grid.addEventListener('keydown', (event) => this.#key(event));
    this.#empty.className = 'vlist-empty';
    this.element.className = `vlist-frame ${options.className}`;
    this.element.append(grid, this.#empty);
    new ResizeObserver(() => {
      const active = this.#active?.index;
      const wasVisible = active !== undefined && this.#isVisible(active);
      this.#height = grid.clientHeight;
      this.#scrollTop = grid.scrollTop;
      this.#rowHeight = this.#measureRow();
      if (wasVisible) this.#reveal(active);
      this.#schedule();
    }).observe(grid);
  }

  get active(): Row | undefined {
    return this.#active === undefined ? undefined : this.#rows.at(this.#active.index);
  }

  /** The first row is in view, and rows put before it will be. */
  get isAtTop(): boolean {
    return this.#scrollTop < this.#rowHeight / 2;
  }

  /**
   * Shows other rows, at once: callers have a frame of their own for all they change. The active row, or else the first
   * visible one, keeps its place on the screen.
   */
  update(rows: readonly Row[]): void {
    const { identity } = this.#options;
    const before = this.#anchor();
    this.#rows = rows;
    if (this.#active !== undefined) {
      const index = find(rows, this.#active, identity);
      if (index === undefined) this.activate(undefined);
      else this.#active = { index, identity: this.#active.identity };
    }
    if (before !== undefined) {
      const after = find(rows, before, identity);
      if (after !== undefined && after !== before.index) {
        this.#scrollTop += (after - before.index) * this.#rowHeight;
        this.#render();
        // Not before: setting it lays everything out, and rendering would do so again.
        this.#grid.scrollTop = this.#scrollTop;
        return;
      }
    }
    this.#render();
  }

  /** Makes a row the active one, by its place, and brings it into view. */
  activate(index: number | undefined): void {
    const row = index === undefined ? undefined : this.#rows.at(index);
    this.#active =
      row === undefined || index === undefined ? undefined : { index, identity: this.#options.identity(row) };
    if (this.#active !== undefined) this.#reveal(this.#active.index);
    this.#schedule();
  }

  scrollToTop(): void {
    this.#scrollTo(0);
  }

  #move(index: number): void {
    const last = this.#rows.length - 1;
    this.activate(last < 0 ? undefined : Math.max(0, Math.min(last, index)));
    this.#options.onMove?.(this.active);
  }

  #anchor(): { index: number; identity: unknown } | undefined {
    const first = Math.floor(this.#scrollTop / this.#rowHeight);
    const active = this.#active;
    if (active !== undefined && this.#isVisible(active.index)) return active;
    const row = this.isAtTop ? undefined : this.#rows.at(first);
    return row === undefined ? undefined : { index: first, identity: this.#options.identity(row) };
  }

  #isVisible(index: number): boolean {
    const first = Math.floor(this.#scrollTop / this.#rowHeight);
    return index >= first && index <= first + this.#visible;
  }

  /** Whole rows in view, at least one. */
  get #visible(): number {
    return Math.max(1, Math.floor(this.#height / this.#rowHeight) - 1);
  }

  #reveal(index: number): void {
    const rowHeight = this.#rowHeight;
    const head = this.#grid.firstElementChild?.clientHeight ?? 0;
    const top = index * rowHeight;
    const bottom = top + rowHeight - (this.#height - head);
    if (this.#scrollTop > top) this.#scrollTo(top);
    else if (this.#scrollTop < bottom) this.#scrollTo(bottom);
  }

  #scrollTo(top: number): void {
    if (top === this.#scrollTop) return;
    this.#grid.scrollTop = top;
    this.#scrollTop = top;
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.#grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const first = Math.ceil(this.#scrollTop / this.#rowHeight);
    const at = this.#active?.index;
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: at === undefined ? first : at + 1,
      ArrowUp: at === undefined ? first : at - 1,
      PageDown: (at ?? first) + this.#visible,
      PageUp: (at ?? first) - this.#visible,
      Home: 0,
      End: this.#rows.length - 1,
    };
    const move = moves[event.key];
    const row = this.active;
    if (move !== undefined) this.#move(move);
    else if (event.key === 'Enter' && row !== undefined) this.#options.onEnter?.(row);
    else if (this.#options.onKey?.(event.key, row) !== true) return;
    event.preventDefault();
  }

  #measureRow(): number {
    return this.#options.rowHeight * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  #schedule(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => this.#render());
  }

  /** Gives the body the height of all rows, the ones before `from` as padding. */
  #stretch(from: number): void {
    const body = this.#grid.querySelector<HTMLElement>('.vlist-body');
    if (body === null) return;
    const rowHeight = this.#rowHeight;
    body.style.height = `${this.#rows.length * rowHeight}px`;
    body.style.paddingTop = `${from * rowHeight}px`;
  }

  #render(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const grid = this.#grid;
    const { id, empty } = this.#options;
    const rowHeight = this.#rowHeight;
    const { length } = this.#rows;
    const top = Math.floor(this.#scrollTop / rowHeight);
    const from = Math.max(0, Math.min(top, length) - MARGIN);
    const to = Math.min(length, top + Math.ceil(this.#height / rowHeight) + MARGIN);
    const active = this.#active?.index;
    grid.setAttribute('aria-rowcount', String(length + 1));
    grid.setAttribute('aria-colcount', String(this.#options.columns.length));
    if (active !== undefined && from <= active && active < to) {
      grid.setAttribute('aria-activedescendant', `${id}-${active}`);
    } else {
      grid.removeAttribute('aria-activedescendant');
    }
    const rows: TemplateResult[] = [];
    for (let index = from; index < to; index++) rows.push(this.#row(this.#rows.at(index)!, index));
    render(
      html`<div class="vlist-head" role="rowgroup">
          <div class="vlist-row" role="row" aria-rowindex="1">
            ${this.#options.columns.map(
              ({ title, label, className }) =>
                html`<div role="columnheader" class=${className ?? ''} title=${label ?? nothing}>
                  ${title === '' ? html`<span class="visually-hidden">${label}</span>` : title}
                </div>`,
            )}
          </div>
        </div>
        <div class="vlist-body" role="rowgroup">${rows}</div>`,
      grid,
    );
    render(length === 0 ? empty() : nothing, this.#empty);
    this.#stretch(from);
  }

  #row(row: Row, index: number): TemplateResult {
    const { id, level, rowClass } = this.#options;
    const isActive = index === this.#active?.index;
    return html`<div
      id="${id}-${index}"
      class="vlist-row ${isActive ? 'active' : ''} ${rowClass?.(row) ?? ''}"
      role="row"
      aria-rowindex=${index + 2}
      aria-level=${level?.(row) ?? nothing}
      aria-selected=${isActive ? 'true' : 'false'}
      @click=${() => this.#move(index)}
    >
      ${this.#options.columns.map(
        ({ className, cell }) =>
          html`<div role="gridcell" class=${className ?? ''}>${cell(row, index)}</div>`,
      )}
    </div>`;
  }
}

/** The new place of a row, sought from its old place in both directions: most rows move a little, if at all. */
function find<Row>(
  rows: readonly Row[],
  sought: { readonly index: number; readonly identity: unknown },
  identity: (row: Row) => unknown,
): number | undefined {
  const start = Math.min(sought.index, rows.length - 1);
  const isAt = (index: number) => {
    const row = index < 0 ? undefined : rows.at(index);
    return row !== undefined && identity(row) === sought.identity;
  };
  for (let distance = 0; distance < rows.length; distance++) {
    if (isAt(start + distance)) return start + distance;
    if (isAt(start - distance)) return start - distance;
  }
  return undefined;
}
