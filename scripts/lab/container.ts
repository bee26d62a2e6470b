import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { eventually } from './eventually.js';
import type { Resource } from './resource.js';
import { workload } from './workload.js';

const SHORT_ID = 12;
const SIGTERM_STATUS = 128 + 15;

/** Where a container's cgroup is; what is not given is as a kubelet with cgroup v2 has it. */
export interface Placement {
  /** `v2`, or a controller of cgroup v1; in all the others the container stays where the specs run. */
  readonly hierarchy?: string;
  /** The cgroup's path by the container's 64 digits. */
  readonly cgroup?: (id: string) => string;
  /** It shares the host's pid namespace, as a pod with `hostPID: true` does. */
  readonly hostPids?: boolean;
  /** What its id starts with; the rest is random. */
  readonly startOfId?: string;
}

/** Mount points of the cgroup hierarchies: `v2`, and each v1 controller by its name. */
export function cgroupHierarchies(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount = '', source = ''] = line.split(' - ');
    const [type, , options = ''] = source.split(' ');
    const target = mount.split(' ')[4]!;
    if (type === 'cgroup2') found.set('v2', target);
    if (type === 'cgroup') for (const controller of options.split(',')) found.set(controller, target);
  }
  return found;
}

/** A controller of cgroup v1 that can have a container alone, if one is mounted. */
export const v1Controller = ['pids', 'memory', 'freezer'].find((controller) =>
  cgroupHierarchies().has(controller),
);

/**
 * A container as the kernel sees one: a cgroup named like a container's, a network and mostly a pid namespace. Its
 * first process is `workload container`, which forks for every job.
 */
export class Container implements Resource {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Of its first process, on the host. */
  pid = 0;
  /** The file that a process's pid is written to so that it enters the cgroup. */
  readonly procs: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  /** The cgroup's folders that were made, the deepest first. */
  readonly #folders: string[] = [];
  readonly #jobs = new Map<number, Job>();
  #isReady = false;
  #requests: Promise<unknown> = Promise.resolve();
  #awaited: ((job: Job) => void) | undefined;

