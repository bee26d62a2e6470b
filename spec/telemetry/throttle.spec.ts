import assert from 'node:assert/strict';
import { throttle } from '../../actors/telemetry/throttle.js';

/** A throttle of 10 s, what it wrote, and its clock. */
function throttled() {
  const written: string[] = [];
  let end: (() => void) | undefined;
  const made = throttle(10, {
    write: (message) => written.push(message),
    setTimer: (callback, ms) => {
      assert.equal(ms, 10_000);
      end = callback;
      return () => (end = undefined);
    },
  });
  const endWindow = (): void => {
    const callback = end;
    end = undefined;
    callback?.();
  };
  return { ...made, written, endWindow, windowIsOpen: () => end !== undefined };
}

describe('a throttle', () => {
  it('writes the first message at once, marked', () => {
    const { write, written } = throttled();
    write('HTTP 404');
    assert.deepEqual(written, ['[Throttled] HTTP 404']);
  });

  it('swallows what follows and says how many and which was the last when the window ends', () => {
    const { write, written, endWindow } = throttled();
    for (const message of ['HTTP 404', 'HTTP 500', 'HTTP 503']) write(message);
    assert.equal(written.length, 1);
    endWindow();
    assert.deepEqual(written.slice(1), [
      '[Throttled] HTTP 503 (2 swallowed within 10 s, this is the latest)',
    ]);
  });

  it('writes one line a window as long as messages keep coming', () => {
    const { write, written, endWindow } = throttled();
    write('a');
    for (let window = 0; window < 3; window++) {
      for (let i = 0; i < 5; i++) write('a');
      endWindow();
      write('a');
    }
    assert.equal(written.length, 4);
  });

  it('counts every message exactly once', () => {
    const { write, written, endWindow, flush } = throttled();
    for (let i = 0; i < 100; i++) {
      write('a');
      if (i % 7 === 0) endWindow();
    }
    flush();
    const counts = written.map((line) => Number(/\((\d+) swallowed/.exec(line)?.[1] ?? 1));
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      100,
    );
  });

  it('writes at once again after a quiet window', () => {
    const { write, written, endWindow, windowIsOpen } = throttled();
    write('a');
    endWindow();
    assert.ok(!windowIsOpen());
    write('b');
    assert.deepEqual(written, ['[Throttled] a', '[Throttled] b']);
  });

  it('gives up its count and its timer when it is flushed', () => {
    const { write, written, flush, windowIsOpen } = throttled();
    write('a');
    write('b');
    flush();
    assert.deepEqual(written, [
      '[Throttled] a',
      '[Throttled] b (1 swallowed within 10 s, this is the latest)',
    ]);
    assert.ok(!windowIsOpen());
    flush();
    assert.equal(written.length, 2);
  });
});
