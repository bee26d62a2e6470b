import assert from 'node:assert/strict';
import { argumentForms, helpText } from '../../actors/settings/help.js';
import { collectorConfig, table, type Declaration } from '../../actors/settings/table.js';

describe('the help', () => {
  const lines = helpText().split('\n');

  it('fits a terminal of 80 columns', () => {
    assert.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
    );
  });

  it('has no line that ends in a space', () => {
    assert.deepEqual(
      lines.filter((line) => line.endsWith(' ')),
      [],
    );
  });

  it('names every argument, variable and key', () => {
    const words = new Set(lines.flatMap((line) => line.split(/[\s,]+/)));
    for (const declaration of [collectorConfig, ...Object.values<Declaration<unknown>>(table)]) {
      const { argument, environment, key } = declaration;
      for (const form of argumentForms(declaration)) assert.ok(words.has(form), argument);
      if (environment !== undefined) assert.ok(words.has(environment), environment);
      if (key !== undefined) assert.ok(words.has(`"${key}"`), key);
    }
  });

  it('shows a setting with what it means, allows and is by default', () => {
    const at = lines.findIndex((line) => line.includes('ROX_COLLECTOR_SCRAPE_INTERVAL'));
    assert.deepEqual(lines.slice(at, at + 3), [
      '  ROX_COLLECTOR_SCRAPE_INTERVAL, "scrapeInterval" in COLLECTOR_CONFIG',
      '      Seconds between two scans of all sockets, and between two network reports.',
      '      Allowed: a whole number of seconds, 1 to 86400. Default: 30.',
    ]);
  });
});
