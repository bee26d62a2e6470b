import assert from 'node:assert/strict';
import { openRecording } from '../../actors/capture/replayer.js';
import { allAtOnce } from '../../actors/capture/slices.js';
import { isVisible, recordedTime, unixTime } from '../../actors/inspection/player.js';
import { nodeView } from '../../actors/inspection/node-view.js';
import type { Message, ReplayMessage } from '../../actors/inspection/protocol.js';
import { createLog } from '../../actors/telemetry/log.js';
import { ReplayPass } from '../../actors/wiring/replay-pass.js';
import { ReplayPlayer } from '../../actors/wiring/replay-player.js';
import { recording, RECORDING } from '../support/corpus.js';
import { eventually } from '../support/eventually.js';

const log = createLog({ level: 'fatal', write: () => undefined });

describe('A player of a recording', () => {
  let player: ReplayPlayer;
  let messages: Message[];
  let stop: AbortController;
  let run: Promise<void>;
  let cuts: number;

  function open(file: string): void {
    cuts = 0;
    const onCut = () => {
      cuts++;
    };
    player = new ReplayPlayer({ file, settings: {}, version: '1', onCut, log, silentLog: log });
    messages = [];
    stop = new AbortController();
    run = player.run(stop.signal);
  }

  afterEach(async () => {
    stop.abort();
    await run;
  });

  function watch(): void {
    messages.push(...player.present());
    player.watch((message) => messages.push(message));
  }

  function status(): ReplayMessage {
    return player.present().find((message) => message.type === 'replay')!;
  }

  async function seek(time: number): Promise<void> {
    player.command({ action: 'seek', value: time });
    await eventually(
      () => status().time === time,
      () => JSON.stringify(status()),
    );
  }

  /** Everything a fresh fold up to a time has. */
  function fresh(file: string, time: number): object {
    const pass = new ReplayPass(file, {}, log);
    while (pass.next !== undefined && pass.due <= recordedTime(time, pass.epoch)) allAtOnce(pass.fold());
    try {
      return stateOf(pass);
    } finally {
      pass.close();
    }
  }

  it('waits for its first watcher, plays to the end, and stays there', async () => {
    open(RECORDING);
    assert.deepEqual([status().paused, status().over], [true, false]);
    watch();
    player.command({ action: 'speed', value: 100 });
    await eventually(
      () => status().over,
      () => JSON.stringify(status()),
    );
    const { time, end } = status();
    assert.equal(time, end);
    assert.equal(cuts, 0);
    const [hello, replay, ...actors] = messages;
    assert.equal(hello?.type === 'hello' && hello.mode, 'replay');
    assert.equal(replay?.type, 'replay');
    assert.deepEqual(
      actors.flatMap((message) => (message.type === 'actor' ? [message.id, message.chart] : [])),
      ['capture', undefined, 'containers', undefined, 'processes', undefined, 'connections', undefined],
    );
    assert.deepEqual(stateOf(player.pass), fresh(RECORDING, end));
  });

  it('steps from a fact to the next one with anything to be seen', async () => {
    open(RECORDING);
    watch();
    const seen = Array.from(openRecording(RECORDING).all, (fact) => (isVisible(fact) ? fact.time : 0)).filter(
      Boolean,
    );
    player.command({ action: 'step' });
    player.command({ action: 'step' });
    const { epoch } = openRecording(RECORDING).start;
    const second = unixTime(seen[1]!, epoch);
    await eventually(
      () => status().time === second,
      () => JSON.stringify([status(), second]),
    );
    assert.equal(status().paused, true);
  });

  for (const name of ['web-load', 'runtime-config']) {
    it(`has the state of a fresh fold after seeking in ${name}, forwards and backwards`, async () => {
      const file = recording(name);
      open(file);
      watch();
      player.command({ action: 'pause' });
      const { start, end } = status();
      for (const part of [0.5, 0.9, 0.2, 1, 0, 0.7]) {
        const time = Math.round(start + part * (end - start));
        await seek(time);
        assert.deepEqual(stateOf(player.pass), fresh(file, time), String(part));
        assert.equal(status().over, part === 1);
      }
    });
  }

  it('tells watchers everything anew after a seek', async () => {
    open(RECORDING);
    watch();
    player.command({ action: 'pause' });
    messages.length = 0;
    await seek(status().end);
    assert.deepEqual([...new Set(messages.map(({ type }) => type))].sort(), [
      'actor',
      'hello',
      'replay',
      'snapshot',
    ]);
  });

  it('ends', async () => {
    open(RECORDING);
    stop.abort();
    await run;
  });
});

/** What a pass has folded. */
function stateOf({ pipeline, actors }: ReplayPass): object {
  const { containers, processes, connections } = pipeline;
  const originator = (id: number) => processes.state.originator(id);
  const list = (pieces: Iterable<string> | undefined) => [...(pieces ?? [])].join('');
  return {
    containers: containers.state.size,
    processes: processes.state.counts,
    connections: list(connections.listConnections({ normalize: false, originator })),
    endpoints: list(connections.listEndpoints({ normalize: true, originator })),
    actors: actors.present(),
    node: list(nodeView(pipeline.viewSources(undefined))),
  };
}
