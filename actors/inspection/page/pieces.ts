import { html, nothing, svg, type TemplateResult } from 'lit-html';
import type { Plain } from '../protocol.js';
import { dateAndClock, percent, words } from './format.js';
import { isRecord, type FailureText, type PlainRecord } from './plain.js';

/** Parts of several views. */

/** Columns of the widest table: a list of larger records is shown one below the other. */
const MOST_COLUMNS = 12;
/** Values of a line: fewer show nothing. */
const FEW_VALUES = 4;
/** Unix times in ms from 2001 on: shown as dates. */
const LEAST_TIME_MS = 1e12;
const MOST_TIME_MS = 1e13;

/** A failure with its remedy. */
export function failureBox({ cause, remedy, code }: FailureText): TemplateResult {
  return html`<div class="failure">
    <p><strong>${cause}</strong>${code === undefined ? nothing : html` <code>${code}</code>`}</p>
    ${remedy === undefined ? nothing : html`<p><span class="failure-remedy">Remedy</span> ${remedy}</p>`}
  </div>`;
}

/** Plain data as a tree of names and values. */
export function plainTree(value: Plain): TemplateResult {
  if (Array.isArray(value)) return list(value as readonly Plain[]);
  if (!isRecord(value)) return html`<p class="value">${scalar(value)}</p>`;
  const entries = Object.entries(value);
  if (entries.length === 0) return html`<p class="hint">Empty.</p>`;
  return html`<dl class="tree">
    ${entries.map(([key, each]) =>
      isScalar(each) || isEmpty(each)
        ? html`<div>
            <dt>${words(key)}</dt>
            <dd>${isScalar(each) ? scalar(each, key) : html`<span class="muted">none</span>`}</dd>
          </div>`
        : html`<div class="branch">
            <dt>${words(key)}</dt>
            <dd>${plainTree(each)}</dd>
          </div>`,
    )}
  </dl>`;
}

function list(items: readonly Plain[]): TemplateResult {
  if (items.every(isScalar)) return html`<p class="value">${items.map((one) => String(one)).join(', ')}</p>`;
  const columns = columnsOf(items);
  const body = columns === undefined ? items.map((one) => html`${plainTree(one)}`) : undefined;
  if (columns === undefined) return html`${body}`;
  const rows = (some: readonly Plain[]) =>
    some.map(
      (row) =>
        html`<tr>
          ${columns.map((column) => {
            const value = (row as PlainRecord)[column] ?? null;
            return html`<td class=${typeof value === 'number' ? 'number' : ''}>
              ${isScalar(value) ? scalar(value, column) : inOneLine(value)}
            </td>`;
          })}
        </tr>`,
    );
  return html`<div class="table-scroll" tabindex="0" role="group" aria-label="Table">
    <table class="table small">
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${words(column)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows(items)}
      </tbody>
    </table>
  </div>`;
}

/** Small data in a cell: `parse 12, process 3`. */
function inOneLine(value: Plain): string {
  const text = (one: Plain) =>
    typeof one === 'number' ? shortNumber(one) : isScalar(one) ? String(one) : JSON.stringify(one);
  if (!isRecord(value)) return (value as readonly Plain[]).map(text).join(', ');
  return Object.entries(value)
    .map(([key, one]) => `${words(key)} ${text(one)}`)
    .join(', ');
}

/** Columns of a list of small records; undefined: it is no table. */
function columnsOf(items: readonly Plain[]): readonly string[] | undefined {
  const columns = new Set<string>();
  for (const item of items) {
    if (!isRecord(item)) return undefined;
    for (const key of Object.keys(item)) columns.add(key);
  }
  return columns.size <= MOST_COLUMNS ? [...columns] : undefined;
}

function isScalar(value: Plain): value is null | boolean | number | string {
  return value === null || typeof value !== 'object';
}

function isEmpty(value: Plain): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function scalar(value: Plain, key = ''): TemplateResult | string {
  if (value === null) return html`<span class="muted">–</span>`;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    const isTime = /time|since|at$/i.test(key) && value > LEAST_TIME_MS && value < MOST_TIME_MS;
    return isTime ? dateAndClock(value) : shortNumber(value);
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function shortNumber(value: number): string {
  return value.toLocaleString('en-GB', { maximumFractionDigits: Math.abs(value) < 10 ? 3 : 0 });
}

/** A bar for the fill of a table or queue. */
export function fillBar(name: string, part: number, whole: number): TemplateResult {
  const share = whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
  return html`<svg
    class="bar ${share >= 90 ? 'is-full' : ''}"
    viewBox="0 0 100 4"
    preserveAspectRatio="none"
    role="meter"
    aria-label=${name}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${share.toFixed(1)}
    aria-valuetext=${percent(part, whole)}
  >
    <rect class="bar-back" width="100" height="4"></rect>
    <rect class="bar-fill" width=${share > 0 ? Math.max(share, 1) : 0} height="4"></rect>
  </svg>`;
}

/** A line of the last minute, without axes. */
export function sparkline(values: readonly number[], slots = 60): TemplateResult | typeof nothing {
  if (values.length < FEW_VALUES) return nothing;
  const most = Math.max(...values, 0);
  const points = values.map((value, index) => {
    const x = slots - values.length + index;
    const y = most === 0 ? 15 : 15 - (14 * value) / most;
    return `${x},${y.toFixed(1)}`;
  });
  return html`<svg class="spark" viewBox="0 0 ${slots - 1} 16" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<polyline points=${points.join(' ')}></polyline>`}
  </svg>`;
}
