import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { download } from '../../../actors/drivers/download.js';
import { DriverProblem } from '../../../actors/drivers/problem.js';
import { LARGEST_OBJECT } from '../../../actors/drivers/unpack.js';
import { createLog } from '../../../actors/telemetry/log.js';
import { ensureLine } from '../checks.js';
import { mutateBytes } from '../mutate-bytes.js';
import { mutateText } from '../mutate-text.js';
import { joined, partsOf } from '../parts.js';
import { ensure, type Target } from '../target.js';

/** Short, for the double answers at once; an input with stalls must not cost seconds. */
const TIMINGS = { attempts: 1, interval: 0, total: 10_000, connect: 5000, stall: 200 };
const OBJECT = Buffer.from('\x7fELF and more of a driver');
const OLD = 'the driver before';
const SEEDS: readonly (readonly [head: string, body: Buffer])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n\r\n', gzipSync(OBJECT)],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', Buffer.from('3\r\nabc\r\n0\r\n\r\n')],
  ['HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n', Buffer.alloc(0)],
  ['HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n', Buffer.from('no')],
  ['HTTP/1.1 200 OK\r\nContent-Length: 70000000\r\n\r\n', gzipSync(Buffer.alloc(1024 * 1024))],
];
const WORDS = [
  ...[
    '100',
    '101',
    '103',
    '200',
    '204',
    '206',
    '304',
    '301',
    '308',
    '500',
    '999',
    'HTTP/1.0',
    'HTTP/2',
    '\r\n',
    '\n',
  ],
  ...['Upgrade: x\r\n', 'Connection: upgrade\r\n', 'Connection: close\r\n', 'Content-Encoding: gzip\r\n'],
  ...['Content-Length: -1\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Trailer: x\r\n'],
  ...[
    'Location: http://127.0.0.1:1/\r\n',
    'Location: http://[::1\r\n',
    'Location: //\r\n',
    'Location: file:///\r\n',
  ],
  ...['Location: http://user:secret@127.0.0.1:0/?token\r\n', `X: ${'y'.repeat(20_000)}\r\n`],
];

/** A server of drivers, or whoever answers in its place. */
export const driverTarget: Target = {
  holds: 'an archive is unpacked as a whole, or the driver before stays and the problem is named',
  seeds: () => SEEDS.map(([head, body]) => joined([Buffer.from(head), body])),
  mutate: (input, random, other) => {
    const [head = Buffer.alloc(0), body = Buffer.alloc(0)] = partsOf(input);
    const [otherHead = head, otherBody = body] = partsOf(other);
    if (random.oneIn(2)) return joined([head, mutateBytes(body, random, otherBody)]);
    const text = mutateText(head.toString('latin1'), random, otherHead.toString('latin1'), WORDS);
    return joined([Buffer.from(text, 'latin1'), random.oneIn(4) ? otherBody : body]);
  },
  open: async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-driver-'));
    const target = path.join(folder, 'collector.o');
    let answer: readonly Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat(answer)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const log = createLog({ level: 'trace', write: (line) => ensureLine(line.slice(0, -1), 'a log line') });
    const never = new AbortController();
    return {
      run: async (input) => {
        answer = partsOf(input);
        writeFileSync(target, OLD);
        const failed = await download(
          { source: 'mirror', base: `http://127.0.0.1:${port}/v1` },
          'collector-ebpf-6.1.o',
          target,
          { log, warn: log.warning, signal: never.signal, timings: TIMINGS },
        );
        const left = readdirSync(folder);
        ensure(left.length === 1 && left[0] === 'collector.o', () => `it left behind ${left.join(', ')}`);
        const is = readFileSync(target);
        rmSync(target, { force: true });
        if (failed === undefined) {
          ensure(is.length > 0 && is.length <= LARGEST_OBJECT, () => `a driver of ${is.length} bytes`);
          return;
        }
        ensure(is.toString() === OLD, () => 'the driver before has changed');
        ensureProblem(failed.problem);
      },
      close: async () => {
        await new Promise((resolve) => server.close(resolve));
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

function ensureProblem(problem: DriverProblem): void {
  ensure(problem.message !== '' && problem.message.length < 1000, () => `a problem says ${problem.message}`);
  ensureLine(problem.message, 'a problem');
  ensure(!problem.message.includes('secret'), () => 'a problem tells a secret');
}
