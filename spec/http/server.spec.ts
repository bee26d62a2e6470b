import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { json, type Route } from '../../actors/http/route.js';
import { openServer } from '../../actors/http/server.js';
import { Failure } from '../../actors/telemetry/failures.js';
import { eventually } from '../support/eventually.js';
import { resources } from '../support/resources.js';
import { dial, Served } from './support.js';

const MOST_CONNECTIONS = 1024;

const routes: readonly Route[] = [
  { method: 'GET', path: '/ready', handle: () => json(200, { status: 'ok' }) },
  { method: 'POST', path: '/echo', handle: ({ body }) => json(200, { body }) },
  { method: 'GET', path: '/echo', handle: () => json(200, {}) },
  { method: 'GET', path: '/of/*', handle: ({ rest }) => json(200, { rest }) },
  {
    method: 'GET',
    path: '/broken',
    handle: () => {
      throw new Error('secret inside');
    },
  },
];

describe('A server of routes', () => {
  const keep = resources();
  let served: Served;

  before(async () => {
    served = await keep(Served.start(routes));
  });

  it('answers what a route says, as JSON', async () => {
    const { status, headers, text } = await served.ask('/ready');
    assert.deepEqual([status, text], [200, '{"status":"ok"}']);
    assert.match(headers.get('content-type')!, /^application\/json/);
  });

  it('gives a route the rest of the path, and the body', async () => {
    assert.equal((await served.ask('/of/abc')).text, '{"rest":"abc"}');
    assert.equal((await served.ask('/echo', { method: 'POST', body: 'on' })).text, '{"body":"on"}');
  });

  it('answers HEAD as GET without the body', async () => {
    const { status, text } = await served.ask('/ready', { method: 'HEAD' });
    assert.deepEqual([status, text], [200, '']);
  });

  for (const path of ['/', '/READY', '/ready/', '/of', '//ready', '/..%2fready', '/constructor']) {
    it(`says that nothing is served at ${path}`, async () => {
      const { status, text } = await served.ask(path);
      assert.equal(status, 404);
      assert.equal((JSON.parse(text) as { error: string }).error, `Nothing is served at ${path}.`);
    });
  }

  for (const [path, method, allow] of [
    ['/ready', 'POST', 'GET, HEAD'],
    ['/ready', 'DELETE', 'GET, HEAD'],
    ['/echo', 'PUT', 'POST, GET, HEAD'],
    ['/echo', 'OPTIONS', 'POST, GET, HEAD'],
  ] as const) {
    it(`answers ${method} ${path} with what is allowed`, async () => {
      const { status, headers } = await served.ask(path, { method });
      assert.deepEqual([status, headers.get('allow')], [405, allow]);
    });
  }

  it('takes a body of 1 KiB, and refuses a longer one, announced or not', async () => {
    const send = async (body: RequestInit['body']) =>
      (await served.ask('/echo', { method: 'POST', body: body!, duplex: 'half' } as RequestInit)).status;
    assert.equal(await send('x'.repeat(1024)), 200);
    assert.equal(await send('x'.repeat(1025)), 413);
    const chunked = new ReadableStream({
      start(controller) {
        for (let chunk = 0; chunk < 3; chunk++) controller.enqueue(Buffer.alloc(512, 'x'));
        controller.close();
      },
    });
    assert.equal(await send(chunked), 413);
  });

  it('keeps what goes wrong inside to itself, and tells the log', async () => {
    const { status, text } = await served.ask('/broken');
    assert.equal(status, 500);
    assert.doesNotMatch(text, /secret/);
    assert.match(String(served.errors.at(-1)), /secret inside/);
  });

  it('does not take a client that leaves in the middle of its request for an error of its own', async () => {
    const before = served.errors.length;
    const socket = await dial(served.address);
    socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
    await new Promise(setImmediate);
    socket.destroy();
    // Answered by the same event loop, later.
    assert.equal((await served.ask('/ready')).status, 200);
    await new Promise(setImmediate);
    assert.equal(served.errors.length, before);
  });

  it('lives through garbage', async () => {
    const garbage = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(
        'GET / HTTP/9.9\r\n\r\n',
        'GET /ready HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
        'GET /ready HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n',
        'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
        `GET /ready HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
        `GET /${'a'.repeat(70_000)} HTTP/1.1\r\n\r\n`,
        'GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n',
        'GET /%zz?%zz=%zz HTTP/1.1\r\nHost: \0\r\n\r\n',
        'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
        'GET /ready HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      ),
    );
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        const socket = await dial(served.address);
        socket.resume().end(bytes);
        await Promise.race([once(socket, 'close'), once(socket, 'end')]);
        socket.destroy();
        assert.equal((await served.ask('/ready')).status, 200);
      }),
      { numRuns: 60 },
    );
  });

  it('answers a thousand connections at once', async () => {
    const sockets = await Promise.all(Array.from({ length: 1000 }, () => dial(served.address)));
    const answers = sockets.map(async (socket) => {
      socket.write('GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      let text = '';
      for await (const chunk of socket) text += String(chunk);
      return text.startsWith('HTTP/1.1 200 OK');
    });
    assert.equal((await Promise.all(answers)).filter(Boolean).length, 1000);
  });
});

describe('A server whose clients are slow', function () {
  this.timeout(40_000);
  const keep = resources();

  it('answers others while more than it has room for only hold connections', async () => {
    const served = await keep(Served.start(routes));
    const held: Socket[] = [];
    try {
      for (let count = 0; count < MOST_CONNECTIONS + 200; count++) {
        const socket = await dial(served.address);
        socket.write('GET /ready HTTP/1.1\r\nX-Slow: ');
        held.push(socket);
      }
      assert.equal((await served.ask('/ready')).status, 200);
      await eventually(() => held[0]!.closed || held[0]!.readableEnded || undefined, 'the oldest made room');
      assert.ok(!held.at(-1)!.destroyed, 'the latest did not have to');
    } finally {
      held.forEach((socket) => socket.destroy());
    }
  });

  it('cuts off a request whose head, and one whose body, does not come', async () => {
    const served = await keep(Served.start(routes));
    const starts = [
      'GET /ready HTTP/1.1\r\nX-Slow: ',
      'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhel',
    ];
    const cut = starts.map(async (start) => {
      const socket = await dial(served.address);
      // A byte from time to time must not help.
      const drip = setInterval(() => socket.write('x'), 500);
      socket.write(start);
      let text = '';
      socket.on('data', (bytes) => (text += bytes.toString()));
      await once(socket, 'close');
      clearInterval(drip);
      return text.split('\r\n')[0];
    });
    assert.deepEqual(await Promise.all(cut), [
      'HTTP/1.1 408 Request Timeout',
      'HTTP/1.1 408 Request Timeout',
    ]);
  });
});

describe('A server whose address cannot be used', () => {
  const keep = resources();

  it('says which address of which setting, why, and what to do', async () => {
    const { address } = await keep(Served.start(routes));
    const open = async (where: string) => openServer(() => undefined, where, 'ROX_COLLECTOR_HTTP_ADDRESS');
    await assert.rejects(open(address), (error: unknown) => {
      assert.ok(error instanceof Failure && error.code === 'ADDRESS_UNUSABLE');
      assert.equal(
        error.message,
        `Collector cannot listen on ${address} (ROX_COLLECTOR_HTTP_ADDRESS): something else does (EADDRINUSE).`,
      );
      assert.match(error.remedy, /set ROX_COLLECTOR_HTTP_ADDRESS to another host:port/);
      return true;
    });
    await assert.rejects(open('192.0.2.1:0'), /it is no address of this node or pod/);
  });

  it('listens on IPv6, and says so as it is written', async () => {
    const server = await openServer(() => undefined, '[::1]:0', 'X');
    server.close();
    assert.match(server.address, /^\[::1\]:\d+$/);
  });
});
