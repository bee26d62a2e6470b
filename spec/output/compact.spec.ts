import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import type { ContainerMetadata, Fact } from '../../actors/capture/facts.js';
import { ProcessFlag, RecordFlag, SocketRole } from '../../actors/capture/layout.js';
import { CompactView, type CompactOptions } from '../../actors/output/compact.js';
import { ContainerState } from '../../actors/containers/state.js';
import { ProcessState } from '../../actors/processes/state.js';
import { startFact } from '../support/facts.js';
import {
  batch,
  execRecord,
  exitRecord,
  processRecord,
  socketRecord,
  type Process,
  type Socket,
} from '../support/records.js';

const ID = '4f2a91bc03de';
const start = startFact({ epoch: 1_700_000_000e9 });
const curl: Process = {
  container: ID,
  pid: 4242,
  comm: 'curl',
  path: '/usr/bin/curl',
  args: ['curl', '-s', 'http://web/'],
  lineage: [{ path: '/bin/bash' }],
};

function lines(
  facts: readonly Fact[],
  options: CompactOptions = { color: false },
  role = SocketRole.unknown,
): string[] {
  const processes = new ProcessState(100);
  const containers = new ContainerState();
  const names = { metadata: (container: number) => containers.metadataOf(container), roleOf: () => role };
  const view = new CompactView(names, options);
  return [start, ...facts]
    .flatMap((fact) => {
      containers.fold(fact);
      return view.fold(fact, processes.fold(fact));
    })
    .slice(1);
}

/** What a runtime tells of the container. */
function told(metadata: Partial<ContainerMetadata>): Fact {
  const web = {
    namespace: 'shop',
    pod: 'web-0',
    podUid: 'u',
    name: 'main',
    image: 'i',
    imageDigest: '',
    labels: {},
  };
  return { kind: 'containers', time: 1, updated: [{ id: ID, ...web, ...metadata }], removed: [] };
}

function records(...bytes: readonly Uint8Array[]): Fact {
  return { kind: 'records', time: 1, records: batch(...bytes) };
}

