/**
 * What hooks of the kernel cost, to choose between: `npm run hooks`. Needs root, and takes some three minutes. Programs
 * that do nothing are attached sixteen times; runs with those on tracepoints, with those on functions (unless the kernel
 * refuses them) and without any take turns.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { medianOf, summarize } from './bench/statistics.js';
import { Workshop } from './bench/workshop.js';

const COPIES = 16;
const RUNS = 20;
const LOAD_MS = 1000;
const works = { tcp: 'a connection', spawn: 'a process' } as const;
type Work = keyof typeof works;
/** What the programs are attached to, by the macro of hooks.bpf.c. */
const hooks = { TRACEPOINTS: 'tracepoints', FUNCTIONS: 'functions' } as const;
type Hooks = keyof typeof hooks;

if (process.getuid?.() !== 0) {
  console.error('It loads BPF programs and makes a cgroup: run it as root.');
  process.exitCode = 1;
} else {
  await main();
}

async function main(): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
  const workshop = new Workshop(stop.signal);
  try {
    await workshop.prepare();
    const loader = path.join(workshop.folder, 'attach');
    execFileSync('gcc', ['-O2', '-o', loader, path.join(import.meta.dirname, 'bench/attach.c'), '-lbpf']);
    const taken: Hooks[] = [];
    for (const macro of ['TRACEPOINTS', 'FUNCTIONS', 'PATHS'] as const) {
      const words = refusal(macro, workshop.folder);
      if (words === undefined && macro !== 'PATHS') taken.push(macro);
      const what = macro === 'PATHS' ? 'bpf_d_path() at an exec' : hooks[macro];
      console.log(`${what}: ${words ?? 'the kernel takes them'}`);
    }
    for (const work of Object.keys(works) as Work[]) await measure(workshop, work, taken);
  } finally {
    await workshop.close();
  }
}

/** Prints what a set of hooks adds to the processor time of an operation. */
async function measure(workshop: Workshop, work: Work, taken: readonly Hooks[]): Promise<void> {
  const bare: number[] = [];
  const added = new Map<Hooks, number[]>(taken.map((one) => [one, []]));
  for (let run = 0; run < RUNS; run++) {
    const cost = (await workshop.load(work, LOAD_MS)).cpu;
    bare.push(cost);
    for (const [one, costs] of added) {
      const detach = await attach(one, workshop.folder);
      costs.push(((await workshop.load(work, LOAD_MS)).cpu - cost) / COPIES);
      await detach();
    }
  }
  console.log(`${works[work]} takes ${medianOf(bare).toFixed(0)} ns; what one set of hooks adds:`);
  for (const [one, costs] of added) {
    const { median, min, max } = summarize(costs);
    console.log(`  ${hooks[one]}: ${median.toFixed(0)} ns (${min.toFixed(0)} to ${max.toFixed(0)})`);
  }
}

/** @returns ends it */
async function attach(variant: string, folder: string): Promise<() => Promise<void>> {
  const loader = spawn(path.join(folder, 'attach'), [object(variant, folder)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(loader, 'close');
  const isAttached = await Promise.race([
    once(loader.stdout, 'data').then(() => true),
    ended.then(() => false),
  ]);
  if (!isAttached) throw new Error(`The kernel does not take the programs of ${variant}.`);
  return async () => {
    loader.stdin.end();
    await ended;
  };
}

function object(variant: string, folder: string): string {
  return path.join(folder, `${variant}.o`);
}

/** Compiles programs, and tries them. @returns the kernel's words if it does not take them */
function refusal(macro: string, folder: string): string | undefined {
  const source = path.join(import.meta.dirname, 'bench/hooks.bpf.c');
  const headers = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', `-D${macro}`, '-I', headers];
  execFileSync('clang', [...flags, '-c', source, '-o', object(macro, folder)]);
  const { status, stderr } = spawnSync(path.join(folder, 'attach'), [object(macro, folder)], {
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  const lines = stderr.split('\n');
  const find = (words: string) => lines.find((line) => line.includes(words));
  return find('not allowed') ?? find('load failed') ?? stderr.trim();
}
