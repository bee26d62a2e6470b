import assert from 'node:assert/strict';
import { Filter } from '../../actors/inspection/page/filter.js';
import { NodeModel, select, type Kind } from '../../actors/inspection/page/node-model.js';
import type { ConnectionRow, ContainerRow, EventRow, NodeView } from '../../actors/inspection/protocol.js';

const A = 'aaaaaaaaaaaa';
const B = 'bbbbbbbbbbbb';

function container(id: string, pod: string): ContainerRow {
  return { container: id, namespace: pod && 'shop', pod, name: pod && 'main', image: '', cgroup: '' };
}

function process(pid: number, parent: number, path: string, of = A) {
  return { container: of, pid, parent, path, args: '', uid: 0, started: 1 };
}

const CONNECTION: ConnectionRow = {
  container: A,
  protocol: 'tcp',
  role: 'client',
  local: '10.0.0.5',
  localPort: 40_000,
  remote: '10.0.0.9',
  remotePort: 443,
  pid: 102,
  active: true,
  seen: 1,
  by: 'scan',
};

const VIEW: NodeView = {
  time: 10,
  containers: [container(A, 'web-1'), container(B, '')],
  processes: [process(100, 0, '/bin/sh'), process(101, 100, '/bin/nginx'), process(102, 101, '/bin/worker')],
  connections: [CONNECTION],
  listening: [
    {
      container: A,
      protocol: 'tcp',
      port: 80,
      pid: 101,
      process: '/bin/nginx',
      args: '',
      active: true,
      seen: 1,
      by: 'scan',
    },
  ],
};

function event(kind: EventRow['kind'], fields: Partial<EventRow> = {}): EventRow {
  return {
    kind,
    time: 20,
    container: A,
    namespace: '',
    pod: '',
    name: '',
    pid: 100,
    process: 'sh',
    ...fields,
  };
}

const { local, localPort, remote, remotePort } = CONNECTION;
const ENDS = { protocol: 'tcp', local, localPort, remote, remotePort } as const;

describe("The page's model of the node", () => {
  let model: NodeModel;
  beforeEach(() => {
    model = new NodeModel();
    load(VIEW);
  });

  function load(view: NodeView): number {
    let pauses = 0;
    for (const loading = model.load(view); loading.next().done !== true;) pauses++;
    return pauses;
  }

  const shown = (kind: Kind, filter = '', of?: string) => select(model, Filter.parse(filter), kind, of);
  const tree = (filter = '') =>
    shown('processes', filter).processes.map(({ row, depth, matched }) => [row.pid, depth, matched]);

  it('lists processes as a tree', () => {
    assert.deepEqual(tree(), [
      [100, 0, true],
      [101, 1, true],
      [102, 2, true],
    ]);
  });

  it('keeps the ancestors of processes that match', () => {
    assert.deepEqual(tree('process:nginx'), [
      [100, 0, false],
      [101, 1, true],
    ]);
  });

  it('shows processes whose parents form a circle', () => {
    load({ ...VIEW, processes: [process(1, 2, '/a'), process(2, 1, '/b'), process(3, 3, '/c')] });
    assert.deepEqual(
      tree().map(([pid]) => pid),
      [3, 1, 2],
    );
  });

  it('follows exec, enter and exit', () => {
    model.fold([
      event('exec', { pid: 200, parent: 100, process: '/bin/ls', args: '-l', uid: 7 }),
      event('exec', { pid: 102, process: '/bin/again' }),
      event('enter', { pid: 101, container: B, process: 'nginx' }),
      event('exit', { pid: 100 }),
    ]);
    assert.deepEqual(
      shown('processes').processes.map(({ row }) => [row.container, row.pid, row.parent, row.path, row.uid]),
      [
        [A, 102, 101, '/bin/again', 0],
        [A, 200, 100, '/bin/ls', 7],
        [B, 101, 100, 'nginx', 0],
      ],
    );
  });

  it('follows connections, and keeps a closed one in sight for a while', () => {
    model.fold([event('close', { ...ENDS, time: 30 }), event('accept', { ...ENDS, localPort: 80 })]);
    const rows = () => shown('connections').connections.map(({ row }) => row);
    assert.deepEqual(rows(), [
      { ...CONNECTION, active: false, seen: 30, by: 'event' },
      { ...CONNECTION, localPort: 80, role: 'server', pid: 100, since: 20, seen: 20, by: 'event' },
    ]);
    for (let port = 1; port <= 1000; port++) {
      model.fold([
        event('connect', { ...ENDS, remotePort: port }),
        event('close', { ...ENDS, remotePort: port }),
      ]);
    }
    assert.equal(rows().length, 501);
    model.fold([event('connect', ENDS)]);
    assert.equal(rows().length, 502);
  });

  it('follows ports, also if another process than the opener ends one', () => {
    model.fold([
      event('listen', { protocol: 'udp', localPort: 53, pid: 102 }),
      event('unlisten', { protocol: 'tcp', localPort: 80, pid: 1 }),
    ]);
    assert.deepEqual(
      shown('listening').listening.map(({ row }) => [row.protocol, row.port, row.process, row.active]),
      [
        ['tcp', 80, '/bin/nginx', false],
        ['udp', 53, '/bin/worker', true],
      ],
    );
  });

  it('learns of containers and their names from events', () => {
    const names = { namespace: 'shop', pod: 'db-1', name: 'main' };
    model.fold([event('exit', { container: B, ...names }), event('exec', { container: 'cccccccccccc' })]);
    assert.deepEqual(
      model.containers.map(({ row }) => row.pod || row.container),
      ['db-1', 'web-1', 'cccccccccccc'],
    );
  });

  it('counts in each container what matches', () => {
    const counts = (filter: string, of?: string) => {
      const { containers, chosen } = shown('connections', filter, of);
      return [containers.map(({ node }) => node.row.container), Object.values(chosen)];
    };
    assert.deepEqual(counts(''), [
      [A, B],
      [3, 1, 1],
    ]);
    assert.deepEqual(counts('', B), [
      [A, B],
      [0, 0, 0],
    ]);
    assert.deepEqual(counts('port:443'), [[A], [0, 1, 0]]);
    assert.deepEqual(counts('pod:web-1 port:80'), [[A], [0, 0, 1]]);
    assert.deepEqual(counts('pod:none'), [[], [0, 0, 0]]);
  });

  it('pauses while it loads a long listing, and shows the old one until the end', () => {
    const connections = Array.from({ length: 10_000 }, (_, localPort) => ({ ...CONNECTION, localPort }));
    const loading = model.load({ ...VIEW, connections });
    loading.next();
    assert.equal(shown('connections').total.connections, 1);
    assert.equal(load({ ...VIEW, connections }), 5);
    assert.equal(shown('connections').total.connections, 10_000);
  });
});