describe('compact output', () => {
  const at = '22:13:20 4f2a91bc03de    4242';
  const socket = { container: ID, pid: 4242, comm: 'curl', local: '10.0.0.1', remote: '10.0.0.2' } as const;
  const tables: readonly (readonly [string, Uint8Array, string])[] = [
    ['an exec with its parent', execRecord(curl), `${at} exec    bash› /usr/bin/curl -s http://web/`],
    [
      'the two nearest of many ancestors',
      execRecord({ ...curl, lineage: ['/bin/make', '/bin/bash', '/sbin/init'].map((path) => ({ path })) }),
      `${at} exec    …›bash›make› /usr/bin/curl -s http://web/`,
    ],
    [
      'a process of the host',
      execRecord({ ...curl, container: 0 }),
      '22:13:20 host            4242 exec    bash› /usr/bin/curl -s http://web/',
    ],
    [
      'arguments that were cut',
      execRecord({ ...curl, flags: RecordFlag.argsCut }),
      `${at} exec    bash› /usr/bin/curl -s http://web/…`,
    ],
    [
      'arguments that were lost',
      execRecord({ ...curl, args: [], flags: RecordFlag.argsLost }),
      `${at} exec    bash› /usr/bin/curl (arguments unreadable)`,
    ],
    [
      'a path that was cut',
      execRecord({ ...curl, path: '/deep/x', args: [], flags: RecordFlag.pathCut }),
      `${at} exec    bash› …/deep/x`,
    ],
    [
      'a connection made',
      socketRecord({ ...socket, role: 'client', localPort: 40000, remotePort: 80 }),
      `${at} connect curl 10.0.0.1:40000 → 10.0.0.2:80`,
    ],
    [
      'a connection accepted',
      socketRecord({ ...socket, role: 'server', localPort: 80, remotePort: 40000 }),
      `${at} accept  curl 10.0.0.1:80 ← 10.0.0.2:40000`,
    ],
    [
      'an IPv6 connection closed, and how long it lasted',
      socketRecord({
        ...socket,
        type: 'close',
        role: 'client',
        local: 'fd00::1',
        remote: 'fd00::2',
        localPort: 40000,
        remotePort: 80,
        opened: 1000,
        time: 1_500_001_000,
      }),
      '22:13:21 4f2a91bc03de    4242 close   curl [fd00::1]:40000 → [fd00::2]:80 1.5s',
    ],
    [
      'a port listened on',
      socketRecord({ ...socket, type: 'listen', local: '0.0.0.0', localPort: 80 }),
      `${at} listen  curl 0.0.0.0:80`,
    ],
    [
      'a port that is listened on no more',
      socketRecord({ ...socket, type: 'unlisten', local: '::', localPort: 80 }),
      `${at} stop    curl [::]:80 listening`,
    ],
    [
      'a port that the kernel is yet to choose',
      socketRecord({ ...socket, type: 'listen', local: '0.0.0.0' }),
      `${at} listen  curl 0.0.0.0:(ephemeral)`,
    ],
  ];
  for (const [what, record, expected] of tables) {
    it(`shows ${what}`, () => assert.deepEqual(lines([records(record)]), [expected]));
  }

  const older = socketRecord({ ...socket, type: 'close', localPort: 7600, remotePort: 40000 });
  for (const [role, arrow] of [
    ['server', '←'],
    ['client', '→'],
    ['unknown', '–'],
  ] as const) {
    it(`shows the end of a connection older than Collector with the role known of it: ${role}`, () => {
      const shown = lines([records(older)], { color: false }, SocketRole[role]);
      assert.deepEqual(shown, [`${at} close   curl 10.0.0.1:7600 ${arrow} 10.0.0.2:40000`]);
    });
  }

  it('shows on a narrow terminal the ancestors that leave room for the process itself', () => {
    const lineage = ['/bin/make', '/usr/bin/bash', '/sbin/init'].map((path) => ({ path }));
    const shown = (width: number, ancestors = lineage) =>
      lines([records(execRecord({ ...curl, lineage: ancestors }))], { color: false, width })[0];
    assert.equal(shown(200), `${at} exec    …›bash›make› /usr/bin/curl -s http://web/`);
    assert.equal(shown(80), `${at} exec    …›make› /usr/bin/curl -s http://web/`);
    assert.equal(
      shown(80, [{ path: '/opt/a-very-long-name' }]),
      `${at} exec    /usr/bin/curl -s http://web/`,
    );
  });

  const exit = exitRecord({ container: ID, pid: 4242, comm: 'curl' });
  const names: readonly (readonly [string, Partial<ContainerMetadata>, number | undefined, string])[] = [
    ['in full in a file', { pod: 'web-6d4cf56db6-2xkqp' }, undefined, 'shop/web-6d4cf56db6-2xkqp/main'],
    ['in full where there is room', {}, 80, 'shop/web-0/main'],
    [
      'without the namespace where there is not',
      { pod: 'web-6d4cf56db6-2xkq' },
      80,
      'web-6d4cf56db6-2xkq/main',
    ],
    ['with its pod cut', { pod: 'frontend-6d4cf56db6-2xkqp' }, 80, 'frontend-6d4cf56db…/main'],
    [
      'with both cut',
      { pod: 'p'.repeat(30), name: 'c'.repeat(30) },
      80,
      `${'p'.repeat(11)}…/${'c'.repeat(10)}…`,
    ],
    ['of a sandbox, which is its pod', { name: '' }, 80, 'shop/web-0'],
    ['by its id where it is in no pod', { pod: '' }, 80, ID],
  ];
  for (const [how, metadata, width, expected] of names) {
    it(`names a container ${how}`, () => {
      const shown = lines([told(metadata), records(execRecord(curl), exit)], {
        color: false,
        ...(width !== undefined && { width }),
      });
      const column = width === undefined ? 40 : 24;
      assert.deepEqual(shown, [
        `TIME     ${'CONTAINER'.padEnd(column)}     PID EVENT   DETAILS`,
        ...shown.slice(1, 2),
        `22:13:20 ${expected.padEnd(column)}    4242 exit    curl`,
      ]);
      assert.ok(shown[1]!.startsWith(`22:13:20 ${expected} `));
    });
  }

  it('says what the columns are again when names move them, and once', () => {
    const shown = lines([told({}), told({ pod: 'web-1' })], { color: false });
    assert.equal(shown.length, 1);
  });

  it('lets no pod write to the terminal as it likes', () => {
    const [, line = ''] = lines([told({ pod: 'a\x1b[2Jb' }), records(execRecord(curl))]);
    assert.match(line, /shop\/a�\[2Jb\/main/);
  });

  it('begins with what the columns are', () => {
    const names = { metadata: () => undefined, roleOf: () => SocketRole.unknown };
    assert.deepEqual(new CompactView(names, { color: false }).fold(start, []), [
      'TIME     CONTAINER        PID EVENT   DETAILS',
    ]);
  });

  const ends: readonly (readonly [number, string])[] = [
    [0, 'exit    curl'],
    [3 << 8, 'exit    curl with status 3'],
    [9, 'killed  curl by signal 9'],
  ];
  for (const [exitCode, expected] of ends) {
    it(`shows the end of a process: ${expected}`, () => {
      const exit = exitRecord({ container: ID, pid: 4242, comm: 'curl', exitCode });
      assert.equal(lines([records(execRecord(curl), exit)])[1], `${at} ${expected}`);
    });
  }

  it('shows the end of a process only if its start was shown, and not if it was found running', () => {
    const exit = exitRecord({ container: ID, pid: 4242, comm: 'curl' });
    const found: Fact = {
      kind: 'scan',
      of: 'processes',
      audience: 'same',
      time: 1,
      records: batch(processRecord(curl)),
    };
    assert.deepEqual(lines([records(exit)]), []);
    assert.deepEqual(lines([found, records(exit)]), []);
  });

  it('shows what was moved into a container, and what executes after it in the same batch', () => {
    const moved = processRecord({
      ...curl,
      pid: 4000,
      comm: 'bash',
      path: '/bin/bash',
      args: ['bash'],
      flags: ProcessFlag.arrived,
    });
    const exit = exitRecord({ container: ID, pid: 4000, comm: 'bash' });
    assert.deepEqual(lines([records(moved, execRecord(curl), exit)]), [
      `${at.replace('4242', '4000')} enter   bash› /bin/bash`,
      `${at} exec    bash› /usr/bin/curl -s http://web/`,
      `${at.replace('4242', '4000')} exit    bash`,
    ]);
  });

  const dns: Socket = {
    ...{ container: ID, pid: 4242, comm: 'dig', cookie: 7, protocol: 17, role: 'unknown', opened: 2e9 },
    ...{ local: '10.0.0.1', localPort: 40000, remote: '10.0.0.9', remotePort: 53 },
  };
  const connected = '22:13:22 4f2a91bc03de    4242 connect dig 10.0.0.1:40000 → 10.0.0.9:53';
  const disconnected = '22:13:25 4f2a91bc03de    4242 close   dig 10.0.0.1:40000 → 10.0.0.9:53 3.0s';
  const end = records(socketRecord({ ...dns, type: 'close', time: 5e9 }));
  const seen: Fact = {
    kind: 'scan',
    of: 'sockets',
    audience: 'same',
    time: 3e9,
    records: batch(socketRecord({ ...dns, type: 'socket' })),
  };

  it('shows a connected UDP socket once, at the first scan that lists it', () => {
    assert.deepEqual(lines([seen, seen]), [connected]);
    assert.deepEqual(lines([seen, seen, end]), [connected, disconnected]);
  });

  it('shows the start of a UDP connection that no scan saw with its end', () => {
    assert.deepEqual(lines([end]), [connected, disconnected]);
  });

  it('shows a UDP connection anew when its socket is connected to another peer', () => {
    const next = { ...seen, records: batch(socketRecord({ ...dns, type: 'socket', opened: 4e9 })) };
    assert.equal(lines([seen, next]).length, 2);
  });

  it('shows nothing of a UDP connection whose start nobody saw', () => {
    const old = { ...dns, opened: 0 };
    const close = records(socketRecord({ ...old, type: 'close', time: 5e9 }));
    assert.deepEqual(
      lines([{ ...seen, records: batch(socketRecord({ ...old, type: 'socket' })) }, close]),
      [],
    );
  });

  it('cuts lines to the width of the terminal, and colours nothing into the count', () => {
    const long = records(execRecord({ ...curl, args: ['curl', 'x'.repeat(500)] }));
    const [line = ''] = lines([long], { color: false, width: 80 });
    assert.equal(line.length, 80);
    assert.ok(line.endsWith('x…'));
    const [colored = ''] = lines([long], { color: true, width: 80 });
    assert.notEqual(colored, line);
    assert.equal(stripVTControlCharacters(colored), line);
  });

  it('lets no process write to the terminal as it likes', () => {
    const [line = ''] = lines([records(execRecord({ ...curl, args: ['curl', '\x1b[2Ja\nb\x07\u202ec'] }))]);
    assert.equal(line, `${at} exec    bash› /usr/bin/curl �[2Ja↵b��c`);
  });
});
