import type { HeapProfiler, Profiler, Session } from 'node:inspector';

/**
 * A look at the stack every 10 ms, as Go and gperftools take it: less than 5 % of the time even under full load (see
 * scripts/bench/profile.ts).
 */
export const CPU_INTERVAL_US = 10_000;
/** Bytes from one sampled allocation to the next, on average: V8's own default. The heap is a small one. */
export const HEAP_INTERVAL_BYTES = 32 * 1024;

/** V8's samples in the form of the DevTools protocol, reduced to the fields needed here. */
export type RawProfile = {
  /** Start, ms since 1970. */
  readonly time: number;
  /** Length, ms. */
  readonly duration: number;
} & (
  | {
      readonly kind: 'cpu';
      /** Number of looks at the stack, idle ones included. */
      readonly samples: number;
      readonly nodes: readonly Profiler.ProfileNode[];
    }
  | {
      readonly kind: 'heap';
      /** Root of the calls behind the allocations still alive. */
      readonly head: HeapProfiler.SamplingHeapProfileNode;
    }
);

/** Takes samples from `start` to `stop`. */
export interface Sampler {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<RawProfile>;
}

/** Samples the processor time of this process's JavaScript. */
export const cpuSampler = (): Sampler =>
  new InspectorSampler(
    async (post) => {
      await post('Profiler.enable');
      await post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US });
      await post('Profiler.start');
    },
    async (post, times) => {
      const { profile } = (await post('Profiler.stop')) as Profiler.StopReturnType;
      return { kind: 'cpu', ...times(), samples: profile.samples?.length ?? 0, nodes: profile.nodes };
    },
  );

/** Samples allocations of this process's JavaScript on V8's heap. Memory outside of it (typed arrays) is left out. */
export const heapSampler = (): Sampler =>
  new InspectorSampler(
    async (post) => {
      await post('HeapProfiler.startSampling', { samplingInterval: HEAP_INTERVAL_BYTES });
    },
    async (post, times) => {
      const { profile } = (await post('HeapProfiler.stopSampling')) as HeapProfiler.StopSamplingReturnType;
      return { kind: 'heap', ...times(), head: profile.head };
    },
  );

type Post = (method: string, params?: object) => Promise<unknown>;
type SampleTimes = () => Pick<RawProfile, 'time' | 'duration'>;

/** Has a session of the inspector from start to stop only, so that idle profiles cost nothing. */
class InspectorSampler implements Sampler {
  #session: Session | undefined;
  #time = 0;
  #start = 0;
  readonly #begin: (post: Post) => Promise<void>;
  readonly #end: (post: Post, times: SampleTimes) => Promise<RawProfile>;

  constructor(
    begin: (post: Post) => Promise<void>,
    end: (post: Post, times: SampleTimes) => Promise<RawProfile>,
  ) {
    this.#begin = begin;
    this.#end = end;
  }

  async start(): Promise<void> {
    const { Session } = await import('node:inspector');
    this.#session = new Session();
    this.#session.connect();
    try {
      await this.#begin(this.#post);
    } catch (error) {
      this.#session.disconnect();
      throw error;
    }
    this.#time = Date.now();
    this.#start = performance.now();
  }

  async stop(): Promise<RawProfile> {
    const duration = performance.now() - this.#start;
    try {
      return await this.#end(this.#post, () => ({ time: this.#time, duration }));
    } finally {
      this.#session?.disconnect();
      this.#session = undefined;
    }
  }

  readonly #post: Post = (method, params = {}) =>
    new Promise((resolve, reject) => {
      this.#session?.post(method, params, (error, result) => {
        if (error === null) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
}
