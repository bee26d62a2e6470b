import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect';
import { WebSocketServer, type AddressInfo, type WebSocket } from 'ws';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { InspectorSender } from '../../actors/inspection/sender.js';
import { createLog } from '../../actors/telemetry/log.js';
import { collecting } from '../../machines/collecting.js';
import { lifecycle } from '../../machines/lifecycle.js';
import { stream } from '../../machines/stream.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { TestRun } from './test-run.js';

const FIRST_WAIT_MS = 20;

interface Definition {
  readonly id?: string;
  readonly states?: Readonly<Record<string, Definition>>;
}

/** Keys of all states below, as paths. */
function statesIn({ states = {} }: Definition | AnyStateNode, above = ''): string[] {
  return Object.entries(states).flatMap(([key, state]: [string, Definition | AnyStateNode]) => [
    `${above}/${key}`,
    ...statesIn(state, `${above}/${key}`),
  ]);
}

describe('The sender to an XState inspector', () => {
  const machines: readonly AnyStateMachine[] = [lifecycle, collecting, stream];
  let run: TestRun;
  let lines: string[];
  let end: (() => void)[];

  beforeEach(() => {
    lines = [];
    end = [];
    run = new TestRun();
  });
  afterEach(() => {
    run.stop();
    end.reverse().forEach((one) => one());
    assert.deepEqual(run.errors, []);
  });

  function send(url: string): void {
    const log = createLog({ level: 'info', write: (line) => lines.push(line) });
    const sender = new InspectorSender(run.inspection, { url, log, firstWait: FIRST_WAIT_MS });
    end.push(() => sender.stop());
  }

  /** Collects what the receiver of @statelyai/inspect gets. */
  function receive(url: string): StatelyInspectionEvent[] {
    const events: StatelyInspectionEvent[] = [];
    createWebSocketReceiver({ server: url }).subscribe((event) => events.push(event));
    return events;
  }

  /** Active states of an actor in the order of its snapshots, each once in a row. */
  function valuesOf(events: readonly StatelyInspectionEvent[], name: string): unknown[] {
    const id = events.find((event) => event.type === '@xstate.actor' && event.name === name)?.sessionId;
    const values = events
      .filter((event) => event.type === '@xstate.snapshot' && event.sessionId === id)
      .map((event) => (event as unknown as { snapshot: { value: unknown } }).snapshot.value);
    return values.filter((value, index) => JSON.stringify(value) !== JSON.stringify(values[index - 1]));
  }

  /** A bridge like the one of @statelyai/inspect: passes on to the others what one of its clients sends. */
  async function listen(
    port = 0,
  ): Promise<{ url: string; sockets: WebSocket[]; events: unknown[]; close: () => void }> {
    const server = new WebSocketServer({ host: '127.0.0.1', port });
    await once(server, 'listening');
    const sockets: WebSocket[] = [];
    const events: unknown[] = [];
    server.on('connection', (socket) => {
      sockets.push(socket);
      socket.on('message', (data) => {
        const text = (data as Buffer).toString();
        events.push(JSON.parse(text));
        for (const other of sockets) if (other !== socket) other.send(text);
      });
    });
    const close = () => {
      sockets.forEach((socket) => socket.terminate());
      server.close();
    };
    end.push(close);
    return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, events, close };
  }

  it("shows the start-up and a stream to the package's own receiver, each chart as a whole", async () => {
    const { url, sockets } = await listen();
    send(url);
    const events = receive(url);
    await eventually(() => sockets.length === 2, 'sender and receiver connect');
    await eventually(() => lines.some((line) => line.includes('is shown')), 'the sender knows it');
    run.start();
    await run.collect();
    run.stream({ type: 'opened' });
    run.stream({ type: 'broken', reason: 'gone' });
    const states = () => valuesOf(events, 'signals');
    await eventually(() => states().length >= 4, 'the stream is connected again');
    run.stream({ type: 'opened' });
    await eventually(() => states().length >= 5, 'and open');
    assert.deepEqual(states(), [
      { live: 'connecting' },
      { live: 'open' },
      'backing off',
      { live: 'connecting' },
      { live: 'open' },
    ]);
    assert.deepEqual(valuesOf(events, 'collector'), [
      { starting: 'connect-sensor' },
      { starting: 'find-driver' },
      { starting: 'download' },
      { starting: 'load' },
      'collecting',
    ]);
    assert.ok(events.some((event) => event.type === '@xstate.event' && event.event.type === 'broken'));
    const drawn = new Set<string>();
    for (const event of events) {
      if (event.type !== '@xstate.actor') continue;
      const definition = JSON.parse(event.definition!) as Definition;
      const machine = machines.find(({ id }) => id === definition.id);
      if (machine === undefined) continue;
      assert.deepEqual(statesIn(definition), statesIn(machine.root));
      drawn.add(machine.id);
    }
    assert.equal(drawn.size, machines.length);
  });

  it('shows all actors to a late receiver of a bridge that keeps the latest 200 events', async () => {
    const { url, events } = await listen();
    send(url);
    run.start();
    await run.collect();
    await eventually(() => events.length > 0, 'the sender connects');
    for (let count = 0; count < 500; count++)
      run.send({ type: 'obstacle', failure: new Error(String(count)) });
    await eventually(() => events.length > 1000, 'many events');
    for (let from = 0; from + 200 < events.length; from += 50) {
      const names = new Set((events.slice(from, from + 200) as { name?: string }[]).map(({ name }) => name));
      for (const name of ['collector', 'collecting', 'signals']) assert.ok(names.has(name));
    }
  });

  it('tries again until there is a receiver, and begins with all that lives', async () => {
    const port = await freePort();
    send(`ws://user:secret@127.0.0.1:${port}/?token=secret`);
    run.start();
    await run.collect();
    await eventually(() => lines.some((line) => line.includes('ECONNREFUSED')), 'it says why');
    const { events, sockets, close } = await listen(port);
    const actors = () =>
      (events as { type: string; name?: string }[]).filter(({ type }) => type === '@xstate.actor');
    await eventually(() => actors().some(({ name }) => name === 'signals'), 'the receiver is told');
    await eventually(() => run.samples > 0, 'it counts as a watcher');
    close();
    assert.equal(sockets.length, 1);
    const later = await listen(port);
    await eventually(
      () => (later.events as { name?: string }[]).some(({ name }) => name === 'signals'),
      'the next one too',
    );
    assert.ok(!lines.join().includes('secret'));
  });

  it('keeps 4 MB at most for a receiver that does not read, and cuts it', async () => {
    const { url, sockets } = await listen();
    send(url);
    run.start();
    await run.collect();
    await eventually(() => sockets.length === 1, 'the sender connects');
    sockets[0]!.pause();
    const reason = 'x'.repeat(1900);
    await eventually(() => {
      for (let count = 0; count < 200; count++) run.send({ type: 'obstacle', failure: new Error(reason) });
      return sockets.length > 1;
    }, 'it is cut, and another connection begins');
  });

  it('speaks the version of the package that it is tested with', () => {
    const file = path.resolve(import.meta.dirname, '../../node_modules/@statelyai/inspect/package.json');
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    const source = readFileSync(
      path.resolve(import.meta.dirname, '../../actors/inspection/stately.ts'),
      'utf8',
    );
    assert.ok(source.includes(`'${version}'`));
  });
});
