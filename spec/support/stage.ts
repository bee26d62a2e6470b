import { Collector, type Options } from './collector.js';
import { Container, type Job, wire } from './container.js';
import type { Resource } from './resources.js';

/** Reports every second, without afterglow. */
const PROMPT = { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' };

/** Containers of one scenario and the Collector that watches them. `remove` takes all of it away. */
export class Stage implements Resource {
  readonly #args: readonly string[];
  readonly #kept: Resource[] = [];
  /** Short ids of the containers of this scenario. */
  readonly containers = new Set<string>();
  #collector: Collector | undefined;

  /** @param args of the Collector */
  constructor(args: readonly string[]) {
    this.#args = args;
  }

  /** Output of the Collector so far. */
  get stdout(): string {
    return this.#collector?.stdout ?? '';
  }

  async keep<T extends Resource>(made: T | Promise<T>): Promise<T> {
    const resource = await made;
    this.#kept.push(resource);
    return resource;
  }

  async container(): Promise<Container> {
    const container = await this.keep(Container.create());
    this.containers.add(container.shortId);
    return container;
  }

  /** Two containers on one wire. */
  async pair(): Promise<[Container, Container]> {
    const two: [Container, Container] = [await this.container(), await this.container()];
    wire(...two);
    return two;
  }

  /** Starts the Collector, and returns when it collects. */
  async collect(env: Options['env'] = {}, options: Omit<Options, 'env'> = {}): Promise<Collector> {
    const all = { ...options, env: { ...PROMPT, ...env } };
    return (this.#collector = await this.keep(Collector.start(this.#args, all)));
  }

  async remove(): Promise<void> {
    for (const resource of this.#kept.splice(0).reverse()) await resource.remove();
  }
}

/** Starts a listening job, and makes short connections to it, one after the other. */
export async function visited(
  [caller, host]: readonly [Container, Container],
  count: number,
  address: string,
  ...words: readonly string[]
): Promise<Job> {
  const job = await host.start(...words);
  await caller.run('connections', String(count), address, await job.said('listening'));
  return job;
}
