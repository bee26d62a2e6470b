import { setImmediate as turn } from 'node:timers/promises';
import { SocketRole } from '../layout.js';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_SYN_SENT,
} from '../linux.js';
import { RecordWriter, type AncestorSubject } from '../record-writer.js';
import { TWO_32, type Records } from '../records.js';
import type { Scanner } from '../scanner.js';
import type { Sliced } from '../slices.js';
import { ProcfsFiles } from './files.js';
import { Task } from './task.js';
import { emptyTcpRow, readTcpRows, type TcpRow } from './tcp-table.js';
import type { ProcfsProblems } from './problems.js';
import { parseSocketLink, parseStat, TICK_NS, type ContainerOf } from './text.js';

/** Contents of a scan; the kernel side has the same choices by `ProbeOptions`. */
export interface ProcfsOptions {
  /** Where the host's procfs is mounted. */
  readonly folder: string;
  /** Processes outside containers too, and their connections. */
  readonly allScopes: boolean;
  /** Connections with a loopback peer and ports listened on for the loopback alone too. */
  readonly loopback: boolean;
  /** Connections too that are not established yet. */
  readonly pending: boolean;
  /** Bound UDP sockets without a peer too. */
  readonly udpListeners: boolean;
  /** false: arguments are not wanted. */
  readonly arguments: boolean;
  /** Tells containers by their cgroups. */
  readonly names: CgroupNames;
  /** CLOCK_BOOTTIME, ns. */
  readonly now: () => number;
  /** Called once, after a scan with existing but unreadable files. */
  readonly onUnreadable: (message: string) => void;
  /** Counts unreadable files. */
  readonly problems?: ProcfsProblems;
}

/** Containers by cgroup. All existing cgroups are noted first, since some names are forged. */
export interface CgroupNames {
  begin(): void;
  note(hierarchy: string, path: string): void;
  settle(): void;
  readonly containerOf: ContainerOf;
}

/** Ancestors looked at by the kernel side (native/bpf/process-record.h), and reported (layout.h). One more: a cut. */
const ANCESTRY_DEPTH = 64;
const LINEAGE_CAPACITY = 10;

/** Listening, or established and not ended: TCP_ALIVE of native/bpf/socket-record.h. */
const VISIBLE_STATES: ReadonlySet<number> = new Set([1, 4, 5, 8, 9, 11, TCP_LISTEN]);

const TABLES = [
  { name: 'tcp', words: 1, family: AF_INET, protocol: IPPROTO_TCP },
  { name: 'tcp6', words: 4, family: AF_INET6, protocol: IPPROTO_TCP },
  { name: 'udp', words: 1, family: AF_INET, protocol: IPPROTO_UDP },
  { name: 'udp6', words: 4, family: AF_INET6, protocol: IPPROTO_UDP },
] as const;

/**
 * Set in the upper half of a scanned socket's cookie, above the bits of its inode. The kernel counts real cookies up
 * from 1 and never gets there, so neither is taken for the other.
 */
const INODE_COOKIE = 0x8000_0000;

/** Looked at in one slice: some 5 ms. */
const SLICE_PROCESSES = 100;
const SLICE_DESCRIPTORS = 500;

/** Flag PF_KTHREAD of linux/sched.h. */
const KERNEL_THREAD = 0x0020_0000;
const KTHREADD = 2;

/** Name of the self-check's program, a child of Collector with records of its own. */
const SELF_CHECK = 'self-check';

/**
 * Whether the procfs at `folder` shows the pids of the host: kernel threads are in no other pid namespace, and the
 * first of them is always number 2. Everybody may read its stat, unlike the links below /proc/1/ns.
 */
export function isHostProcfs(folder: string): boolean {
  const stat = parseStat(new ProcfsFiles(folder).text(`${KTHREADD}/stat`) ?? '');
  return stat !== undefined && (stat.flags & KERNEL_THREAD) !== 0;
}

/**
 * Scans by reading the host's procfs. Its records equal the iterators', within the limits of procfs:
 *
 * - a process's start is known to the tick (10 ms), and ProcessState allows for it;
 * - a socket's cookie is made of its inode; its role and the time of its opening are not known, and it counts for the
 *   container of the process holding it now, even if another one connected it;
 * - sockets are found in the network namespaces of processes holding any, and among the descriptors shared by all
 *   threads of a process;
 * - where Collector has a cgroup namespace of its own, the paths in it are cut off above, so processes in Collector's
 *   own container count as the host's.
 *
 * It takes some 15 µs for each process of the host, 60 µs for each visible one, and 8 µs for each socket held by a
 * visible one, with pauses between. Only the table of one namespace, and the list of one process's descriptors, are
 * read at once. Memory grows with the sockets held, not with all of the host's.
 */
