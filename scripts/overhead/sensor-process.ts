import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Delivered } from './sensor.js';

const SENSOR = path.join(import.meta.dirname, 'sensor.ts');
const QUIET_MS = 50;

/** The Sensor double in a process of its own. */
export class SensorProcess {
  #address = '';
  readonly #child: ChildProcess;
  readonly #end: Promise<never>;
  #isStopped = false;

  private constructor(containers: readonly string[]) {
    this.#child = fork(SENSOR, [...containers]);
    this.#end = once(this.#child, 'close').then(() => {
      throw new Error('The Sensor double has ended.');
    });
    this.#end.catch(() => undefined);
  }

  /** @param containers ids of containers whose processes count */
  static async start(containers: readonly string[]): Promise<SensorProcess> {
    const sensor = new SensorProcess(containers);
    sensor.#address = (await sensor.#answer()) as string;
    return sensor;
  }

  /** host:port */
  get address(): string {
    return this.#address;
  }

  /** Counts, once nothing more comes in: messages may still be on their way from a Collector that has ended. */
  async delivered(): Promise<Delivered> {
    let counts = await this.#counts();
    for (;;) {
      await sleep(QUIET_MS);
      const later = await this.#counts();
      if (isDeepStrictEqual(later, counts)) return counts;
      counts = later;
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#child.kill('SIGKILL');
    await this.#end.catch(() => undefined);
  }

  async #counts(): Promise<Delivered> {
    const answer = this.#answer();
    this.#child.send('counts');
    return (await answer) as Delivered;
  }

  async #answer(): Promise<unknown> {
    const [message] = (await Promise.race([once(this.#child, 'message'), this.#end])) as [unknown];
    return message;
  }
}
