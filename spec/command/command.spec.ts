import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { Container, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { workload } from '../support/workload.js';
import { Desk, Terminal } from './support.js';

const MOST_CLIENTS = 8;

describe('The command, beside a daemon', function () {
  this.timeout(30_000);
  const keep = resources();
  let desk: Desk;
  let collector: Collector;
  let caller: Container;
  let host: Container;
  let port: number;

  before(async function () {
    requires(this, isRoot, 'no root');
    desk = await keep(new Desk());
    [caller, host] = await pair(keep);
    collector = await keep(Collector.start([], { env: { ...desk.env, ROX_COLLECTOR_SCRAPE_INTERVAL: '1' } }));
    [, port] = await listening(host, 'serve', '0.0.0.0', '1');
    // By a program of its own: a fork alone is not told.
    const job = await caller.start('exec', workload(), 'connect', WIRE.v4[1], String(port));
    await job.said('connected');
    await caller.run('exec', workload(), 'exit', 'first');
    await caller.run('exec', workload(), 'exit', 'second');
    await host.run('exec', workload(), 'exit', 'elsewhere');
    await collector.signal(host.shortId, 'exit elsewhere');
  });

  it('asks at a socket for its owner alone', () => {
    assert.equal(statSync(desk.socket).mode & 0o777, 0o600);
  });

  it('observes what a filter matches, the latest first asked for, with the zone of its times', async () => {
    const { lines, code } = await desk.ask(
      'observe',
      `--container=${caller.shortId}`,
      '--event=exec',
      '--not',
      '--args=first',
      '--last=1',
    );
    assert.equal(code, 0);
    assert.match(lines[0]!, /^TIME UTC CONTAINER +PID EVENT {3}DETAILS$/);
    assert.match(lines[1]!, new RegExp(`^[\\d:]{8} ${caller.shortId} +\\d+ exec .*exit second$`));
    assert.equal(lines.length, 2);
  });

  it('follows until it has seen enough, as lines of JSON', async () => {
    const answer = desk.ask(
      'observe',
      `--container=${caller.shortId}`,
      '--args=now',
      '--last=0',
      '--count=1',
      '-o',
      'jsonl',
    );
    const happening = setInterval(() => void caller.run('exec', workload(), 'exit', 'now'), 100);
    const { lines } = await answer.finally(() => clearInterval(happening));
    const { event, args, id, time } = JSON.parse(lines[0]!) as Record<string, string>;
    assert.deepEqual({ event, args }, { event: 'exec', args: 'exit now' });
    assert.equal(id, caller.shortId);
    assert.match(time!, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('lists processes, connections, ports with since when, and containers', async () => {
    const of = (name: string, ...words: readonly string[]) =>
      desk
        .ask(name, '-o', 'json', ...words)
        .then(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>[]);
    const [processes, ports, connections, containers] = await Promise.all([
      of('ps', `--container=${host.shortId}`),
      of('listening', `--port=${port}`, `--container=${host.shortId}`),
      of('connections', `--container=${caller.shortId}`, `--port=${port}`),
      of('containers', `--container=${host.shortId}`),
    ]);
    assert.ok(processes.length > 0);
    assert.ok(processes.every(({ pid, started }) => Number(pid) > 0 && Date.parse(started as string) > 0));
    assert.equal(ports.length, 1);
    const { since, pid } = ports[0]!;
    assert.ok(Math.abs(Date.now() - Date.parse(since as string)) < 60_000, String(since));
    assert.ok(processes.some((process) => process['pid'] === pid));
    assert.deepEqual(
      connections.map(({ role, remote }) => ({ role, remote })),
      [{ role: 'client', remote: `${WIRE.v4[1]}:${port}` }],
    );
    const [connection] = connections;
    assert.ok(Math.abs(Date.now() - Date.parse(connection!['since'] as string)) < 60_000);
    assert.equal(connection!['process'], workload());
    assert.equal(containers[0]!['listening'], 1);
  });

  it('says how Collector is, on a screen and by its exit code', async () => {
    const { code, stdout } = await eventually(async () => {
      const answer = await desk.ask('status');
      return answer.code === 0 && answer;
    }, 'it is well');
    assert.equal(code, 0);
    assert.match(stdout, /^Is it well\? yes$/m);
    assert.match(stdout, /^Phase +collecting, process \d+ since /m);
    assert.match(stdout, /^Lost +nothing$/m);
  });

  it('packs all of it for a ticket, without arguments of processes', async () => {
    const file = path.join(desk.folder, 'ticket.tar.gz');
    const { code, stderr } = await desk.ask('bundle', file);
    assert.equal(code, 0, stderr);
    const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n');
    assert.deepEqual(
      names.map((name) => path.basename(name)),
      [
        'about.txt',
        'status.json',
        'settings.json',
        'log.txt',
        'metrics.txt',
        'processes.jsonl',
        'connections.jsonl',
        'listening.jsonl',
        'containers.jsonl',
        'events.jsonl',
      ],
    );
    const events = execFileSync('tar', ['-xzOf', file, 'collector/events.jsonl'], { encoding: 'utf8' });
    assert.match(events, /"kind":"exec"/);
    assert.doesNotMatch(events, /exit second/);
  });

  it('shows live rates in a terminal, by container and by process, until q', async () => {
    const terminal = await keep(new Terminal(desk, 'top', `--container=${caller.shortId}`));
    const happening = setInterval(() => void caller.run('exec', workload(), 'exit', 'now'), 100);
    const shows = async (what: RegExp) => terminal.shows(what);
    try {
      await shows(/by container .* sorted by events\nCollector is well; lost 0\n\nCONTAINER +EXECS/);
      await shows(new RegExp(`^${caller.shortId} +[1-9]`, 'm'));
      terminal.press('p', 's');
      await shows(/by process .* sorted by execs/);
      await shows(new RegExp(`^${caller.shortId} +workload +[1-9]`, 'm'));
      terminal.press('/', 'x', 'y', 'Enter', 'Space');
      await shows(/PAUSED {2}filter: xy {2}(?![^]*workload)/);
      terminal.press('q');
      await shows(/^ended with 0$/m);
    } finally {
      clearInterval(happening);
    }
  });

  it('lists after somebody who asked for a head alone, and after some who left while they waited', async () => {
    const head = request({ socketPath: desk.socket, path: '/ask/processes', method: 'HEAD' }).end();
    await once(head, 'response');
    const leaving = Array.from({ length: 6 }, () =>
      request({ socketPath: desk.socket, path: '/ask/processes' }),
    );
    leaving.forEach((one) => one.on('error', () => undefined).end());
    await sleep(5);
    leaving.forEach((one) => one.destroy());
    assert.equal((await desk.ask('ps')).code, 0);
  });

  it('refuses a ninth client, until one of the others is gone', async () => {
    const clients = await Promise.all(Array.from({ length: MOST_CLIENTS }, async () => follow(desk.socket)));
    assert.ok(clients.every(({ statusCode }) => statusCode === 200));
    const { code, stderr } = await desk.ask('observe', '--follow');
    assert.equal(code, 2);
    assert.match(stderr, /^collector: Collector at .* refuses: 8 clients are shown events already.*\n$/);
    clients.forEach((client) => client.destroy());
    await eventually(
      async () => (await desk.ask('observe', '--last=0', '--timeout=100ms')).code === 0,
      'a free place',
    );
  });

  it('tells a client that does not read how many events it missed', async () => {
    const slow = await follow(desk.socket);
    slow.pause();
    await caller.run('execs', '4000');
    await sleep(500);
    slow.setEncoding('utf8').resume();
    let text = '';
    slow.on('data', (chunk: string) => (text += chunk));
    await eventually(async () => {
      await caller.run('exec', workload(), 'exit', 'after');
      return /"args":"exit after"/.test(text);
    }, 'what came after the gap');
    const missed = [...text.matchAll(/^\{"missed":(\d+)\}$/gm)].map(([, count]) => Number(count));
    assert.ok(missed.reduce((sum, count) => sum + count, 0) > 0);
    slow.destroy();
  });
});

/** Begins to follow events. */
async function follow(socketPath: string): Promise<IncomingMessage> {
  const asked = request({ socketPath, path: '/ask/events?follow=true&last=0', agent: false });
  asked.on('error', () => undefined).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}
