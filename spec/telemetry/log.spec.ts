import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { levels, type Level } from '../../actors/telemetry/line.js';
import { createLog } from '../../actors/telemetry/log.js';

const time = Date.UTC(2022, 9, 13, 12, 20, 43);

function logTo(lines: string[], level?: Level) {
  return createLog({ ...(level && { level }), write: (line) => lines.push(line), now: () => time });
}

/** A Node process that runs `code` with a `log` to its standard error, which gives a reader 10 s at the end. */
function programWith(code: string): string[] {
  const href = (file: string) => new URL(`../../${file}`, import.meta.url).href;
  const source = `
    import { createLog } from '${href('actors/telemetry/log.ts')}';
    import { openIo, standardStreams } from '${href('actors/output/standard-streams.ts')}';
    const io = openIo('${path.resolve('dist/io.node')}');
    const { standardError } = standardStreams(io);
    const log = createLog({ write: (line) => standardError.write(line) });
    process.on('exit', (code) => { standardError.flush(10_000); io.exit(code); });
    ${code}`;
  return [process.execPath, '--import=tsx', '--input-type=module', '--eval', source];
}

describe('the log', () => {
  it('writes a line with its newline', () => {
    const lines: string[] = [];
    logTo(lines).info('Attempting to connect to Sensor');
    assert.deepEqual(lines, ['[INFO    2022/10/13 12:20:43] Attempting to connect to Sensor\n']);
  });

  it('writes messages as they are, per cent signs and empty ones too', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    log.info('100 %s %d %%');
    log.info('');
    assert.deepEqual(lines, [
      '[INFO    2022/10/13 12:20:43] 100 %s %d %%\n',
      '[INFO    2022/10/13 12:20:43]\n',
    ]);
  });

  for (const [index, threshold] of levels.entries()) {
    it(`writes at level ${threshold} what is as severe, and nothing less`, () => {
      const lines: string[] = [];
      const log = logTo(lines, threshold);
      for (const level of levels) log[level]('x');
      const written = lines.map((line) => /\w+/.exec(line)?.[0].toLowerCase());
      assert.deepEqual(written, levels.slice(index));
    });
  }

  it('writes from info on unless told otherwise, and changes its level while it runs', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    assert.equal(log.level, 'info');
    log.debug('unseen');
    log.level = 'debug';
    assert.equal(log.level, 'debug');
    log.debug('seen');
    log.level = 'error';
    log.info('unseen');
    assert.deepEqual(lines, ['[DEBUG   2022/10/13 12:20:43] seen\n']);
  });

  it('marks throttled lines, and gives up their counts when it is flushed', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    const warn = log.throttled('warning', 10);
    const other = log.throttled('error', 5);
    for (let i = 1; i <= 3; i++) warn(`request ${i}`);
    other('apart');
    other('apart');
    log.flush();
    assert.deepEqual(lines, [
      '[WARNING 2022/10/13 12:20:43] [Throttled] request 1\n',
      '[ERROR   2022/10/13 12:20:43] [Throttled] apart\n',
      '[WARNING 2022/10/13 12:20:43] [Throttled] request 3 (2 swallowed within 10 s, this is the latest)\n',
      '[ERROR   2022/10/13 12:20:43] [Throttled] apart (1 swallowed within 5 s, this is the latest)\n',
    ]);
  });

  it('counts no throttled message below its level', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    const debug = log.throttled('debug');
    for (let i = 0; i < 5; i++) debug('x');
    log.level = 'debug';
    log.flush();
    assert.deepEqual(lines, []);
  });

  it('ends a throttled window by itself', async () => {
    const lines: string[] = [];
    const warn = logTo(lines).throttled('warning', 0.01);
    warn('a');
    warn('b');
    // The window's own timer keeps nothing alive, so this one has to.
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(lines.length, 2);
    assert.match(lines[1] ?? '', /\[Throttled\] b \(1 swallowed/);
  });

  it('lets a process end while a window is open', () => {
    const [command = '', ...args] = programWith(`log.throttled('info', 600)('once')`);
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 15_000 });
    assert.equal(status, 0);
    assert.match(stderr, /^\[INFO {4}\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\] \[Throttled\] once\n$/);
  });

  it('loses nothing of a process that exits at once, on standard error alone, however slowly that is read', async () => {
    // Touching process.stderr makes the pipe non-blocking: a full one then refuses bytes instead of waiting.
    const code = `process.stderr; for (let i = 0; i < 20000; i++) log.critical('ü'.repeat(50) + ' ' + i); process.exit(3)`;
    const [command = '', ...args] = programWith(code);
    const child = spawn('sh', [
      '-c',
      '"$@" 2>&1 >/dev/null | (sleep 1; cat); exit 0',
      'sh',
      command,
      ...args,
    ]);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(child, 'close');
    const lines = Buffer.concat(chunks).toString().trimEnd().split('\n');
    const numbers = lines.map((line) => Number(/\] ü{50} (\d+)$/.exec(line)?.[1]));
    assert.deepEqual(
      numbers,
      Array.from({ length: 20000 }, (_, i) => i),
    );
  });

  it('writes one JSON object a line where programs read it', () => {
    const lines: string[] = [];
    const log = createLog({ format: 'json', write: (line) => lines.push(line), now: () => time });
    log.warning('two\nlines, "quoted"\u2028');
    assert.equal(lines.length, 1);
    assert.deepEqual(JSON.parse(lines[0]!), {
      time: '2022-10-13T12:20:43.000Z',
      level: 'warning',
      message: 'two\nlines, "quoted"\u2028',
    });
    assert.equal(lines[0]!.trimEnd().split(/[\n\r]/).length, 1);
  });

  it('lets a few of a flood of like messages through, and says at the end how many it swallowed', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    for (let n = 0; n < 1000; n++) log.error(`Container ${n} is in the way`);
    log.error('Something else');
    assert.equal(lines.length, 21);
    assert.equal(log.suppressed, 980);
    log.flush();
    assert.match(lines.at(-1)!, /\[Throttled\] Container 999 is in the way \(980 like it swallowed/);
    log.error('Container 1 is in the way');
    assert.match(lines.at(-1)!, /\] Container 1 is in the way\n$/);
  });

  it('writes no more than a bound of a flood of messages that are all different', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    const words = (n: number) => String(n).replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!);
    for (let n = 0; n < 10_000; n++) log.info(words(n));
    assert.ok(lines.length <= 64 + 20, `${lines.length} lines`);
    assert.equal(log.suppressed, 10_000 - lines.length);
  });

  it('holds nothing back of what ends Collector', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    for (let n = 0; n < 100; n++) log.fatal('again');
    assert.equal(lines.length, 100);
  });

  it('counts what throttled writers swallow too', () => {
    const log = logTo([]);
    const warn = log.throttled('warning');
    for (let n = 0; n < 5; n++) warn('x');
    assert.equal(log.suppressed, 4);
    log.flush();
  });

  it('outlives whoever read it', () => {
    const code = `for (let i = 0; i < 20000; i++) log.critical('x'.repeat(100)); console.log('alive')`;
    const [command = '', ...args] = programWith(code);
    const script = '{ "$@" 2>&1 >&3 | head -c 10 >/dev/null; } 3>&1';
    const { stdout } = spawnSync('sh', ['-c', script, 'sh', command, ...args], { encoding: 'utf8' });
    assert.equal(stdout, 'alive\n');
  });

  it('writes of each key one line a window, and counts the others', () => {
    const lines: string[] = [];
    const log = logTo(lines, 'debug');
    const write = log.oncePerKey('debug');
    for (const key of ['a', 'b', 'a', 'a']) write(key, `about ${key}`);
    assert.deepEqual(
      lines.map((line) => line.slice(30).trimEnd()),
      ['about a', 'about b'],
    );
    assert.equal(log.suppressed, 2);
    log.flush();
    assert.match(
      lines.at(-1)!,
      /\[Throttled\] about a \(2 like it swallowed within 10 s, this is the latest\)/,
    );
    write('a', 'in the next window');
    assert.match(lines.at(-1)!, /in the next window/);
  });

  it('bounds the keys, and writes none below its level', () => {
    const lines: string[] = [];
    const log = logTo(lines, 'info');
    const write = log.oncePerKey('debug');
    assert.equal(log.enables('debug'), false);
    write('a', 'unseen');
    log.level = 'debug';
    assert.equal(log.enables('debug'), true);
    for (let n = 0; n < 5000; n++) write(`key ${n}`, `about ${n}`);
    const written = lines.length;
    assert.equal(written, 20, 'all of one kind, of which the level lets a few through');
    log.flush();
    assert.ok(lines.length - written <= 21, `${lines.length} lines`);
  });
});