export class ProcfsScanner implements Scanner {
  readonly #options: ProcfsOptions;
  readonly #files: ProcfsFiles;
  #hasReportedUnreadable = false;

  constructor(options: ProcfsOptions) {
    this.#options = options;
    this.#files = new ProcfsFiles(options.folder, options.problems);
  }

  *sockets(): Sliced<Records> {
    const writer = new RecordWriter();
    this.#files.unreadable = 0;
    yield* this.#scanSockets(writer);
    this.#reportUnreadable();
    return writer.records();
  }

  async *processes(): AsyncGenerator<Records> {
    const { now } = this.#options;
    this.#files.unreadable = 0;
    let writer = new RecordWriter();
    let seen = 0;
    const tasks = this.#tasks();
    let step = tasks.next();
    for (; step.done !== true; step = tasks.next()) await turn();
    const known = step.value;
    const task = (pid: number): Task => {
      let ancestor = known.get(pid);
      if (ancestor === undefined) known.set(pid, (ancestor = this.#task(pid)));
      return ancestor;
    };
    for (const [pid, one] of [...known]) {
      if (++seen % SLICE_PROCESSES === 0) {
        yield writer.records();
        writer = new RecordWriter();
        await turn();
      }
      if (!this.#isVisible(one)) continue;
      // Taken before anything of the process is read: an exec meanwhile counts as later.
      const time = now();
      const { membership, stat, path } = one;
      if (path === undefined && one.isLeaderless) this.#noteZombie();
      if (membership === undefined || stat === undefined || path === undefined) continue;
      const { ids } = one;
      if (ids === undefined) continue;
      writer.process({
        time,
        container: membership.container,
        pid,
        tid: one.tid,
        comm: stat.comm,
        startTime: stat.startTicks * TICK_NS,
        ppid: stat.ppid,
        ...ids,
        path,
        args: this.#options.arguments ? undefined : '',
        outermost: membership.outermost,
        cgroup: membership.cgroup,
        ...lineageOf(one, membership.container, task),
      });
    }
    this.#reportUnreadable();
    yield writer.records();
  }

  *#scanSockets(writer: RecordWriter): Sliced<void> {
    const time = this.#options.now();
    const holders = new Map<number, Task[]>();
    const namespaces = new Map<string, string[]>();
    let seen = 0;
    for (const task of (yield* this.#tasks()).values()) {
      if (++seen % SLICE_PROCESSES === 0) yield;
      if (!this.#isVisible(task) || !(yield* this.#noteSockets(task, holders))) continue;
      const namespace = this.#files.link(`${task.folder}/ns/net`);
      if (namespace === undefined) continue;
      const members = namespaces.get(namespace);
      if (members === undefined) namespaces.set(namespace, [task.folder]);
      else members.push(task.folder);
    }
    const row = emptyTcpRow();
    for (const members of namespaces.values()) {
      for (const { name, words, family, protocol } of TABLES) {
        const visit = (socket: TcpRow) => {
          const held = this.#isListed(socket, protocol) ? holders.get(socket.inode) : undefined;
          if (held !== undefined) this.#writeSocket(writer, time, socket, family, protocol, held);
        };
        // Any of them will do, as long as it is there.
        members.some((folder) => this.#readTable(`${folder}/net/${name}`, words, row, visit));
        row.local.fill(0);
        row.remote.fill(0);
        yield;
      }
    }
  }

  /** Whether a socket is visible; a UDP socket open to datagrams from anybody counts as listening, as in records. */
  #isListed(row: TcpRow, protocol: number): boolean {
    const { pending, udpListeners } = this.#options;
    if (protocol === IPPROTO_TCP)
      return VISIBLE_STATES.has(row.state) || (pending && row.state === TCP_SYN_SENT);
    if (udpListeners && row.state === TCP_CLOSE) row.state = TCP_LISTEN;
    return row.state === TCP_ESTABLISHED || row.state === TCP_LISTEN;
  }

  #readTable(path: string, words: 1 | 4, row: TcpRow, visit: (row: TcpRow) => void): boolean {
    return this.#files.stream(path, (bytes, length) => readTcpRows(bytes, length, words, row, visit));
  }

  /** Adds a process to the holders of its sockets. Returns whether it has any. */
  *#noteSockets(task: Task, holders: Map<number, Task[]>): Sliced<boolean> {
    const folder = `${task.folder}/fd`;
    const own = new Set<number>();
    let seen = 0;
    for (const descriptor of this.#files.list(folder) ?? []) {
      if (++seen % SLICE_DESCRIPTORS === 0) yield;
      const inode = parseSocketLink(this.#files.link(`${folder}/${descriptor}`) ?? '');
      if (inode !== undefined) own.add(inode);
    }
    for (const inode of own) {
      const others = holders.get(inode);
      if (others === undefined) holders.set(inode, [task]);
      else others.push(task);
    }
    return own.size > 0;
  }

  #writeSocket(
    writer: RecordWriter,
    time: number,
    row: TcpRow,
    family: number,
    protocol: number,
    held: readonly Task[],
  ): void {
    // Bound to the loopback alone, a listening socket is as private as a connection with a loopback peer.
    const side = row.state === TCP_LISTEN ? row.local : row.remote;
    if (!this.#options.loopback && isLoopbackInMemory(side, family)) return;
    for (const { pid, stat, membership } of held) {
      if (stat === undefined || membership === undefined) continue;
      writer.socket({
        time,
        container: membership.container,
        pid,
        comm: stat.comm,
        cookieLow: row.inode % TWO_32,
        cookieHigh: (INODE_COOKIE | (row.inode / TWO_32)) >>> 0,
        local: row.local,
        remote: row.remote,
        localPort: row.localPort,
        remotePort: row.remotePort,
        family,
        protocol,
        role: roleInState(row.state),
        state: row.state,
        ...(row.state === TCP_LISTEN && { startTime: stat.startTicks * TICK_NS }),
      });
    }
  }

  #task(pid: number): Task {
    const { names } = this.#options;
    return new Task(pid, this.#files, (hierarchy, path) => names.containerOf(hierarchy, path));
  }

  /** All but Collector's own, with their cgroups noted. */
  *#tasks(): Sliced<Map<number, Task>> {
    const { names } = this.#options;
    const tasks = new Map<number, Task>();
    names.begin();
    for (const pid of this.#pids()) {
      if (tasks.size % SLICE_PROCESSES === SLICE_PROCESSES - 1) yield;
      const task = this.#task(pid);
      tasks.set(pid, task);
      for (const { hierarchy, path } of task.cgroups ?? []) names.note(hierarchy, path);
    }
    names.settle();
    return tasks;
  }

  /** All but Collector's own. */
  #pids(): number[] {
    const own = this.#own();
    return this.#files.pids().filter((pid) => pid !== own);
  }

  /** Collector's pid on the host. */
  #own(): number {
    return Number(this.#files.link('self'));
  }

  #isVisible(task: Task): boolean {
    const { membership } = task;
    if (membership === undefined || (membership.container === 0 && !this.#options.allScopes)) return false;
    return task.stat?.comm !== SELF_CHECK || task.stat.ppid !== this.#own();
  }

  #noteZombie(): void {
    const { problems: problems } = this.#options;
    if (problems !== undefined) problems.counts.procfs_zombie_process++;
  }

  #reportUnreadable(): void {
    const { unreadable, firstUnreadable } = this.#files;
    if (unreadable === 0 || this.#hasReportedUnreadable) return;
    this.#hasReportedUnreadable = true;
    this.#options.onUnreadable(
      `${unreadable} files of processes can't be read, so that scans lack something: the first is ${firstUnreadable}`,
    );
  }
}

