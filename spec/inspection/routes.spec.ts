import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../actors/inspection/protocol.js';
import { inspectionRoutes } from '../../actors/inspection/routes.js';
import { splitHostPort } from '../../actors/settings/host-port.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Served } from '../http/support.js';
import { eventually } from '../support/eventually.js';
import { removeFolder } from '../support/folder.js';
import { resources } from '../support/resources.js';
import { TestRun } from './test-run.js';

const PAGE = '<!doctype html><title>Collector</title>';

/** One end of a stream of server-sent events. */
class Reader {
  text = '';
  isOver = false;
  readonly response: IncomingMessage;

  private constructor(response: IncomingMessage, reads: boolean) {
    this.response = response;
    response.on('error', () => undefined);
    response.on('close', () => (this.isOver = true));
    if (reads) response.setEncoding('utf8').on('data', (text: string) => (this.text += text));
  }

  static async open(address: string, reads = true): Promise<Reader> {
    return new Promise((resolve, reject) => {
      request({ ...splitHostPort(address), path: '/inspect/stream' }, (response) =>
        resolve(new Reader(response, reads)),
      )
        .on('error', reject)
        .end();
    });
  }

  get status(): number | undefined {
    return this.response.statusCode;
  }

  get messages(): Message[] {
    return this.text
      .split('\n\n')
      .slice(0, -1)
      .flatMap((event) => {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
        if (data === undefined) return [];
        const message = JSON.parse(data) as Message;
        assert.equal(message.type, name);
        return [message];
      });
  }

  close(): void {
    this.response.destroy();
  }
}

