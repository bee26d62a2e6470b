import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { table } from '../../actors/settings/table.js';
import { curlCommands, headings, metricNames } from '../support/guide.js';
import { section, sections } from '../support/operations.js';

const ROOT = path.join(import.meta.dirname, '../..');
const text = sections.map((one) => one.text).join('\n');

describe('docs/operations.md', () => {
  it('has the sections of the troubleshooting guide, in its order', () => {
    assert.deepEqual(
      sections.map(({ heading }) => heading),
      headings,
    );
  });

  for (const command of curlCommands) {
    it(`has ${command}`, () => {
      const commands = sections.flatMap((one) => one.commands);
      // Its output may go to a file.
      assert.ok(
        commands.some((ours) => ours === command || ours.startsWith(`${command} >`)),
        commands.join('\n'),
      );
    });
  }

  for (const [heading, names] of Object.entries(metricNames)) {
    it(`says what each name means in '${heading}'`, () => {
      const { text } = section(heading);
      assert.deepEqual(
        names.filter((name) => !text.includes(`\`${name}\``)),
        [],
      );
    });
  }

  it('asks for pods by the label that the manifest gives them', () => {
    const labels = [...text.matchAll(/-l (\S+?)=(\S+)/g)].map(([, name, value]) => [name, value].join(': '));
    assert.ok(labels.length >= 2);
    const manifest = readFileSync(path.join(ROOT, 'deploy/kubernetes/collector.yaml'), 'utf8');
    // Sensor's own is no matter of ours.
    for (const label of labels.filter((label) => !label.includes('sensor')))
      assert.ok(manifest.includes(label), label);
  });

  it('names no setting that Collector does not have', () => {
    const settings = new Set(Object.values(table).map(({ environment }) => environment));
    assert.deepEqual(
      text.match(/\bROX_\w*[A-Z]\b/g)!.filter((name) => !settings.has(name)),
      [],
    );
  });

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)];
    assert.ok(links.length > 5);
    for (const [link, file = '', anchor] of links) {
      const target = path.join(ROOT, 'docs', file === '' ? 'operations.md' : file);
      assert.ok(existsSync(target), link);
      const anchors = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
          .replaceAll(' ', '-'),
      );
      if (anchor !== undefined) assert.ok(anchors.includes(anchor), link);
    }
  });
});
