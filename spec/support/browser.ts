import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser as Chromium, type Page } from 'playwright-core';
import type { Resource } from './resources.js';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium-headless-shell';
export const hasChromium = existsSync(CHROMIUM);

const root = path.join(import.meta.dirname, '../..');
/** Where screenshots are kept, for whoever wants to see what a spec saw. */
const SCREENSHOTS = path.join(root, '.cache/screenshots');
const AXE = path.join(root, 'node_modules/axe-core/axe.min.js');

/** What axe-core found: https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#results-object */
interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** A page in a browser that may ask its own origin alone; errors of the page are kept. */
export class Browser implements Resource {
  readonly page: Page;
  /** Requests to other origins, and errors that the page did not handle. */
  readonly faults: string[] = [];
  readonly #chromium: Chromium;

  private constructor(chromium: Chromium, page: Page) {
    this.#chromium = chromium;
    this.page = page;
  }

  static async open(address: string): Promise<Browser> {
    const launched = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    const page = await launched.newPage({ viewport: { width: 1280, height: 800 } });
    const browser = new Browser(launched, page);
    const { origin } = new URL(address);
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) browser.faults.push(`asked ${request.url()}`);
    });
    page.on('pageerror', ({ message }) => browser.faults.push(message));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) browser.faults.push(message.text());
    });
    await page.goto(address);
    return browser;
  }

  /** Opens a tab of the page by its name. */
  async tab(name: 'Charts' | 'Road' | 'Node' | 'Events'): Promise<void> {
    await this.page.getByRole('tab', { name, exact: true }).click();
  }

  /** Waits until the element shows the text. */
  async shows(selector: string, text: string | RegExp, patience = 20_000): Promise<void> {
    try {
      await this.page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: patience });
    } catch {
      const now = await this.page.locator(selector).allInnerTexts();
      assert.fail(
        `${selector} shows ${String(text)} within ${patience} ms, and not: ${now.join(' | ').slice(0, 1000)}`,
      );
    }
  }

  /** Asserts that axe-core finds nothing serious, in light and in dark, and keeps a screenshot of each. */
  async inspect(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    const serious: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await this.page.emulateMedia({ colorScheme });
      await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}-${colorScheme}.png`) });
      await this.page.evaluate(readFileSync(AXE, 'utf8'));
      const { violations } = await this.page.evaluate<AxeResults>('axe.run()');
      serious.push(
        ...violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${colorScheme}: ${id}: ${nodes[0]?.html ?? ''}`),
      );
    }
    await this.page.emulateMedia({ colorScheme: null });
    assert.deepEqual(serious, [], name);
  }

  async remove(): Promise<void> {
    await this.#chromium.close();
  }
}