describe('/inspect', () => {
  const keep = resources();
  const warnings: string[] = [];
  let run: TestRun;
  let served: Served;

  before(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-page-'));
    await keep({ remove: () => removeFolder(folder) });
    writeFileSync(path.join(folder, 'index.html'), PAGE);
    writeFileSync(path.join(folder, 'app.js'), 'let a;'.repeat(1000));
    writeFileSync(path.join(folder, 'notes.txt'), 'not of the page');
    run = new TestRun();
    const log = createLog({ level: 'warning', write: (line) => warnings.push(line) });
    served = await keep(
      Served.start(inspectionRoutes(run.inspection, { folder, hosts: ['Node-7.example'], log })),
    );
    run.start();
    await run.collect();
  });
  after(() => run.stop());

  /** Asks with headers that fetch keeps for itself. */
  async function ask(headers: Record<string, string>, of = '/inspect/'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request({ ...splitHostPort(served.address), path: of, headers }, (response) => {
        response.destroy();
        resolve(response);
      })
        .on('error', reject)
        .end();
    });
  }

  it('is a page, whose files are few, typed, compressed and never stored', async () => {
    const { status, headers, text } = await served.ask('/inspect?pod=a');
    assert.deepEqual([status, text], [200, PAGE]);
    assert.match(headers.get('content-type')!, /^text\/html/);
    assert.equal(headers.get('cache-control'), 'no-store');
    const script = await served.ask('/inspect/app.js');
    assert.match(script.headers.get('content-type')!, /^text\/javascript/);
    assert.equal(script.headers.get('content-encoding'), 'gzip');
    assert.equal(script.text.length, 6000);
    for (const other of ['notes.txt', '../package.json', '%2e%2e/package.json', 'a/b', 'constructor'])
      assert.equal((await served.ask(`/inspect/${other}`)).status, 404);
    assert.equal(
      (await ask({ 'accept-encoding': 'identity' }, '/inspect/app.js')).headers['content-length'],
      '6000',
    );
  });

  it('lets nothing from elsewhere into the page, and the page into nothing else', async () => {
    for (const of of ['/inspect/', '/inspect/stream', '/inspect/none']) {
      const { headers } = await ask({}, of);
      assert.match(
        String(headers['content-security-policy']),
        /^default-src 'self'; frame-ancestors 'none';/,
      );
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
      assert.ok(!('access-control-allow-origin' in headers));
    }
  });

  for (const [host, status] of [
    ['127.0.0.1', 200],
    ['localhost:8080', 200],
    ['[::1]:8080', 200],
    ['[fd00::7]', 200],
    ['10.0.0.7:8080', 200],
    ['node-7.example:8080', 200],
    ['NODE-7.example', 200],
    ['collector:8080', 200],
    ['collector.stackrox.svc', 200],
    ['attacker.example:8080', 421],
    ['127.0.0.1.attacker.example', 421],
    ['localhost.attacker.example', 421],
    ['[::1', 421],
  ] as const)
    it(`answers ${status} where it is called '${host}'`, async () => {
      for (const of of ['/inspect/', '/inspect/app.js'])
        assert.equal((await ask({ host }, of)).statusCode, status);
    });

  for (const [what, headers, status] of [
    ['its own page', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, 200],
    ['a person who types its address', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200],
    [
      "a link on another site's page",
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
    ],
    [
      "a frame in another site's page",
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      403,
    ],
    ["another site's script", { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    ['a page of another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, 403],
    ['another origin', { origin: 'http://localhost:3000' }, 403],
    ['a page without origin', { origin: 'null' }, 403],
  ] as const)
    it(`answers ${status} to ${what}`, async () => {
      assert.equal((await ask({ ...headers })).statusCode, status);
    });

  it('streams what there is, then what comes, as server-sent events', async () => {
    const reader = await Reader.open(served.address);
    assert.match(reader.response.headers['content-type']!, /^text\/event-stream/);
    await eventually(() => reader.messages.some(({ type }) => type === 'transition'), 'the past');
    assert.equal(reader.messages[0]?.type, 'hello');
    assert.ok(reader.messages.some((message) => message.type === 'actor' && message.id === 'signals'));
    run.stream({ type: 'opened' });
    const last = await eventually(
      () => reader.messages.find((message) => message.type === 'event' && message.event.type === 'opened'),
      'an event',
    );
    assert.equal(last.type, 'event');
    await eventually(() => reader.messages.some(({ type }) => type === 'snapshot'), 'a sample');
    reader.close();
  });

  it('has room for four, then says so; whoever leaves makes room', async () => {
    const readers: Reader[] = [];
    for (let count = 0; count < 4; count++) readers.push(await Reader.open(served.address));
    const fifth = await Reader.open(served.address);
    assert.equal(fifth.status, 503);
    await eventually(() => fifth.text.includes('room for no more'), 'the reason');
    readers[0]!.close();
    await eventually(async () => {
      const next = await Reader.open(served.address);
      readers.push(next);
      return next.status === 200;
    }, 'room');
    readers.forEach((reader) => reader.close());
  });

  it('cuts a reader that does not read, and neither waits for it nor keeps others from reading', async () => {
    await eventually(async () => (await Reader.open(served.address, false)).status === 200, 'room');
    const slow = await Reader.open(served.address, false);
    const quick = await Reader.open(served.address);
    assert.deepEqual([slow.status, quick.status], [200, 200]);
    const before = run.samples;
    const reason = 'x'.repeat(1900);
    let sent = 0;
    // Several MB fit into the buffers of the kernel.
    await eventually(() => {
      for (let count = 0; count < 100; count++, sent++) {
        run.send({ type: 'obstacle', failure: new Error(reason) });
      }
      return warnings.some((line) => line.includes('does not keep up'));
    }, 'the cut');
    slow.response.resume();
    await eventually(() => slow.isOver, 'its connection ends');
    const count = run.inspection.actors.length;
    assert.ok(count > 0 && !quick.isOver);
    await eventually(
      () => quick.messages.filter(({ type }) => type === 'event').length >= sent,
      'the other gets all',
    );
    await eventually(() => run.samples > before, 'and samples go on');
    quick.close();
    await sleep(10);
  });
});
