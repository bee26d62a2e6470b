import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatLine, levels } from '../../actors/telemetry/line.js';

const time = Date.UTC(2022, 10, 28, 13, 21, 55, 999);

describe('a log line', () => {
  it('has level, UTC time and message as the guide prints them', () => {
    assert.equal(
      formatLine('info', time, '== Collector Startup Diagnostics: =='),
      '[INFO    2022/11/28 13:21:55] == Collector Startup Diagnostics: ==',
    );
    assert.equal(
      formatLine('info', time, ' Connected to Sensor?'),
      '[INFO    2022/11/28 13:21:55]  Connected to Sensor?',
    );
    assert.equal(formatLine('info', time, ''), '[INFO    2022/11/28 13:21:55]');
    assert.equal(formatLine('fatal', 0, 'x'), '[FATAL   1970/01/01 00:00:00] x');
  });

  it('pads every level to seven characters, of which CRITICAL has one more', () => {
    const heads = levels.map((level) => formatLine(level, time, 'x').split(' 2022')[0]);
    assert.deepEqual(heads, [
      '[TRACE  ',
      '[DEBUG  ',
      '[INFO   ',
      '[NOTICE ',
      '[WARNING',
      '[ERROR  ',
      '[CRITICAL',
      '[FATAL  ',
    ]);
  });

  it('keeps text in any language, backslashes included', () => {
    assert.equal(formatLine('info', 0, 'größer C:\\n 日本 🙂').slice(30), 'größer C:\\n 日本 🙂');
  });

  it('shows what could forge a line, drive a terminal or turn text around as an escape', () => {
    const message = 'a\nb\r\tc\x1b[31m\0\x7f\x9b\u2028\u2029\u202e\u2066';
    assert.equal(
      formatLine('info', 0, message).slice(30),
      'a\\nb\\r\\tc\\x1b[31m\\x00\\x7f\\x9b\\u2028\\u2029\\u202e\\u2066',
    );
  });

  it('is one line of printable characters whatever the message', () => {
    const message = fc.string({
      unit: fc.oneof(fc.constantFrom('\n', '\r', '\x85', '\u2028', '\x1b'), fc.string()),
    });
    fc.assert(
      fc.property(fc.constantFrom(...levels), message, (level, text) => {
        assert.doesNotMatch(formatLine(level, time, text), /[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
