import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector } from '../support/collector.js';
import { type Container, type Job, WIRE } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { history } from '../support/history.js';
import { client, type Connection, endpoint, server } from '../support/messages.js';
import { listening, pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { unheld, workload } from '../support/workload.js';

/** Every change is reported, every second. */
const env = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };
const SCANS_MS = 2500;
const [CALLER, HOST] = WIRE.v4;

/** The states of TCP (include/net/tcp_states.h) by their names in ss(8). */
const STATES = {
  ESTABLISHED: 'ESTAB',
  SYN_SENT: 'SYN-SENT',
  SYN_RECV: 'SYN-RECV',
  FIN_WAIT1: 'FIN-WAIT-1',
  FIN_WAIT2: 'FIN-WAIT-2',
  TIME_WAIT: 'TIME-WAIT',
  CLOSE: 'UNCONN',
  CLOSE_WAIT: 'CLOSE-WAIT',
  LAST_ACK: 'LAST-ACK',
  LISTEN: 'LISTEN',
  CLOSING: 'CLOSING',
} as const;
type State = keyof typeof STATES;

/** TCP_CLOSE in the tcp_info of a socket. Its process alone knows: ss lists no closed socket. */
const CLOSED = '7';

/** Sends lost segments again every second, without end; ever more seldom before Linux 6.15. */
const PATIENT = [
  'net.ipv4.tcp_rto_max_ms=1000',
  'net.ipv4.tcp_retries2=100',
  'net.ipv4.tcp_syn_retries=100',
  'net.ipv4.tcp_synack_retries=100',
  'net.ipv4.tcp_orphan_retries=100',
];

/** Reports of one side of a connection: nothing, its start, or its start and its end. */
type Reports = '' | 'open' | 'open closed';

/** A side of a connection, held in a state. */
interface Side {
  /** 'gone' if neither the kernel nor a process has the socket any more. */
  readonly state: State | 'gone';
  /** While it is held. */
  readonly reports: Reports;
}

/** A connection between two containers, at a port of its own. */
interface Life {
  readonly what: string;
  readonly caller: Side;
  readonly host: Side;
  /** Both sides have called connect(). */
  readonly isMutual?: true;
  /** Opens it; gives the way into its state, once its start is reported, if it is not there yet. */
  readonly begin: (two: Two, port: number) => Promise<(() => Promise<void>) | undefined>;
}

const nothing = { reports: '' } as const;
const open = { reports: 'open' } as const;
const over = { reports: 'open closed' } as const;