/** The ancestors in the same container; neighbours with equal paths count once. */
function lineageOf(
  task: Task,
  container: number,
  taskOf: (pid: number) => Task,
): { readonly lineage: readonly AncestorSubject[]; readonly isLineageCut: boolean } {
  const lineage: AncestorSubject[] = [];
  let child = task;
  for (let depth = 0; depth < ANCESTRY_DEPTH && lineage.length <= LINEAGE_CAPACITY; depth++) {
    const ppid = child.stat?.ppid ?? 0;
    if (ppid === 0) return { lineage, isLineageCut: false };
    const ancestor = taskOf(ppid);
    if (ancestor.membership?.container !== container) return { lineage, isLineageCut: false };
    child = ancestor;
    const { path, ids } = ancestor;
    if (path === undefined || ids === undefined) continue;
    if (lineage.at(-1)?.path !== path) lineage.push({ pid: ppid, uid: ids.uid, path });
  }
  return { lineage, isLineageCut: true };
}

/** As far as a state gives it away: a socket still waiting for its first answer is a client's. */
function roleInState(state: number): number {
  if (state === TCP_LISTEN) return SocketRole.server;
  return state === TCP_SYN_SENT ? SocketRole.client : SocketRole.unknown;
}

/** Takes words as they are in memory, little endian. */
function isLoopbackInMemory(address: Uint32Array, family: number): boolean {
  const [first, second, third, last] = address as unknown as [number, number, number, number];
  if (family === AF_INET) return (first & 0xff) === 127;
  if (first !== 0 || second !== 0) return false;
  return third === 0 ? last === 0x0100_0000 : third === 0xffff_0000 && (last & 0xff) === 127;
}
