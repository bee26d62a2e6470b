/**
 * Measures kernel hooks by themselves: `npm run hooks`. Needs root and some three minutes. Empty programs are attached
 * sixteen times, to tracepoints or to functions (fentry); runs with and without them take turns.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { medianOf, summarize } from './bench/statistics.js';
import { Workshop } from './bench/workshop.js';
import { command } from './command.js';

const COPIES = 16;
const RUNS = 20;
const LOAD_MS = 1000;
const works = { tcp: 'a connection', spawn: 'a process' } as const;
type HookedWork = keyof typeof works;
/** Kinds of hooks, by macro of hooks.bpf.c. */
const hooks = { TRACEPOINTS: 'tracepoints', FUNCTIONS: 'functions' } as const;
type Hooks = keyof typeof hooks;

await command(main);

/** Prints the programs accepted by the kernel, and their cost. @returns true */
async function main(): Promise<boolean> {
  if (process.getuid?.() !== 0) throw new Error('It loads BPF programs and makes a cgroup: run it as root.');
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
  const workshop = new Workshop(stop.signal);
  try {
    await workshop.prepare();
    await workshop.compile('attach', '-lbpf');
    const isTaken = (macro: string, what: string): boolean => {
      const words = loadError(macro, workshop.folder);
      console.log(`${what}: ${words ?? 'the kernel takes them'}`);
      return words === undefined;
    };
    isTaken('PATHS', 'bpf_d_path() at an exec');
    const taken = (Object.keys(hooks) as Hooks[]).filter((macro) => isTaken(macro, hooks[macro]));
    for (const work of Object.keys(works) as HookedWork[]) await measureHooks(workshop, work, taken);
    return true;
  } finally {
    await workshop.close();
  }
}

/** Prints the processor time added to an operation by one set of hooks. */
async function measureHooks(workshop: Workshop, work: HookedWork, taken: readonly Hooks[]): Promise<void> {
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

/** Compiles programs and loads them once. @returns the kernel's error; undefined if they load */
function loadError(macro: string, folder: string): string | undefined {
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
