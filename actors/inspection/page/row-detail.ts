import { html, nothing, type TemplateResult } from 'lit-html';
import { legible } from './row-text.js';
import { FetchError } from './tab.js';

/** A name and its value, for a person. */
export type Detail = readonly [name: string, value: string];

/** Everything about a row, whole; empty values are left out. */
export function rowDetails(label: string, details: readonly Detail[], actions: unknown): TemplateResult {
  return html`<section class="row-detail" aria-label=${label} tabindex="0">
    <dl>
      ${details.map(([name, value]) =>
        value === ''
          ? nothing
          : html`<div>
              <dt>${name}</dt>
              <dd>${legible(value)}</dd>
            </div>`,
      )}
    </dl>
    <div class="row-actions">${actions}</div>
  </section>`;
}

/** A failed question, for a person. */
export function failureText(error: unknown): string {
  const status = error instanceof FetchError ? error.status : undefined;
  if (status === 0) return 'Collector does not answer.';
  if (status === 503) return 'Nothing is collected yet, or another page asks just now.';
  if (status === 404) return 'This Collector cannot be asked for its node.';
  return error instanceof Error ? error.message : String(error);
}

/** Puts a text into the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  // The page is no secure context at the address of a node; there only the old way works.
  if ('clipboard' in navigator) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: as if it were missing.
    }
  }
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else copies outside a secure context
  const copied = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
