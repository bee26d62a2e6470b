import assert from 'node:assert/strict';
import { openRecording } from '../../actors/capture/replayer.js';
import { nodeView } from '../../actors/inspection/node-view.js';
import type { NodeView } from '../../actors/inspection/protocol.js';
import { recording } from '../support/corpus.js';
import { containerNumber, execRecord, exitRecord, batch, socketRecord } from '../support/records.js';
import { A, B, EPOCH_MS, events, named, Node, SECOND, sockets } from './support.js';

const client = { container: A, pid: 7, role: 'client', local: '10.0.0.1', remote: '10.0.0.9' } as const;

function exec(pid: number, ppid: number, path: string, container = A, second = 1): Uint8Array {
  return execRecord({
    container,
    pid,
    ppid,
    path,
    args: [path, '-x'],
    uid: 33,
    startTime: pid,
    time: second * SECOND,
  });
}

const WHOLE = { normalize: false, originator: () => ({ name: '', path: '', args: '' }) };

type Entry = Readonly<Record<string, unknown>>;

/** These members of each row as text, sorted. */
function sortedBy(rows: readonly object[], members: readonly string[]): string[] {
  const keys = ['container', ...members];
  return rows.map((row) => JSON.stringify(keys.map((key) => (row as Entry)[key]))).sort();
}

/** The same of a listing. */
function listed(pieces: Iterable<string>, members: readonly string[]): string[] {
  const listing = JSON.parse([...pieces].join('')) as Readonly<Record<string, readonly Entry[]>>;
  const rows = Object.entries(listing).flatMap(([container, all]) =>
    all.map((one) => ({ container, ...one })),
  );
  return sortedBy(rows, members);
}

