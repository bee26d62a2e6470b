import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const native = path.resolve(import.meta.dirname, '../../native');

/**
 * Bounds of the verifier, check_max_stack_depth() in kernel/bpf/verifier.c: all frames of a chain of calls together,
 * each rounded up, and the calls. Later kernels round to 16 and take what 5.15 and 6.1 refuse.
 */
const STACK = 512;
const ROUNDING = 32;
const CALLS = 8;

interface Frame {
  /** The deepest byte of its stack. */
  depth: number;
  readonly callees: Set<string>;
}

/** @returns the functions of clang's listing, by name */
function framesOf(listing: string): Map<string, Frame> {
  const frames = new Map<string, Frame>();
  let frame: Frame | undefined;
  let pointer = '';
  for (const line of listing.split('\n')) {
    const label = /^([a-z_]\w*):/.exec(line)?.[1];
    if (label !== undefined) frames.set(label, (frame = { depth: 1, callees: new Set() }));
    const callee = /\tcall ([a-z_]\w*)/.exec(line)?.[1];
    if (callee !== undefined) frame?.callees.add(callee);
    // r10 is the frame's end: *(u64 *)(r10 - 8) = r1, or r2 = r10 followed by r2 += -8.
    const [, direct, register, indirect] = /\(r10 - (\d+)\)|\t(r\d) \+= -(\d+)$/.exec(line) ?? [];
    const offset = direct ?? (register === pointer ? indirect : undefined);
    if (frame !== undefined && offset !== undefined) frame.depth = Math.max(frame.depth, Number(offset));
    pointer = /\t(r\d) = r10$/.exec(line)?.[1] ?? '';
  }
  return frames;
}

/** @returns the chain of calls from a function that takes the most stack, with its bytes */
function deepest(frames: ReadonlyMap<string, Frame>, name: string): { chain: string[]; bytes: number } {
  const { depth, callees } = frames.get(name)!;
  const below = [...callees].filter((callee) => frames.has(callee)).map((callee) => deepest(frames, callee));
  const worst = below.reduce((most, one) => (one.bytes > most.bytes ? one : most), { chain: [], bytes: 0 });
  return { chain: [name, ...worst.chain], bytes: Math.ceil(depth / ROUNDING) * ROUNDING + worst.bytes };
}

function longest(frames: ReadonlyMap<string, Frame>, name: string): number {
  const callees = [...frames.get(name)!.callees].filter((callee) => frames.has(callee));
  return 1 + Math.max(0, ...callees.map((callee) => longest(frames, callee)));
}

describe('the stack of the BPF programs', function () {
  this.timeout(60_000);
  for (const object of ['collector', 'collector-5.8', 'collector-without-btf']) {
    it(`is within the bounds of older kernels: ${object}`, () => {
      const listing = `build/${object}.bpf.s`;
      execFileSync('make', ['--silent', '-C', native, listing], { stdio: ['ignore', 'ignore', 'inherit'] });
      const frames = framesOf(readFileSync(path.join(native, listing), 'utf8'));
      assert.ok(frames.has('socket_state') && frames.size > 30, 'the listing is not as expected');
      for (const name of frames.keys()) {
        const { chain, bytes } = deepest(frames, name);
        assert.ok(bytes <= STACK, `${bytes} bytes of stack: ${chain.join(' → ')}`);
        assert.ok(longest(frames, name) <= CALLS, `${longest(frames, name)} calls from ${name}`);
      }
    });
  }
});
