import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unifiedHierarchy, Workshop } from '../bench/workshop.js';
import { KernelThreads } from './kernel-threads.js';
import { finish, WITH_PARENT } from './process.js';
import { OWN_NETWORK, processorTimeOf, signalAll, type Spot } from './spot.js';

/** Where work is done: in two containers, or in two cgroups of the host with the same network. */
export const places = ['containers', 'host'] as const;
export type Place = (typeof places)[number];

/** The two ends of a workload; one with a single end is a client. */
export interface Spots {
  readonly server: Spot;
  readonly client: Spot;
}

/** Processor time until now, ns. */
export interface ProcessorTime {
  /** Of a workload: clients and servers. */
  readonly work: number;
  readonly agent: number;
  /** Of the kernel's threads: they work for all. */
  readonly kernel: number;
}

/** The server's; not of 127.0.0.0/8, which Collector leaves out. */
export const ADDRESS = '10.99.0.1';
const CLIENT_ADDRESS = '10.99.0.2';
/** Of a container's id. */
const ID_BYTES = 32;
const SHORT_ID = 12;
const ATTEMPTS = 300;
const ATTEMPT_MS = 10;
const HOLDER = ['unshare', '--net', 'sh', '-c', 'echo up; exec sleep infinity'];
/**
 * No TIME_WAIT: one tuple after the other would be taken, and each connect would search longer for a free port.
 */
const SETTING_UP = `ip link set lo up && ip link set eth0 up && ip address add "$0/24" dev eth0 &&
  echo 0 >/proc/sys/net/ipv4/tcp_max_tw_buckets && echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range`;

/**
 * A piece of the node for workloads and agents: cgroups, and two network namespaces joined by a pair of interfaces.
 * Everything is gone after `close`.
 *
 * Processor time is taken by cgroup: the kernel counts each change of tasks there in ns, while /proc/stat only looks
 * at its ticks who is running. A soft interrupt counts to its interrupted task; on an idle processor to nobody.
 */
export class Site {
  readonly workshop: Workshop;
  readonly stop: AbortSignal;
  /** Outside containers, in the host's network. */
  readonly agent: Spot;
  readonly #pod: string;
  readonly #cgroups: Readonly<Record<Place, readonly [server: string, client: string]>>;
  readonly #networks: ChildProcess[] = [];
  readonly #kernelThreads = new KernelThreads();

  private constructor(stop: AbortSignal) {
    this.stop = stop;
    this.#pod = path.join(unifiedHierarchy(), `collector-overhead-${process.pid}`);
    const cgroup = (name: string) => path.join(this.#pod, name);
    const container = () => cgroup(randomBytes(ID_BYTES).toString('hex'));
    this.agent = { cgroup: cgroup('agent'), network: OWN_NETWORK };
    this.#cgroups = {
      containers: [container(), container()],
      host: [cgroup('server'), cgroup('client')],
    };
    this.workshop = new Workshop(stop);
  }

  /** @param stop kills all processes */
  static async make(stop: AbortSignal): Promise<Site> {
    const site = new Site(stop);
    try {
      for (const cgroup of site.#allCgroups) mkdirSync(cgroup, { recursive: true });
      await site.#connect();
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  /** Their ids, as Sensor gets them. */
  get containers(): readonly string[] {
    return this.#cgroups.containers.map((cgroup) => path.basename(cgroup).slice(0, SHORT_ID));
  }

  spots(place: Place): Spots {
    const [server, client] = this.#cgroups[place];
    return {
      server: { cgroup: server, network: this.#network(0) },
      client: { cgroup: client, network: this.#network(1) },
    };
  }

  processorTime(): ProcessorTime {
    const cgroups = Object.values(this.#cgroups).flat();
    return {
      work: cgroups.reduce((sum, cgroup) => sum + processorTimeOf(cgroup), 0),
      agent: processorTimeOf(this.agent.cgroup),
      kernel: this.#kernelThreads.time(),
    };
  }

  /** Ends all processes, and removes everything. */
  async close(): Promise<void> {
    for (const holder of this.#networks) holder.kill('SIGKILL');
    for (const cgroup of this.#allCgroups.filter((one) => existsSync(one)))
      for (let attempt = 1; !isRemoved(cgroup, attempt === ATTEMPTS); attempt++) await sleep(ATTEMPT_MS);
    if (existsSync(this.#pod)) rmdirSync(this.#pod);
    await this.workshop.close();
  }

  get #allCgroups(): readonly string[] {
    return [...Object.values(this.#cgroups).flat(), this.agent.cgroup];
  }

  #network(index: 0 | 1): string {
    return `/proc/${this.#networks[index]!.pid}/ns/net`;
  }

  async #connect(): Promise<void> {
    for (let count = 0; count < 2; count++) {
      const holder = spawn('setpriv', [...WITH_PARENT, ...HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] });
      this.#networks.push(holder);
      const hasEnded = once(holder, 'close').then(() => true);
      if (await Promise.race([once(holder.stdout, 'data').then(() => false), hasEnded]))
        throw new Error('A network namespace can not be made.');
    }
    const client = String(this.#networks[1]!.pid);
    const run = (index: 0 | 1, ...command: string[]) =>
      finish(['nsenter', `--net=${this.#network(index)}`, ...command], this.stop);
    await run(0, 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client);
    await run(0, 'sh', '-ec', SETTING_UP, ADDRESS);
    await run(1, 'sh', '-ec', SETTING_UP, CLIENT_ADDRESS);
  }
}

/** Removes a cgroup. @returns false if a process just killed is still in it */
function isRemoved(cgroup: string, isLast: boolean): boolean {
  signalAll(cgroup, 'SIGKILL');
  try {
    rmdirSync(cgroup);
    return true;
  } catch (error) {
    if (isLast || (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    return false;
  }
}
