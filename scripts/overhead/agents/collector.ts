import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon } from '../../bench/daemon.js';
import type { Agent, RunningAgent } from '../agent.js';
import { SensorProcess } from '../sensor-process.js';
import type { Site } from '../site.js';

/** After the start: its scans are over, and what they left behind is cleared away. */
const REST_MS = 300;

/** Collector as it is built, with a Sensor double that outlives it. */
export class CollectorAgent implements Agent {
  readonly name = 'collector';
  readonly task = 'processes and connections of containers, to a Sensor over gRPC';
  readonly packages = [];
  readonly ages = true;
  readonly #bundle: string;
  #sensor: SensorProcess | undefined;

  /** @param bundle `dist/collector.js` */
  constructor(bundle: string) {
    this.#bundle = bundle;
  }

  async start(site: Site): Promise<RunningAgent> {
    const sensor = (this.#sensor ??= await SensorProcess.start(site.containers));
    const before = await sensor.delivered();
    const daemon = await Daemon.start(this.#bundle, [`--grpc-server=${sensor.address}`]);
    try {
      writeFileSync(path.join(site.agent.cgroup, 'cgroup.procs'), String(daemon.pid));
      await sleep(REST_MS, undefined, { signal: site.stop });
    } catch (error) {
      await daemon.kill();
      throw error;
    }
    return {
      stop: async () => {
        try {
          const { socket, lost } = await daemon.stop();
          const after = await sensor.delivered();
          return { processes: after.processes - before.processes, records: socket, lost };
        } finally {
          await daemon.kill();
        }
      },
    };
  }

  async close(): Promise<void> {
    await this.#sensor?.stop();
  }
}
