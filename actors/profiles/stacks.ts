import type { HeapProfiler, Profiler, Runtime } from 'node:inspector';
import { HEAP_INTERVAL_BYTES, type RawProfile } from './sampler.js';

const NS_PER_MS = 1e6;
/** V8's function for looks at an idle stack: no processor time. */
const IDLE = '(idle)';

/** A call of a function, within the frames above it. */
export interface Frame {
  readonly callFrame: Runtime.CallFrame;
  readonly caller?: Frame;
}

/** The samples at one place. */
export interface Stack {
  readonly frame: Frame;
  /** Of generated code, from 1; undefined: the place in the function is unknown. */
  readonly line?: number;
  /** One for each type of value. */
  readonly values: readonly number[];
}

/** A quantity and its unit, by pprof's names. */
export type ValueType = readonly [type: string, unit: string];

/** A profile in pprof's terms. */
export interface SampledProfile {
  /** ms since 1970, and ms. */
  readonly time: number;
  readonly duration: number;
  /** In reverse order of display. */
  readonly types: readonly ValueType[];
  /** From one sample to the next, in the unit of the last type. */
  readonly period: number;
  readonly stacks: readonly Stack[];
}

/** Converts a profile from V8's form. */
export function sampledProfile(raw: RawProfile): SampledProfile {
  const { time, duration } = raw;
  if (raw.kind === 'heap') {
    const types = [['inuse_space', 'bytes']] as const;
    return { time, duration, types, period: HEAP_INTERVAL_BYTES, stacks: heapStacks(raw.head) };
  }
  // Late or missing looks make the others count for more.
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
  // The first is the root and no function.
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
