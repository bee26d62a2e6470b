import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { compare, type Output } from '../../scripts/replay/difference.js';
import { isEqual, table } from '../../scripts/replay/table.js';
import { RECORDINGS, expectedOutput } from '../support/corpus.js';

const [LS, CAT] = ['ls', 'cat'].map((name, id) => ({ id: `seed-${id}`, name, pid: id + 1 }));
const TIME = '2026-11-29T03:58:07.000001Z';
const WEB = { remoteAddress: { port: 80 }, role: 'ROLE_CLIENT' };
const DNS = { remoteAddress: { port: 53 }, role: 'ROLE_CLIENT' };
const LISTENER = { listenAddress: { port: 80 } };

const signal = (processSignal: object) => ({ signal: { processSignal } });
const report = (updatedConnections: object[], updatedEndpoints: object[] = []) => ({
  info: { updatedConnections, time: TIME, updatedEndpoints },
});

/** The output of a replay, of these messages and these lines. */
function output(messages: readonly object[], compact = ''): Output {
  return { json: messages.map((message) => `${JSON.stringify(message)}\n`).join(''), compact };
}

describe('The comparison of two replays', () => {
  const base = output([signal(LS!), signal(CAT!), report([WEB, DNS], [LISTENER])], 'one\ntwo\n');

  it('finds nothing between a recording and itself', () => {
    for (const name of RECORDINGS) {
      const read = (format: keyof Output) => readFileSync(expectedOutput(format, name), 'utf8');
      const replay = { json: read('json'), compact: read('compact') };
      const comparison = compare(replay, replay);
      assert.ok(isEqual(comparison));
      assert.ok(comparison.base > 0 && comparison.base === comparison.own, name);
    }
  });

  it('finds a signal that is missing, whatever ids the later ones have then', () => {
    const own = output([signal({ ...CAT, id: LS!.id }), report([WEB, DNS], [LISTENER])], 'one\ntwo\n');
    const { differences } = compare(base, own);
    assert.deepEqual(
      differences.map(({ kind, onlyInBase, onlyInOwn }) => [kind, onlyInBase, onlyInOwn]),
      [
        ['process signal', ['{"name":"ls","pid":1}'], []],
        ['signal id', [CAT!.id], []],
      ],
    );
  });

  it('finds a connection that is told otherwise, and an endpoint more, in a report of another size', () => {
    const server = { ...WEB, role: 'ROLE_SERVER' };
    const own = output(
      [signal(LS!), signal(CAT!), report([server, DNS], [LISTENER, LISTENER])],
      'one\ntwo\n',
    );
    const { differences } = compare(base, own);
    assert.deepEqual(
      differences.map(({ kind, base, own, onlyInBase, onlyInOwn }) => [
        kind,
        [base, onlyInBase.length],
        [own, onlyInOwn.length],
      ]),
      [
        ['connection', [2, 1], [2, 1]],
        ['endpoint', [1, 0], [2, 1]],
        ['report', [1, 1], [1, 1]],
      ],
    );
  });

  it('finds a connection in another report', () => {
    const later = { info: { updatedConnections: [DNS], time: TIME.replace('07.', '08.') } };
    const own = output([signal(LS!), signal(CAT!), report([WEB], [LISTENER]), later], 'one\ntwo\n');
    const [connection] = compare(base, own).differences;
    assert.equal(connection?.kind, 'connection');
    assert.equal(connection.onlyInBase.length, 1);
  });

  it('finds another order, which no count shows', () => {
    const own = output([signal(CAT!), signal(LS!), report([WEB, DNS], [LISTENER])], 'two\none\n');
    assert.deepEqual(compare(base, own), {
      base: 7,
      own: 7,
      differences: [],
      reordered: ['json', 'compact'],
    });
  });

  it('is a table with a row for what is equal, or for each kind that is not, and the first messages below', () => {
    const lines = (count: number) => Array.from({ length: count }, (_, line) => `line ${line}\n`).join('');
    const comparisons = new Map([
      ['quiet', compare(base, base)],
      ['turned', compare(base, { ...base, compact: 'two\none\n' })],
      ['noisy', compare(output([]), output([], lines(5)))],
    ]);
    assert.equal(
      table(comparisons),
      [
        '| recording | kind | in base | in this one | only in base | only in this one |',
        '| --- | --- | --: | --: | --: | --: |',
        '| quiet | all | 7 | 7 | 0 | 0 |',
        '| turned | order of compact | 7 | 7 | 0 | 0 |',
        '| noisy | compact line | 0 | 5 | 0 | 5 |',
        '',
        'noisy, compact line:',
        '',
        '    + line 0',
        '    + line 1',
        '    + line 2',
        '    + … 2 more',
      ].join('\n'),
    );
  });

  it('shows of long messages the place of the first difference', () => {
    const [long, changed] = ['a', 'b'].map((letter) => `${'x'.repeat(500)}${letter}${'y'.repeat(500)}`);
    const text = table(new Map([['long', compare(output([], long), output([], changed))]]));
    const [, before] = /^ {4}- (.*)$/m.exec(text) ?? [];
    assert.equal(before, `…${'x'.repeat(60)}a${'y'.repeat(99)}…`);
    assert.match(text, /^ {4}\+ …x+by+…$/m);
  });
});