const lives: readonly Life[] = [
  {
    what: 'hears nothing',
    caller: { state: 'SYN_SENT', ...nothing },
    host: { state: 'gone', ...nothing },
    async begin(two, port) {
      two.drop(two.host, `tcp dport ${port}`);
      await two.serve('serve', port);
      await (await two.call('connect-async', port)).said('pending');
      return undefined;
    },
  },
  {
    // The caller's end, sent again every second, carries the acknowledgement.
    what: 'is answered, and the caller is not heard any more',
    caller: { state: 'FIN_WAIT1', ...open },
    host: { state: 'SYN_RECV', ...nothing },
    async begin(two, port) {
      two.drop(two.host, `tcp dport ${port} tcp flags & syn == 0`);
      await two.serve('serve-on', port);
      await two.call('connect-half', port);
      return undefined;
    },
  },
  {
    what: 'is begun by both at once, and one of them is not heard',
    caller: { state: 'SYN_RECV', ...nothing },
    host: { state: 'SYN_SENT', ...nothing },
    isMutual: true,
    async begin(two, port) {
      two.drop(two.host, `tcp dport ${port}`);
      await two.start(two.caller, 'connect-from', String(port), HOST, String(port));
      await two.sees(two.caller, port, 'SYN_SENT');
      await two.start(two.host, 'connect-from', String(port), CALLER, String(port));
      return undefined;
    },
  },
  {
    what: 'goes both ways',
    caller: { state: 'ESTABLISHED', ...open },
    host: { state: 'ESTABLISHED', ...open },
    async begin(two, port) {
      await two.serve('serve', port);
      await two.call('connect', port);
      return undefined;
    },
  },
  {
    what: 'is closed by the caller, and not answered',
    caller: { state: 'FIN_WAIT1', ...open },
    host: { state: 'CLOSE_WAIT', ...open },
    async begin(two, port) {
      const host = await two.serve('serve-on', port);
      const call = await two.call('connect', port);
      return async () => {
        two.drop(two.caller, `tcp sport ${port}`);
        await two.stop(call);
        await host.said('half closed');
      };
    },
  },
  {
    what: 'is half closed by the caller',
    caller: { state: 'FIN_WAIT2', ...open },
    host: { state: 'CLOSE_WAIT', ...open },
    async begin(two, port) {
      await two.serve('serve-on', port);
      await two.call('connect-half', port);
      return undefined;
    },
  },
  {
    // In the listing of ss it goes on, but as a TIME_WAIT socket: the kernel has ended the one that nobody holds.
    what: 'is closed by the caller for good',
    caller: { state: 'FIN_WAIT2', ...over },
    host: { state: 'CLOSE_WAIT', ...open },
    async begin(two, port) {
      const host = await two.serve('serve-on', port);
      const call = await two.call('connect', port);
      return async () => {
        await two.stop(call);
        await host.said('half closed');
      };
    },
  },
  {
    what: 'is closed by both in turn, and the second is not heard',
    caller: { state: 'FIN_WAIT2', ...open },
    host: { state: 'LAST_ACK', ...open },
    async begin(two, port) {
      const host = await two.serve('serve-on', port);
      await two.call('connect-half', port);
      return async () => {
        await host.said('half closed');
        await two.sees(two.caller, port, 'FIN_WAIT2');
        two.drop(two.caller, `tcp sport ${port}`);
        await two.stop(host);
      };
    },
  },
  {
    what: 'is closed by both at once, and one of them is not heard',
    caller: { state: 'FIN_WAIT1', ...open },
    host: { state: 'CLOSING', ...open },
    async begin(two, port) {
      const host = await two.serve('serve', port);
      const call = await two.call('connect', port);
      return async () => {
        two.drop(two.caller, `tcp sport ${port}`);
        await two.stop(host);
        await two.stop(call);
      };
    },
  },
  {
    what: 'is over',
    caller: { state: 'TIME_WAIT', ...over },
    host: { state: 'gone', ...over },
    async begin(two, port) {
      await two.serve('serve', port);
      const call = await two.call('connect', port);
      return () => two.stop(call);
    },
  },
  {
    what: 'is reset by the host',
    caller: { state: 'CLOSE', ...over },
    host: { state: 'gone', ...over },
    async begin(two, port) {
      const host = await two.start(two.host, 'exec', unheld(), 'queue', HOST, String(port));
      await host.said('listening');
      const call = await two.start(two.caller, 'connect-from', String(port), HOST, String(port));
      return async () => {
        await two.stop(host);
        assert.equal(await call.said('lost'), CLOSED);
      };
    },
  },
  {
    what: 'is refused by the host',
    caller: { state: 'CLOSE', ...nothing },
    host: { state: 'gone', ...nothing },
    async begin(two, port) {
      const call = await two.start(two.caller, 'connect-from', String(port), HOST, String(port));
      assert.equal(await call.said('lost'), CLOSED);
      return undefined;
    },
  },
];

const LISTENER = 7100;
const portOf = (life: Life): number => LISTENER + 1 + lives.indexOf(life);

/** The two containers, with their jobs and filters. */
class Two {
  readonly #jobs = new Map<Job, Container>();

  constructor(
    readonly caller: Container,
    readonly host: Container,
  ) {}

  async start(container: Container, ...words: readonly string[]): Promise<Job> {
    const job = await container.start(...words);
    this.#jobs.set(job, container);
    return job;
  }

  async serve(name: 'serve' | 'serve-on', port: number): Promise<Job> {
    const words = name === 'serve' ? [HOST, '1'] : [HOST];
    const job = await this.start(this.host, name, ...words, String(port));
    await job.said('listening');
    return job;
  }

