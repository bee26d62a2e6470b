import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { listFields } from '../../../actors/inspection/ask.js';
import { filterFields } from '../../../actors/inspection/filter.js';
import { splitHostPort } from '../../../actors/settings/host-port.js';
import { levels } from '../../../actors/telemetry/line.js';
import { ensureJson, shown } from '../checks.js';
import { mutateBytes } from '../mutate-bytes.js';
import { mutateText } from '../mutate-text.js';
import { FuzzedNode } from '../node.js';
import type { Random } from '../random.js';
import { recordBatches, recordsOf, someStart } from '../recordings.js';
import { ServedNode } from '../served-node.js';
import { ensure, type Target } from '../target.js';

/** Silence after which a connection is left: a stream has no end, and a request may never be whole. */
const SILENCE_MS = 25;
/** Asked behind each input: a working server answers, and ends the connection. */
const LAST = 'GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const ROUTES = [
  ...['/live', '/ready', '/loglevel', '/metrics', '/profile', '/profile/cpu', '/profile/heap'],
  ...['/state/containers/4f2a91bc03de', '/state/network/connection', '/state/network/endpoint'],
  ...['/state/runtime-config', '/inspect', '/inspect/', '/inspect/index.html', '/inspect/stream?events'],
  ...[
    '/inspect/node?container=',
    '/inspect/why?container=4f2a91bc03de',
    '/ask/status',
    '/ask/settings',
    '/ask/log',
  ],
  ...['/ask/events?follow=true&last=5', ...Object.keys(listFields).map((name) => `/ask/${name}`)],
  '/inspect/why?container=&protocol=tcp&local=10.0.0.1&localPort=1&remote=10.0.0.2&remotePort=2',
];
const WORDS = [
  ...ROUTES,
  ...Object.keys(filterFields).map((name) => `&${name}=`),
  ...[
    'GET',
    'POST',
    'HEAD',
    'OPTIONS',
    'CONNECT',
    'TRACE',
    'PUT',
    'HTTP/1.0',
    'HTTP/1.1',
    'HTTP/9.9',
    '\r\n',
    '\r\n\r\n',
  ],
  ...[
    '?',
    '&',
    '=',
    'container=',
    'normalize=',
    'port=',
    'protocol=',
    'since=',
    'last=',
    'follow=true',
    'not-',
  ],
  ...['Host: evil.example\r\n', 'Host: [::1]\r\n', 'Origin: null\r\n', 'Sec-Fetch-Site: cross-site\r\n'],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: 99999\r\n',
    'Content-Length: 1e3\r\n',
    'Transfer-Encoding: chunked\r\n',
  ],
  ...['Expect: 100-continue\r\n', 'Expect: x\r\n', 'Upgrade: websocket\r\nConnection: upgrade\r\n'],
  ...[
    'Accept-Encoding: gzip\r\n',
    `X: ${'y'.repeat(9000)}\r\n`,
    'debug',
    'on',
    'off',
    'empty',
    'http://x/',
    '*',
    '%00',
  ],
];

function request(method: string, target: string, body = ''): Buffer {
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  return Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${length}\r\n${body}`);
}

function makeTarget(holds: string, open: (served: ServedNode) => Socket): Target {
  return {
    holds,
    seeds: () => [
      ...ROUTES.map((route) => request('GET', route)),
      request('HEAD', '/ask/events'),
      ...['debug', 'x'.repeat(1025)].map((body) => request('POST', '/loglevel', body)),
      ...['on', 'off', 'empty'].map((body) => request('POST', '/profile/cpu', body)),
    ],
    mutate,
    open: async () => {
      const start = someStart();
      const node = new FuzzedNode(start);
      const batches = recordBatches().filter(({ of }) => of.kind === 'records');
      const fold = (runs: number) => {
        const { bytes } = batches[runs % batches.length]!;
        node.fold({ kind: 'records', time: start.time, records: recordsOf(bytes) });
      };
      batches.forEach((_, runs) => fold(runs));
      node.fold({ kind: 'tick', time: start.time + 1, epoch: start.epoch, audience: 'fresh' });
      const served = await ServedNode.start(node);
      let runs = 0;
      return {
        run: async (input) => {
          served.errors.length = 0;
          const level = served.log.level;
          // Watchers are held against the events of a fact, too, before they leave.
          const answer = await talk(open(served), input, () => fold(runs++));
          ensureAnswers(answer);
          ensure(served.errors.length === 0, () => `a server's own error: ${served.errors.join(' | ')}`);
          const isSet = served.log.level === level || /loglevel/.test(input.toString('latin1'));
          ensure(
            isSet && levels.includes(served.log.level),
            () => `the level of the log is ${served.log.level}`,
          );
          served.log.level = 'info';
        },
        close: () => {
          served.close();
          node.close();
        },
      };
    },
  };
}

/** The port of probes, people and Prometheus: whoever reaches the pod. */
export const httpTarget = makeTarget(
  'every request gets an answer of its own, and no error is internal',
  (served) => connect(splitHostPort(served.address)),
);

/** The socket of the command. */
export const askTarget = makeTarget(
  'every question gets an answer, and no client disturbs the collection',
  (served) => connect({ path: served.socket }),
);

/** Sends an input, and reads until the end, or until a silence. */
async function talk(socket: Socket, input: Buffer, meanwhile: () => void): Promise<Buffer> {
  const parts: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  const closed = once(socket, 'close');
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.destroy(), SILENCE_MS);
  };
  socket.on('error', () => undefined);
  socket.on('data', (part) => {
    if (parts.push(part) === 1) meanwhile();
    wait();
  });
  socket.on('end', () => socket.destroy());
  socket.write(Buffer.concat([input, Buffer.from(LAST)]));
  wait();
  await closed;
  clearTimeout(timer);
  await new Promise(setImmediate);
  return Buffer.concat(parts);
}

/** The heads among the answers; bodies of fixed length are looked at, streams are not. */
function ensureAnswers(answer: Buffer): void {
  let rest = answer.toString('latin1');
  while (rest !== '') {
    const [head = ''] = /^HTTP\/1\.1 \d{3} [^]*?\r\n\r\n/.exec(rest) ?? [];
    ensure(head !== '' || rest.length < 16, () => `an answer begins with ${shown(rest)}`);
    const status = Number(head.slice(9, 12));
    ensure(status !== 500, () => `an internal error: ${shown(rest)}`);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? NaN);
    if (!(length > 0)) return;
    const behind = rest.slice(head.length);
    // An answer to HEAD has a length, and no body.
    const body = behind.startsWith('HTTP/1.1 ') ? '' : behind.slice(0, length);
    if (/^content-type: application\/json/im.test(head) && body.length === length) {
      const answered = ensureJson(Buffer.from(body, 'latin1').toString(), 'the body of an answer');
      const hasError = typeof answered === 'object' && answered !== null && 'error' in answered;
      ensure(status < 400 || hasError || status === 503, () => `a refusal without words: ${shown(body)}`);
    }
    rest = behind.slice(body.length);
  }
}

function mutate(input: Buffer, random: Random, other: Buffer): Buffer {
  if (random.oneIn(6)) return mutateBytes(input, random, other, WORDS);
  const text = mutateText(input.toString('latin1'), random, other.toString('latin1'), WORDS);
  const fresh = random.oneIn(8)
    ? `${random.pick(['GET', 'POST', 'HEAD'])} ${random.pick(ROUTES)} HTTP/1.1\r\n`
    : '';
  return Buffer.from(fresh === '' ? text : text.replace(/^[^]*?\r\n/, () => fresh), 'latin1');
}
