import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sanitise, sanitiseText } from '../../actors/inspection/sanitise.js';
import { Failure } from '../../actors/telemetry/failures.js';
import { UNSAFE } from '../../actors/telemetry/plain-text.js';

const SECRET = 's3cr3t-t0ken';

/** An object with a secret in its internals. */
class Keeper {
  readonly key = SECRET;
  readonly material = Buffer.from(SECRET);
}

class Described extends Keeper {
  get description() {
    return { address: 'sensor:443' };
  }
}

describe('A sanitised value', () => {
  it('has an error as its message, and a failure with code and remedy', () => {
    const failure = new Failure('SENSOR_WANTS_TLS', { address: 'sensor:443' });
    const { code, message, remedy } = failure;
    assert.deepEqual(sanitise({ error: new Error('gone'), failure }), {
      error: { message: 'gone' },
      failure: { code, message, remedy },
    });
  });

  it('has of an object with internals what it says of itself, or nothing', () => {
    assert.deepEqual(
      sanitise({ sensor: new Described(), addon: new Keeper(), stop: new AbortController() }),
      {
        sensor: { address: 'sensor:443' },
      },
    );
    assert.deepEqual(sanitise([() => 1, Buffer.from(SECRET), new Keeper()]), [null, null, null]);
  });

  it('is plain text without controls, users, queries and PEM', () => {
    assert.equal(sanitiseText('\u001b[31mred\u202e\n'), '\\x1b[31mred\\u202e\\n');
    assert.equal(sanitiseText(`https://me:${SECRET}@host/a?token=${SECRET} x`), 'https://…@host/a?… x');
    assert.equal(sanitiseText(`ws://me:p@${SECRET}@host/a`), 'ws://…@host/a');
    assert.equal(sanitiseText(`a -----BEGIN KEY-----\n${SECRET}\n-----END KEY----- b`), 'a … b');
    assert.equal(sanitiseText(`-----BEGIN KEY-----\n${SECRET}`), '…');
  });

  it('is bounded in depth, count and length', () => {
    let deep: unknown = 'end';
    for (let level = 0; level < 100; level++) deep = { deep };
    assert.ok(JSON.stringify(sanitise(deep)).length < 200);
    assert.equal((sanitise(Array.from({ length: 10_000 }, () => 1)) as unknown[]).length, 201);
    assert.ok(JSON.stringify(sanitise('x'.repeat(1e6))).length < 2100);
    const wide = Array.from({ length: 200 }, () => Array.from({ length: 200 }, () => 'y'.repeat(2000)));
    assert.ok(JSON.stringify(sanitise(wide)).length < 1_000_000);
  });

  it('has no secret, whatever is around it', () => {
    const secret = fc.constantFrom<unknown>(
      new Keeper(),
      new Described(),
      Buffer.from(SECRET),
      () => SECRET,
      new Set([SECRET]),
      Symbol(SECRET),
      `wss://${SECRET}@host`,
      `ws://host/?auth=${SECRET}`,
      new Error(`GET https://u:${SECRET}@h/x failed`),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 6 }, secret, fc.string(), fc.double(), tie('object'), tie('list')),
      object: fc.dictionary(fc.string(), tie('tree')),
      list: fc.array(tie('tree')),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const text = JSON.stringify(sanitise(value));
        assert.ok(!text.includes(SECRET));
        assert.equal(JSON.stringify(JSON.parse(text)), text);
        assert.equal(text.match(UNSAFE), null);
      }),
    );
  });
});
