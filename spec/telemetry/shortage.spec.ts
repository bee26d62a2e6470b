import assert from 'node:assert/strict';
import { resourceOf, Shortages, shortageOf } from '../../actors/telemetry/shortage.js';

const error = (fields: object, cause?: unknown) => Object.assign(new Error('x', { cause }), fields);

describe('a shortage', () => {
  const table: readonly (readonly [what: string, error: unknown, expected: string | undefined])[] = [
    ['an error of Node', error({ code: 'EMFILE', errno: -24 }), 'EMFILE'],
    ['an error of the add-on', error({ errno: 'ENOMEM', operation: 'scan' }), 'ENOMEM'],
    ['what caused another error', error({ code: 'LOAD_REFUSED' }, error({ errno: 'EAGAIN' })), 'EAGAIN'],
    ['no error of another kind', error({ code: 'ENOENT' }), undefined],
    ['no refusal', error({ errno: 'EPERM' }), undefined],
    ['nothing but an error', { code: 'EMFILE' }, undefined],
    ['no error that has a name of a method', error({ code: 'constructor' }), undefined],
  ];
  for (const [what, given, expected] of table) {
    it(`is ${what}`, () => assert.equal(shortageOf(given), expected));
  }

  it('is counted by its name and said with what was to be done and a remedy, and nothing else is', () => {
    const said: string[] = [];
    const shortages = new Shortages((message) => said.push(message));
    assert.ok(shortages.note(error({ code: 'EMFILE' }), 'a scan'));
    assert.ok(shortages.note(error({ code: 'EMFILE' }), 'a scan'));
    assert.ok(!shortages.note(error({ code: 'EPERM' }), 'a scan'));
    assert.deepEqual([...shortages.counts], [['EMFILE', 2]]);
    assert.equal(said.length, 2);
    assert.match(
      said[0]!,
      /^Too few descriptors of this process for a scan \(EMFILE\): it is tried again\. Raise /,
    );
  });

  it('has a resource and a remedy for each name', () => {
    for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN', 'EINTR'] as const) {
      const said: string[] = [];
      new Shortages((message) => said.push(message)).note(error({ code }), 'a scan');
      assert.match(said[0]!, new RegExp(resourceOf(code)));
      assert.match(said[0]!, /\. [A-Z].*\.$/);
    }
  });
});