  async call(name: 'connect' | 'connect-async' | 'connect-half', port: number): Promise<Job> {
    const job = await this.start(this.caller, name, HOST, String(port));
    if (name !== 'connect-async') await job.said('connected');
    return job;
  }

  async stop(job: Job): Promise<void> {
    await this.#jobs.get(job)!.stop(job);
    this.#jobs.delete(job);
  }

  /** Ends all jobs: some end by themselves, as their peer does. */
  async stopAll(): Promise<void> {
    for (const [job, container] of this.#jobs) await Promise.race([container.stop(job), job.ended]);
  }

  /** Drops incoming segments by an expression of nft(8). */
  drop(container: Container, match: string): void {
    inNet(
      container,
      'nft',
      `add table inet silence; add chain inet silence in { type filter hook input priority 0; };
      add rule inet silence in ${match} drop;`,
    );
  }

  /** Drops nothing any more. */
  release(): void {
    for (const container of [this.caller, this.host]) inNet(container, 'nft', 'delete table inet silence;');
  }

  /** State of the connection's socket in the container by ss(8), if it lists one. */
  state(container: Container, port: number): string | undefined {
    return connectionsOf(container).get(port);
  }

  async sees(container: Container, port: number, state: State): Promise<void> {
    await eventually(
      () => this.state(container, port) === STATES[state],
      () => `${port} in ${state}, not in ${this.state(container, port)}`,
    );
  }
}

describe('The daemon, held against ss', function () {
  this.timeout(60_000);
  const keep = resources();
  let two: Two;
  let listener: Job;
  let early: Collector;
  /** Starts when every socket is in its state. */
  let late: Collector;
  let listed: string[];

  /** Both sides of a connection, as they are reported. */
  function sides(life: Life): [Side, Connection][] {
    const incoming = life.isMutual
      ? client(two.host.shortId, CALLER, portOf(life))
      : server(two.host.shortId, portOf(life), CALLER);
    return [
      [life.caller, client(two.caller.shortId, HOST, portOf(life))],
      [life.host, incoming],
    ];
  }

  /** A line for each connection: the state of either side, by ss. */
  function listing(): string[] {
    const [caller, host] = [connectionsOf(two.caller), connectionsOf(two.host)];
    return lives.map((life) => line(life, caller.get(portOf(life)), host.get(portOf(life))));
  }

  /** Waits for the last of the reports, and asserts that these are all. */
  async function reports(collector: Collector, side: Connection, all: Reports): Promise<void> {
    const last = all === 'open' ? 'open' : 'closed';
    if (all !== '') assert.equal((await history(collector, side, last)).join(' '), all);
    else assert.deepEqual(reportsAt(collector, side), []);
  }

  function endpointOfListener() {
    return endpoint(two.host.shortId, 'IPV4', LISTENER, {
      processName: 'workload',
      processExecFilePath: workload(),
      processArgs: `container ${two.host.procs}`,
    });
  }

  before(async function () {
    requires(this, isRoot, 'no root');
    two = new Two(...(await pair(keep)));
    for (const container of [two.caller, two.host]) inNet(container, 'sysctl', '-qew', ...PATIENT);
    early = await keep(Collector.start([], { env }));
    [listener] = await listening(two.host, 'serve', HOST, '1', String(LISTENER));
    const begun = [];
    for (const life of lives) begun.push(await life.begin(two, portOf(life)));
    for (const life of lives)
      for (const [side, connection] of sides(life))
        if (side.reports !== '') await history(early, connection, 'open');
    for (const enter of begun) await enter?.();
    const wanted = lives.map((life) => line(life, nameOf(life.caller), nameOf(life.host)));
    await eventually(
      () => String(listing()) === String(wanted),
      () => listing().join('\n'),
    );
    late = await keep(Collector.start([], { env }));
    await sleep(SCANS_MS);
    listed = listing();
  });

  it('is tried in every state of TCP', () => {
    const tried = lives.flatMap(({ caller, host }) => [caller.state, host.state]);
    assert.deepEqual([...new Set([...tried, 'LISTEN'])].sort(), [...Object.keys(STATES), 'gone'].sort());
  });

  it('reports a socket in LISTEN as an endpoint', async () => {
    assert.equal(listeningOf(two.host).has(LISTENER), true);
    for (const collector of [early, late])
      assert.deepEqual(await history(collector, endpointOfListener(), 'open'), ['open']);
  });

  for (const life of lives) {
    it(`reports rightly, while a connection ${life.what}: ${life.caller.state}, ${life.host.state}`, async () => {
      assert.ok(listed.includes(line(life, nameOf(life.caller), nameOf(life.host))), listed.join('\n'));
      for (const [side, connection] of sides(life)) {
        await reports(early, connection, side.reports);
        await reports(late, connection, side.reports === 'open' ? 'open' : '');
      }
    });
  }

  describe('when segments get through again', () => {
    /** Established only then. */
    const isLater = ({ caller, host }: Life) => [caller, host].some(({ state }) => /^SYN_/.test(state));

    before(async function () {
      two.release();
      for (const life of lives.filter(isLater))
        for (const [, connection] of sides(life))
          for (const collector of [early, late]) await history(collector, connection, 'open');
      await two.stopAll();
      await two.host.stop(listener);
      for (const life of lives)
        for (const [side, connection] of sides(life))
          if (isLater(life) || side.reports === 'open')
            for (const collector of [early, late]) await history(collector, connection, 'closed');
      await sleep(SCANS_MS);
    });

    it('reports the end of the endpoint once', async () => {
      for (const collector of [early, late])
        assert.deepEqual(await history(collector, endpointOfListener(), 'closed'), ['open', 'closed']);
    });

    for (const life of lives) {
      it(`reports starts and ends once, after a connection ${life.what}`, async () => {
        for (const [side, connection] of sides(life)) {
          const isEnded = isLater(life) || side.reports !== '';
          const isSeen = isLater(life) || side.reports === 'open';
          await reports(early, connection, isEnded ? 'open closed' : '');
          await reports(late, connection, isSeen ? 'open closed' : '');
        }
      });
    }
  });
});

/** All reports of the container and the port of a connection. */
function reportsAt(collector: Collector, { containerId, localAddress, remoteAddress }: Connection) {
  const port = localAddress?.port ?? remoteAddress.port;
  return collector
    .connections(containerId!)
    .filter((other) => other.localAddress?.port === port || other.remoteAddress.port === port);
}

/** As ss has it: no socket in CLOSE. */
function nameOf({ state }: Side): string | undefined {
  return state === 'gone' || state === 'CLOSE' ? undefined : STATES[state];
}

function line(life: Life, caller = 'none', host = 'none'): string {
  return `${portOf(life)} ${caller} ${host}`;
}

/** The TCP sockets of a container by ss(8): state, own port and peer's port. */
function socketsOf(container: Container): [string, number, number][] {
  return inNet(container, 'ss', '-Htan')
    .trim()
    .split('\n')
    .map((text) => {
      const [state = '', , , local = '', peer = ''] = text.split(/\s+/);
      return [state, Number(local.split(':')[1]), Number(peer.split(':')[1])];
    });
}

/** States of connections by the called port. */
function connectionsOf(container: Container): ReadonlyMap<number, string> {
  const sockets = socketsOf(container).filter(([state]) => state !== STATES.LISTEN);
  const isOurs = (port: number) => port > LISTENER && port <= LISTENER + lives.length;
  return new Map(sockets.map(([state, local, peer]) => [isOurs(local) ? local : peer, state]));
}

function listeningOf(container: Container): ReadonlySet<number> {
  return new Set(socketsOf(container).flatMap(([state, port]) => (state === STATES.LISTEN ? [port] : [])));
}

function inNet(container: Container, ...command: readonly string[]): string {
  return execFileSync('nsenter', [`--net=/proc/${container.pid}/ns/net`, ...command], { encoding: 'utf8' });
}
