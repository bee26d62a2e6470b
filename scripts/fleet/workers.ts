import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import { together, type FleetNode, type Simulated, type Simulation } from './simulate.js';
import type { Task } from './worker.js';

/** Nodes of a task: a second's work. */
const TASK_NODES = 20;
const PROGRAM = path.join(import.meta.dirname, 'worker.ts');

/** Processes that simulate nodes, one for each processor. They end with this one. */
export class Workers {
  readonly #workers = Array.from({ length: os.availableParallelism() }, () =>
    fork(PROGRAM, { serialization: 'advanced' }),
  );

  /**
   * Simulates nodes on all processors.
   * @param onNodes called with the number of nodes done since the call before
   * @throws Error if a worker ends, or the reason of `signal`
   */
  async simulate(
    nodes: readonly FleetNode[],
    simulation: Simulation,
    signal: AbortSignal,
    onNodes: (count: number) => void,
  ): Promise<Simulated> {
    const tasks: Task[] = [];
    for (let at = 0; at < nodes.length; at += TASK_NODES)
      tasks.push({ nodes: nodes.slice(at, at + TASK_NODES), simulation });
    const left = tasks.values();
    const parts: Simulated[] = [];
    const ended = new AbortController();
    const any = AbortSignal.any([signal, ended.signal]);
    const onExit = (): void => ended.abort(new Error('A process of the simulation has ended'));
    const work = async (worker: ChildProcess): Promise<void> => {
      worker.once('exit', onExit);
      for (const task of left) {
        any.throwIfAborted();
        worker.send(task);
        const [part] = (await once(worker, 'message', { signal: any })) as [Simulated];
        parts.push(part);
        onNodes(task.nodes.length);
      }
      worker.off('exit', onExit);
    };
    await Promise.all(this.#workers.map(work));
    return together(parts, simulation.span);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.exitCode !== null || worker.signalCode !== null) return;
        const exit = once(worker, 'exit');
        worker.kill();
        await exit;
      }),
    );
  }
}
