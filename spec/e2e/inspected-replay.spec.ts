import assert from 'node:assert/strict';
import path from 'node:path';
import type { PlayerCommand } from '../../actors/inspection/player.js';
import type { NodeView } from '../../actors/inspection/protocol.js';
import { ask } from '../http/support.js';
import { Daemon } from '../support/collector.js';
import { RECORDING } from '../support/corpus.js';
import { eventually } from '../support/eventually.js';
import { MessageReader } from '../support/message-stream.js';
import { isRoot, requires } from '../support/requirements.js';
import { perform } from '../support/scenarios.js';
import { scratchFolder } from '../support/workload.js';

/** A replay with a page, and a watcher of it. */
class Inspected {
  readonly daemon: Daemon;
  readonly address: string;
  readonly watcher: MessageReader;

  private constructor(daemon: Daemon, address: string) {
    this.daemon = daemon;
    this.address = address;
    this.watcher = new MessageReader(`http://${address}/inspect/stream?events`);
  }

  static async open(file: string): Promise<Inspected> {
    const daemon = new Daemon([`--replay=${file}`, '--inspect=127.0.0.1:0'], {});
    const address = await eventually(
      () => /Watch it at http:\/\/(\S+)\/inspect/.exec(daemon.stderr)?.[1],
      () => daemon.stderr,
    );
    return new Inspected(daemon, address);
  }

  async command(command: PlayerCommand): Promise<void> {
    const { status, text } = await ask(this.address, '/inspect/replay', {
      method: 'POST',
      body: JSON.stringify(command),
    });
    assert.equal(status, 200, text);
  }

  async seek(value: number): Promise<void> {
    this.watcher.messages.length = 0;
    await this.command({ action: 'seek', value });
    await eventually(
      () => this.watcher.all('hello').length > 0 && this.watcher.last('replay')?.time === value,
      () => JSON.stringify(this.watcher.last('replay')),
    );
  }

  async node(): Promise<NodeView> {
    return JSON.parse((await ask(this.address, '/inspect/node')).text) as NodeView;
  }

  /** Ends it, and asserts that it printed nothing and ended well. */
  async end(): Promise<void> {
    await this.watcher.remove();
    this.daemon.signal('SIGTERM');
    assert.equal(await this.daemon.ended, 0, this.daemon.stderr);
    assert.equal(this.daemon.stdout, '');
  }
}

describe('A recording as a page', function () {
  this.timeout(30_000);
  let replay: Inspected;

  afterEach(async () => {
    await replay.watcher.remove();
    await replay.daemon.remove();
  });

  it('plays a run from its start-up on, with charts, and has any time of it', async function () {
    requires(this, isRoot, 'no root');
    const file = path.join(scratchFolder(), 'inspected.collector');
    const { containers } = await perform('first-run', `--record=${file}`);
    replay = await Inspected.open(file);
    const { watcher } = replay;
    await replay.command({ action: 'speed', value: 100 });
    const { start, end } = await eventually(
      () => watcher.last('replay')?.over === true && watcher.last('replay'),
      () => JSON.stringify(watcher.last('replay')),
    );
    assert.deepEqual(
      new Set(watcher.all('actor').flatMap(({ chart }) => chart ?? [])),
      new Set(['collector', 'collecting']),
    );
    const edges = watcher.all('transition').flatMap((transition) => transition.edges);
    for (const edge of [
      'collector.starting.load xstate.done.actor.load 0',
      'collecting.collecting.running stop 0',
    ])
      assert.ok(edges.includes(edge), edges.join('\n'));
    assert.equal(watcher.last('hello')?.mode, 'replay');
    const rows = watcher.all('events').flatMap((message) => message.rows);
    assert.ok(rows.some(({ kind, container }) => kind === 'exec' && containers.has(container)));

    // Before the start-up's first transition.
    await replay.command({ action: 'pause' });
    await replay.seek(start);
    assert.deepEqual(watcher.all('transition'), []);
    assert.deepEqual((await replay.node()).containers, []);
    await replay.seek(end);
    assert.equal(watcher.last('replay')?.over, true);
    const seen = new Set((await replay.node()).containers.map(({ container }) => container));
    for (const container of containers) assert.ok(seen.has(container), container);
    await replay.end();
  });

  it('plays a recording of before there were lifecycles, without charts', async () => {
    replay = await Inspected.open(RECORDING);
    const { watcher } = replay;
    await replay.command({ action: 'pause' });
    const { end } = await eventually(() => watcher.last('replay'), 'a message about the replay');
    await replay.seek(end);
    assert.deepEqual(
      watcher.all('actor').map(({ id, chart }) => [id, chart]),
      ['capture', 'containers', 'processes', 'connections'].map((id) => [id, undefined]),
    );
    assert.match(JSON.stringify(watcher.last('snapshot')), /"connections","entries":\d/);
    await replay.end();
  });

  it('takes commands of its own page only, and of these the right ones', async () => {
    replay = await Inspected.open(RECORDING);
    const post = async (body: string, headers: Record<string, string> = {}) =>
      ask(replay.address, '/inspect/replay', { method: 'POST', body, headers });
    const refused = await post('{"action":"speed","value":101}');
    assert.equal(refused.status, 400);
    assert.match(refused.text, /101 is no speed \(allowed: a number from 1 to 100\)/);
    const body = '{"action":"play"}';
    assert.equal((await post(body, { Origin: 'http://elsewhere.example' })).status, 403);
    assert.equal((await post(body, { Origin: `http://${replay.address}` })).status, 200);
    await replay.end();
  });
});
