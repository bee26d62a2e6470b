import { truncateSync } from 'node:fs';
import path from 'node:path';
import type { Agent, RunningAgent } from '../agent.js';
import { Background, type Ready } from '../process.js';
import type { Site } from '../site.js';
import { signalAll } from '../spot.js';

export interface CommandAgentOptions {
  readonly name: string;
  readonly task: string;
  readonly packages?: readonly string[];
  /** A line for a shell. */
  readonly command: string;
  readonly ready: Ready;
}

/** Any program, started by its command; its output goes to a file. */
export class CommandAgent implements Agent {
  readonly name: string;
  readonly task: string;
  readonly packages: readonly string[];
  readonly ages = false;
  readonly #command: string;
  readonly #ready: Ready;

  constructor({ name, task, packages = [], command, ready }: CommandAgentOptions) {
    this.name = name;
    this.task = task;
    this.packages = packages;
    this.#command = command;
    this.#ready = ready;
  }

  async start(site: Site): Promise<RunningAgent> {
    const log = path.join(site.workshop.folder, `${this.name}.log`);
    const background = await Background.start({
      name: this.name,
      command: ['sh', '-c', this.#command],
      spot: site.agent,
      ready: this.#ready,
      log,
      stop: site.stop,
    });
    return {
      stop: async () => {
        signalAll(site.agent.cgroup, 'SIGTERM');
        await background.stop();
        signalAll(site.agent.cgroup, 'SIGKILL');
        truncateSync(log);
        return undefined;
      },
    };
  }
}
