import type { HeapProfiler, Profiler, Runtime } from 'node:inspector';
import { HEAP_INTERVAL_BYTES, type RawProfile } from './sampler.js';

const NS_PER_MS = 1e6;
/** Where V8 puts looks at a stack that nothing ran on: no processor time. */
const IDLE = '(idle)';

/** A frame of a function, within those above it. */
export interface Frame {
  readonly callFrame: Runtime.CallFrame;
  readonly caller?: Frame;
}

/** What was sampled at one place. */
export interface Stack {
  readonly frame: Frame;
  /** Of generated code, from 1; undefined: it is not known where in the function. */
  readonly line?: number;
  /** One for each type of value. */
  readonly values: readonly number[];
}

/** A quantity: what, and in what, as pprof calls them. */
export type ValueType = readonly [type: string, unit: string];

/** What pprof is told of a profile. */
export interface SampledProfile {
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
export function sampledProfile(raw: RawProfile): SampledProfile {
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
  const add = (frame: Frame, count: number, line?: number) => {
    if (count === 0) return;
    stacks.push({ frame, values: [count, Math.round(count * period)], ...(line !== undefined && { line }) });
  };
  const visit = (node: Profiler.ProfileNode, caller?: Frame): void => {
    if (node.callFrame.functionName === IDLE) return;
    const frame = frameOf(node.callFrame, caller);
    let rest = node.hitCount ?? 0;
    for (const { line, ticks } of node.positionTicks ?? []) {
      add(frame, ticks, line);
      rest -= ticks;
    }
    add(frame, rest);
    for (const id of node.children ?? []) visit(byId.get(id)!, frame);
  };
  // The first is the root, which is no function.
  for (const id of nodes[0]?.children ?? []) visit(byId.get(id)!);
  return stacks;
}

function heapStacks(head: HeapProfiler.SamplingHeapProfileNode): Stack[] {
  const stacks: Stack[] = [];
  const visit = (node: HeapProfiler.SamplingHeapProfileNode, caller?: Frame): void => {
    const frame = frameOf(node.callFrame, caller);
    if (node.selfSize > 0) stacks.push({ frame, values: [node.selfSize] });
    for (const child of node.children) visit(child, frame);
  };
  for (const child of head.children) visit(child);
  return stacks;
}

function frameOf(callFrame: Runtime.CallFrame, caller: Frame | undefined): Frame {
  return caller === undefined ? { callFrame } : { callFrame, caller };
}
