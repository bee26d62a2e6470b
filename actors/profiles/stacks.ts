import type { HeapProfiler, Profiler, Runtime } from 'node:inspector';
import { HEAP_INTERVAL_BYTES, type RawProfile } from './sampler.js';

const NS_PER_MS = 1e6;
/** Where V8 puts looks at a stack that nothing ran on: no processor time. */
const IDLE = '(idle)';

/** A call of a function, within those above it. */
export interface Call {
  readonly frame: Runtime.CallFrame;
  readonly caller?: Call;
}

/** What was sampled at one place. */
export interface Stack {
  readonly call: Call;
  /** Of generated code, from 1; undefined: it is not known where in the function. */
  readonly line?: number;
  /** One for each type of value. */
  readonly values: readonly number[];
}

/** A quantity: what, and in what, as pprof calls them. */
export type ValueType = readonly [type: string, unit: string];

/** What pprof is told of a profile. */
export interface Sampled {
  /** ms since 1970, and ms. */
  readonly time: number;
  readonly duration: number;
  /** What is shown first stands last. */
  readonly types: readonly ValueType[];
  /** From one sample to the next, in the unit of the last type. */
  readonly period: number;
  readonly stacks: readonly Stack[];
}

/** The stacks of a profile as V8 has it. */
export function sampled(raw: RawProfile): Sampled {
  const { time, duration } = raw;
  if (raw.kind === 'heap') {
    const types = [['inuse_space', 'bytes']] as const;
    return { time, duration, types, period: HEAP_INTERVAL_BYTES, stacks: heapStacks(raw.head) };
  }
  // Looks that come late or never make the others count for more.
  const period = raw.samples === 0 ? 0 : (duration * NS_PER_MS) / raw.samples;
  return {
    time,
    duration,
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    period,
    stacks: cpuStacks(raw.nodes, period),
  };
}

function cpuStacks(nodes: readonly Profiler.ProfileNode[], period: number): Stack[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stacks: Stack[] = [];
  const add = (call: Call, count: number, line?: number) => {
    if (count === 0) return;
    stacks.push({ call, values: [count, Math.round(count * period)], ...(line !== undefined && { line }) });
  };
  const visit = (node: Profiler.ProfileNode, caller?: Call): void => {
    if (node.callFrame.functionName === IDLE) return;
    const call = callOf(node.callFrame, caller);
    let rest = node.hitCount ?? 0;
    for (const { line, ticks } of node.positionTicks ?? []) {
      add(call, ticks, line);
      rest -= ticks;
    }
    add(call, rest);
    for (const id of node.children ?? []) visit(byId.get(id)!, call);
  };
  // The first is the root, which is no function.
  for (const id of nodes[0]?.children ?? []) visit(byId.get(id)!);
  return stacks;
}

function heapStacks(head: HeapProfiler.SamplingHeapProfileNode): Stack[] {
  const stacks: Stack[] = [];
  const visit = (node: HeapProfiler.SamplingHeapProfileNode, caller?: Call): void => {
    const call = callOf(node.callFrame, caller);
    if (node.selfSize > 0) stacks.push({ call, values: [node.selfSize] });
    for (const child of node.children) visit(child, call);
  };
  for (const child of head.children) visit(child);
  return stacks;
}

function callOf(frame: Runtime.CallFrame, caller: Call | undefined): Call {
  return caller === undefined ? { frame } : { frame, caller };
}
