/** Two containers, and jobs of theirs that the specs of connections start. */
import { Container, type Job, wire } from './container.js';
import type { resources } from './resources.js';

/** Two containers on one wire. */
export async function pair(keep: ReturnType<typeof resources>): Promise<[Container, Container]> {
  const two: [Container, Container] = [await keep(Container.create()), await keep(Container.create())];
  wire(...two);
  return two;
}

/** Starts a job that listens; the job, and the port. */
export async function listening(container: Container, ...words: readonly string[]): Promise<[Job, number]> {
  const job = await container.start(...words);
  return [job, Number(await job.said('listening'))];
}

/** Starts a job that keeps one connection open. */
export async function connected(container: Container, address: string, port: number): Promise<Job> {
  const job = await container.start('connect', address, String(port));
  await job.said('connected');
  return job;
}