describe('The view of the node', () => {
  it('has containers, processes with their parents, connections and listening sockets, in their order', () => {
    const node = new Node().fold(
      named(),
      events(1, exec(20, 1, '/bin/sh'), exec(30, 20, '/bin/cat'), exec(10, 30, '/bin/b', B)),
      sockets(
        2,
        { ...client, type: 'open', localPort: 40_001, remotePort: 443, opened: 2 * SECOND },
        { ...client, type: 'open', localPort: 40_000, remotePort: 80 },
        { ...client, type: 'close', localPort: 40_000, remotePort: 80, time: 3 * SECOND },
        {
          type: 'listen',
          container: A,
          pid: 30,
          startTime: 30,
          local: '0.0.0.0',
          localPort: 8080,
          cookie: 5,
        },
      ),
    );
    const connection = {
      container: A,
      protocol: 'tcp',
      role: 'client',
      local: '10.0.0.1',
      remote: '10.0.0.9',
    };
    const process = { container: A, args: '-x', uid: 33 };
    assert.deepEqual(node.view(), {
      time: EPOCH_MS + 2000,
      containers: [
        { container: A, namespace: 'shop', pod: 'web-0', name: 'main', image: 'nginx:1', cgroup: '' },
        { container: B, namespace: '', pod: '', name: '', image: '', cgroup: '' },
      ],
      processes: [
        { ...process, pid: 20, parent: 0, path: '/bin/sh', started: EPOCH_MS },
        { ...process, pid: 30, parent: 20, path: '/bin/cat', started: EPOCH_MS },
        { ...process, container: B, pid: 10, parent: 0, path: '/bin/b', started: EPOCH_MS },
      ],
      connections: [
        {
          ...connection,
          localPort: 40_000,
          remotePort: 80,
          pid: 7,
          active: false,
          seen: EPOCH_MS + 3000,
          by: 'event',
        },
        {
          ...connection,
          localPort: 40_001,
          remotePort: 443,
          pid: 7,
          since: EPOCH_MS + 2000,
          active: true,
          seen: EPOCH_MS + 2000,
          by: 'event',
        },
      ],
      listening: [
        {
          container: A,
          protocol: 'tcp',
          port: 8080,
          pid: 30,
          process: '/bin/cat',
          args: '-x',
          started: EPOCH_MS,
          since: EPOCH_MS + 2000,
          active: true,
          seen: EPOCH_MS + 2000,
          by: 'event',
        },
      ],
    });
  });

  it('has the age of a connection anew when its addresses and ports are used again', () => {
    const flow = { ...client, localPort: 40_001, remotePort: 443 } as const;
    const node = new Node().fold(
      sockets(1, { ...flow, type: 'open', opened: 1 * SECOND }),
      sockets(2, { ...flow, type: 'close', opened: 1 * SECOND }),
      sockets(3, { ...flow, type: 'open', opened: 3 * SECOND, pid: 8 }),
      sockets(4, { ...flow, type: 'open', opened: 3 * SECOND, pid: 9 }),
    );
    const [connection] = node.view().connections;
    assert.deepEqual([connection!.since, connection!.pid], [EPOCH_MS + 3000, 8]);
  });

  it('says what made the newest observation', () => {
    const listener = { container: A, pid: 7, local: '0.0.0.0', localPort: 80, cookie: 9 } as const;
    const scan = (second: number) =>
      ({
        kind: 'scan',
        of: 'sockets',
        audience: 'same',
        time: second * SECOND,
        records: batch(
          socketRecord({ ...client, type: 'socket', localPort: 40_000, remotePort: 80 }),
          socketRecord({ ...listener, type: 'socket', state: 10 }),
        ),
      }) as const;
    const node = new Node();
    const by = () => [...node.view().connections, ...node.view().listening].map((row) => row.by);
    node.fold(scan(1));
    assert.deepEqual(by(), ['scan', 'scan']);
    node.fold(
      sockets(
        2,
        { ...client, type: 'open', localPort: 40_000, remotePort: 80 },
        { ...listener, type: 'listen' },
      ),
    );
    assert.deepEqual(by(), ['event', 'event']);
    node.fold(scan(3));
    assert.deepEqual(by(), ['scan', 'scan']);
    node.fold(sockets(2.5, { ...client, type: 'close', localPort: 40_000, remotePort: 80 }));
    assert.deepEqual(by(), ['scan', 'scan']);
    node.fold(
      sockets(
        4,
        { ...client, type: 'close', localPort: 40_000, remotePort: 80 },
        { ...listener, type: 'unlisten' },
      ),
    );
    assert.deepEqual(by(), ['event', 'event']);
  });

  it('can be of one container alone', () => {
    const node = new Node().fold(
      events(1, exec(20, 1, '/bin/sh'), exec(10, 1, '/bin/b', B)),
      sockets(2, { ...client, type: 'open' }, { ...client, type: 'open', container: B }),
    );
    const { containers, processes, connections } = node.view(containerNumber(B));
    for (const rows of [containers, processes, connections])
      assert.deepEqual(
        rows.map((row) => row.container),
        [B],
      );
  });

  it('takes no younger process for a parent: its pid was used again', () => {
    const node = new Node().fold(events(1, exec(30, 20, '/bin/cat')));
    node.fold(events(1, exitRecord({ container: A, pid: 20 })));
    node.fold(
      events(
        2,
        execRecord({ container: A, pid: 20, path: '/bin/new', startTime: 2 * SECOND, time: 2 * SECOND }),
      ),
    );
    assert.deepEqual(
      node.view().processes.map(({ pid, parent }) => [pid, parent]),
      [
        [20, 0],
        [30, 0],
      ],
    );
  });

  it('is empty when there is nothing', () => {
    const { time, ...lists } = new Node().view();
    assert.equal(time, EPOCH_MS);
    assert.deepEqual(lists, { containers: [], processes: [], connections: [], listening: [] });
  });

  it('comes in small pieces, with pauses, with 10,000 connections of 300 containers', () => {
    const node = new Node();
    const container = (n: number) => (n % 300).toString(16).padStart(12, '0');
    for (let n = 0; n < 10_000; n++) {
      const remote = `10.1.${n >> 8}.${n & 255}`;
      const open = { ...client, type: 'open', container: container(n), localPort: 1024 + n, remote } as const;
      node.fold(sockets(1, open), events(1, exec(n + 1, n, '/bin/sh', container(n))));
    }
    const pieces = [...nodeView(node)];
    const { containers, processes, connections } = JSON.parse(pieces.join('')) as NodeView;
    assert.deepEqual([containers.length, processes.length, connections.length], [300, 10_000, 10_000]);
    const rows = pieces.map((piece) => piece.split('},{').length);
    assert.ok(Math.max(...rows) <= 128, `${Math.max(...rows)} rows`);
    assert.ok(pieces.filter((piece) => piece === '').length > 30);
  });

  for (const name of ['first-run', 'servers', 'web-load', 'endings']) {
    it(`agrees at each tick with the listing of a recording: ${name}`, () => {
      const { start, facts } = openRecording(recording(name));
      const node = new Node(start.settings);
      const running = new Map<number, string>();
      let looks = 0;
      for (const fact of [start, ...facts]) {
        node.fold(fact);
        if (fact.kind !== 'tick') continue;
        looks++;
        const view = node.view();
        const state = node.connections()!;
        assert.deepEqual(
          sortedBy(view.connections, ['local', 'localPort', 'remotePort', 'active']),
          listed(state.connections(WHOLE), ['local_address', 'local_port', 'remote_port', 'active']),
        );
        assert.deepEqual(
          sortedBy(view.listening, ['port', 'pid', 'active']),
          listed(state.endpoints(WHOLE), ['port', 'pid', 'active']),
        );
        for (const { container, pid, parent } of view.processes) {
          running.set(pid, container);
          if (parent !== 0)
            assert.equal(view.processes.find((one) => one.pid === parent)!.container, container);
        }
      }
      assert.ok(looks > 0 && running.size > 0);
    });
  }
});
