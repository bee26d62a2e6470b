import assert from 'node:assert/strict';
import { Rates, WINDOW } from '../../actors/command/rates.js';
import type { EventRow } from '../../actors/inspection/protocol.js';

const START = 1_700_000_000_000;
const base = {
  container: '0123456789ab',
  namespace: 'shop',
  pod: 'web-1',
  name: 'main',
  pid: 7,
  time: START,
};

describe('Rates of events', () => {
  it('are of the last whole seconds, by container or by process', () => {
    const rates = new Rates();
    const events: readonly Partial<EventRow>[] = [
      { kind: 'exec', process: '/usr/bin/a-name-longer-than-the-kernel-keeps' },
      { kind: 'exit', process: 'a-name-longer-t' },
      { kind: 'connect', process: 'curl', remote: '10.0.0.1' },
      { kind: 'accept', process: 'curl', remote: '10.0.0.1' },
      { kind: 'connect', process: 'wget', remote: '10.0.0.2' },
    ];
    for (const event of events) rates.add({ ...base, ...event } as EventRow, START);
    const [all, ...others] = rates.rows('container', START + 1000);
    assert.deepEqual(others, []);
    const { process, execs, exits, connections, peers } = all!;
    assert.deepEqual(
      { process, execs, exits, connections, peers },
      { process: '', execs: 1 / WINDOW, exits: 1 / WINDOW, connections: 3 / WINDOW, peers: 2 },
    );
    assert.deepEqual(
      rates.rows('process', START + 1000).map((row) => [row.process, row.events * WINDOW, row.peers]),
      [
        ['a-name-longer-t', 2, 0],
        ['curl', 2, 1],
        ['wget', 1, 1],
      ],
    );
    assert.deepEqual(rates.rows('container', START), []);
    assert.deepEqual(rates.rows('container', START + (WINDOW + 1) * 1000), []);
  });
});
