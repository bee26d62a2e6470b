import { Container, inNetworkOf, wire, WIRE, type Job } from '../lab/container.js';
import type { Resource } from '../lab/resource.js';
import type { Counts } from './counts.js';

/** How much a load makes. */
export interface Pace {
  /** Programs a second. */
  readonly execs: number;
  /** Programs for each connection. */
  readonly every: number;
}

/** Addresses of the called container, one for each connection; from `FIRST_ADDRESS` on. */
const CALLED = '10.112.0.0/16';
const FIRST_ADDRESS = '10.112.0.1';
/** The first address as a number. */
export const FIRST = (10 << 24) | (112 << 16) | 1;

/**
 * A container with programs and connections numbered from 0, and another as their peer: each program has its number
 * as an argument, each connection an address of its own.
 */
export class Load implements Resource {
  readonly #caller: Container;
  readonly #called: Container;
  readonly #port: string;
  #job: Job | undefined;

  private constructor(caller: Container, called: Container, port: string) {
    this.#caller = caller;
    this.#called = called;
    this.#port = port;
  }

  static async create(): Promise<Load> {
    const caller = await Container.create();
    let called: Container | undefined;
    try {
      called = await Container.create();
      wire(caller, called);
      inNetworkOf(caller.pid, [`route add ${CALLED} via ${WIRE.v4[1]}`]);
      inNetworkOf(called.pid, [`route add local ${CALLED} dev lo`]);
      const server = await called.start('serve-all', '0.0.0.0');
      return new Load(caller, called, await server.said('listening'));
    } catch (error) {
      await called?.remove();
      await caller.remove();
      throw error;
    }
  }

  /** The container of the programs, and of the connecting sides. */
  get container(): Container {
    return this.#caller;
  }

  /** Ids of both containers, as in messages. */
  get containers(): readonly string[] {
    return [this.#caller.shortId, this.#called.shortId];
  }

  async start({ execs, every }: Pace): Promise<void> {
    this.#job = await this.#caller.start('churn', String(execs), String(every), FIRST_ADDRESS, this.#port);
  }

  /** Ends the load. @returns how much it made */
  async stop(): Promise<Counts> {
    const job = this.#job!;
    await this.#caller.stop(job);
    const [execs = 0, connections = 0] = (await job.said('made')).split(' ').map(Number);
    return { execs, connections };
  }

  async remove(): Promise<void> {
    await this.#caller.remove();
    await this.#called.remove();
  }
}
