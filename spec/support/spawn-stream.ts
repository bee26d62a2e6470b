import { createActor } from 'xstate';
import { stream, type SpawnStream } from '../../machines/stream.js';

/** Starts each stream as a system of its own, where no runtime is the parent. */
export const spawnStream: SpawnStream = (id, input) => {
  const actor = createActor(stream, { id, input });
  // As a spawned actor does: after the caller has subscribed.
  queueMicrotask(() => actor.start());
  return actor;
};