  private constructor({ hierarchy = 'v2', cgroup = kubepods, hostPids = false, startOfId = '' }: Placement) {
    this.id = startOfId + randomBytes(32).toString('hex').slice(startOfId.length);
    const mount = cgroupHierarchies().get(hierarchy);
    if (mount === undefined) throw new Error(`No cgroup hierarchy of ${hierarchy} is mounted.`);
    let folder = mount;
    // A root of its own for each, so that nobody else is in the way when it is removed.
    for (const name of [`collector-test-${randomBytes(4).toString('hex')}`, ...cgroup(this.id).split('/')]) {
      if (name === '') continue;
      folder = path.join(folder, name);
      mkdirSync(folder);
      this.#folders.unshift(folder);
    }
    this.procs = path.join(folder, 'cgroup.procs');
    const job = hostPids ? 'container-host-pids' : 'container';
    this.#process = spawn(workload(), [job, this.procs], { stdio: ['pipe', 'pipe', 'inherit'] });
    // Writing to a container that has just ended is no failure: waiting for its answer reports the end.
    this.#process.stdin.on('error', () => undefined);
    createInterface(this.#process.stdout).on('line', (line) => this.#hear(line));
  }

  static async create(placement: Placement = {}): Promise<Container> {
    const container = new Container(placement);
    try {
      await eventually(() => container.#isReady && container.pid > 0, 'a container starts');
    } catch (error) {
      await container.remove();
      throw error;
    }
    return container;
  }

  /** As in messages. */
  get shortId(): string {
    return this.id.slice(0, SHORT_ID);
  }

  /** Starts a job of the workload (workload.c) in a process of its own. */
  async start(...words: readonly string[]): Promise<Job> {
    // One after the other, since the answer does not say what it is an answer to.
    const request = this.#requests.then(() => {
      const started = new Promise<Job>((resolve) => (this.#awaited = resolve));
      this.#process.stdin.write(`${words.join('\t')}\n`);
      return started;
    });
    this.#requests = request;
    return request;
  }

  /** Runs a job to its end; what it said. @throws Error if it does not end well */
  async run(...words: readonly string[]): Promise<readonly string[]> {
    const job = await this.start(...words);
    const status = await job.ended;
    if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}`);
    return job.lines;
  }

  /** Ends a job by SIGTERM. */
  async stop(job: Job): Promise<void> {
    this.#process.stdin.write(`stop\t${job.id}\n`);
    const status = await job.ended;
    if (status !== SIGTERM_STATUS) throw new Error(`A job that was stopped ended with ${status}`);
  }

  /** Ends all of its processes, which takes its namespaces along, and removes the cgroup. */
  async remove(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const closed = once(this.#process, 'close');
      this.#process.stdin.end();
      const killer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
      await closed;
      clearTimeout(killer);
    }
    for (const folder of this.#folders.splice(0)) {
      await eventually(() => removed(folder), `${folder} can be removed`);
    }
  }

  #hear(line: string): void {
    const [, id = '', text = ''] = /^(\d+) (.*)$/.exec(line) ?? [];
    if (id === '0') {
      if (text === 'ready') this.#isReady = true;
      else this.pid = Number(text.replace('pid ', ''));
    } else if (text === 'started') {
      const job = new Job(Number(id));
      this.#jobs.set(job.id, job);
      this.#awaited?.(job);
    } else {
      this.#jobs.get(Number(id))?.hear(text);
    }
  }
}

/** A job given to a container. */
export class Job {
  /** Its pid in the container. */
  readonly id: number;
  /** Its output so far. */
  readonly lines: string[] = [];
  /** Its status when it has ended. */
  readonly ended: Promise<number>;
  #end!: (status: number) => void;

  constructor(id: number) {
    this.id = id;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Waits for the line that starts with `word`; the rest of it. */
  async said(word: string): Promise<string> {
    const line = await eventually(
      () => this.lines.find((text) => text === word || text.startsWith(`${word} `)),
      () => `job ${this.id} says "${word}", and not only: ${this.lines.join(', ')}`,
    );
    return line.slice(word.length + 1);
  }

  hear(text: string): void {
    const [, status] = /^ended (\d+)$/.exec(text) ?? [];
    if (status === undefined) this.lines.push(text);
    else this.#end(Number(status));
  }
}

/** Two containers on one wire: their addresses on it. */
export const WIRE = {
  v4: ['10.111.0.1', '10.111.0.2'],
  v6: ['fd00:111::1', 'fd00:111::2'],
} as const;

/** Joins two containers by a veth pair with the addresses of `WIRE`, and sets up their loopback. It goes with them. */
export function wire(...pair: readonly [Container, Container]): void {
  const [a, b] = pair.map(({ pid }) => String(pid)) as [string, string];
  execFileSync('ip', [
    'link',
    'add',
    'name',
    'eth0',
    'netns',
    a,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    b,
  ]);
  pair.forEach(({ pid }, side) => {
    inNetworkOf(pid, [
      'link set lo up',
      `addr add ${WIRE.v4[side]!}/24 dev eth0`,
      // Nobody else can have the address, so that nothing has to wait until the kernel has asked around.
      `addr add ${WIRE.v6[side]!}/64 dev eth0 nodad`,
      'link set eth0 up',
    ]);
  });
}

/** What is on a bridge: in `members` at place i, the addresses of `LAN` for i + 1. */
export const LAN = {
  v4: (member: number) => `10.77.0.${member + 1}`,
  v6: (member: number) => `fd00:77::${(member + 1).toString(16)}`,
} as const;

/**
 * Joins the members by a bridge in the network namespace of `hub`, with their addresses of `LAN`. `outside` is on it,
 * too, with addresses of its own, which all members reach and which reach all members. It goes when they go.
 */
export function bridge(
  hub: Container,
  members: readonly Container[],
  outside: { readonly machine: Container; readonly addresses: readonly [string, ...string[]] },
): void {
  inNetworkOf(hub.pid, [
    'link add br0 type bridge mcast_snooping 0',
    'link set br0 up',
    ...[...members, outside.machine].flatMap(({ pid }, index) => [
      `link add name port${index} type veth peer name eth0 netns ${pid}`,
      `link set port${index} master br0 up`,
    ]),
  ]);
  const isV6 = (address: string) => address.includes(':');
  members.forEach((member, index) => {
    inNetworkOf(member.pid, [
      'link set lo up',
      `addr add ${LAN.v4(index)}/24 dev eth0`,
      `addr add ${LAN.v6(index)}/64 dev eth0 nodad`,
      'link set eth0 up',
      ...outside.addresses.map((address) => `route add ${address} dev eth0`),
    ]);
  });
  const source = (v6: boolean) => outside.addresses.find((address) => isV6(address) === v6)!;
  inNetworkOf(outside.machine.pid, [
    'link set lo up',
    ...outside.addresses.map((address) => `addr add ${address} dev eth0${isV6(address) ? ' nodad' : ''}`),
    'link set eth0 up',
    `route add ${LAN.v4(-1)}/24 dev eth0 src ${source(false)}`,
    `route add ${LAN.v6(-1)}/64 dev eth0 src ${source(true)}`,
  ]);
}

/**
 * Runs commands of ip(8) in the network namespace of a container, given by its pid: by nsenter, and not by
 * `ip netns exec`, which hides the cgroups.
 */
export function inNetworkOf(pid: number, commands: readonly string[]): void {
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', '-batch', '-'], { input: commands.join('\n') });
}

function kubepods(id: string): string {
  return `kubepods/besteffort/pod${randomUUID()}/${id}`;
}

/** Whether a cgroup's folder is gone now; a process that has just ended keeps it for a moment. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return false;
    throw error;
  }
}
