import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CampaignResult } from './campaign.js';
import type { ChildMessage, Job } from './child.js';
import { readCurrentInput, type Tried } from './current-input.js';
import type { TargetName } from './targets.js';

/** From one look at the process to the next, ms. */
const LOOK_MS = 1000;
/** Looks that may find it at the same input: all take milliseconds, but the machine may be busy. */
const MOST_LOOKS = 30;
/** Heap of the process with the target, MiB. */
const HEAP_MIB = 768;
/** Characters kept of its standard error, the last ones. */
const KEPT_OUTPUT = 4000;

export interface FuzzOptions extends Omit<Job, 'file'> {
  readonly onBroken: (broken: FoundInput) => void;
  readonly onDone: (target: TargetName, result: CampaignResult) => void;
}

/** An input with a broken property of a target. */
export interface FoundInput {
  readonly target: TargetName;
  readonly key: string;
  readonly message: string;
  readonly input: Buffer;
}

/**
 * Tries inputs in a process of its own. Its hang, its crash and its want of memory count as broken properties of the
 * input tried last; then the other targets have their turn.
 */
export async function fuzz({ onBroken, onDone, ...job }: FuzzOptions): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-'));
  const file = path.join(folder, 'input');
  try {
    writeFileSync(file, '');
    for (let targets = job.targets; targets.length > 0;) {
      const end = await tried({ ...job, targets, file }, { onBroken, onDone });
      if (end === undefined) return;
      const last = end.last;
      const target = targets[last?.target ?? 0]!;
      onBroken({ target, key: end.reason, message: end.reason, input: last?.input ?? Buffer.alloc(0) });
      targets = targets.slice((last?.target ?? 0) + 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns why the process ended before its time, and the input it had then */
async function tried(
  job: Job,
  { onBroken, onDone }: Pick<FuzzOptions, 'onBroken' | 'onDone'>,
): Promise<{ readonly reason: string; readonly last: Tried | undefined } | undefined> {
  const child = fork(path.join(import.meta.dirname, 'child.ts'), [JSON.stringify(job)], {
    execArgv: ['--import', 'tsx', '--expose-gc', `--max-old-space-size=${HEAP_MIB}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let output = '';
  let isOver = false as boolean;
  child
    .stderr!.setEncoding('utf8')
    .on('data', (text: string) => (output = (output + text).slice(-KEPT_OUTPUT)));
  child.on('message', (message: ChildMessage) => {
    if (message.is === 'over') isOver = child.kill('SIGKILL');
    else if (message.is === 'done') onDone(message.target, message.result);
    else onBroken({ ...message, input: Buffer.from(message.input, 'base64') });
  });
  let [count, looks] = [0n, 0];
  const timer = setInterval(() => {
    const now = readCurrentInput(job.file)?.count ?? 0n;
    looks = now === count ? looks + 1 : 0;
    count = now;
    if (looks > MOST_LOOKS) child.kill('SIGKILL');
  }, LOOK_MS);
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (isOver) return undefined;
    const reason =
      looks > MOST_LOOKS
        ? `it hangs: an input takes over ${(MOST_LOOKS * LOOK_MS) / 1000} s`
        : `its process ended with ${signal ?? code}: ${output}`;
    return { reason, last: readCurrentInput(job.file) };
  } finally {
    clearInterval(timer);
    process.off('exit', kill);
  }
}
