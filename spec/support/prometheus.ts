import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { ask } from '../http/support.js';
import { eventually } from './eventually.js';
import type { Resource } from './resources.js';
import { scratchFolder } from './workload.js';

const PATIENCE_MS = 30_000;

/** A Prometheus that scrapes one Collector each second, as the job `collector` on the node `here`. */
export class Prometheus implements Resource {
  readonly #process: ChildProcess;
  readonly #address: string;
  /** The end of what it said. */
  #said = '';

  private constructor(process: ChildProcess, address: string) {
    this.#process = process;
    this.#address = address;
    process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4096);
    });
  }

  /** @param target host:port of the metrics */
  static async start(target: string): Promise<Prometheus> {
    const folder = mkdtempSync(path.join(scratchFolder(), 'prometheus-'));
    const config = path.join(folder, 'prometheus.yml');
    writeFileSync(
      config,
      `scrape_configs:\n- job_name: collector\n  scrape_interval: 1s\n  static_configs:\n` +
        `  - targets: ['${target}']\n    labels: {node: here}\n`,
    );
    const address = `127.0.0.1:${await freePort()}`;
    const started = spawn(
      'prometheus',
      [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    return new Prometheus(started, address);
  }

  /** Values of what an expression gives now; undefined while it answers nothing, or with an error. */
  async query(expression: string): Promise<number[] | undefined> {
    const url = `/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { status, text } = await ask(this.#address, url).catch(() => ({ status: 0, text: '' }));
    if (status !== 200) return undefined;
    const { data } = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    return data.result.map(({ value: [, value] }) => Number(value));
  }

  /** Waits until an expression gives a value that is a number, and at least `least`. */
  async shows(expression: string, least = -Infinity): Promise<void> {
    await eventually(
      async () => (await this.query(expression))?.some((value) => value >= least),
      () => `${expression}; it said ${this.#said}`,
      PATIENCE_MS,
    );
  }

  async remove(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'close');
  }
}

/** A port that was free a moment ago, since Prometheus cannot say which one it took. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
