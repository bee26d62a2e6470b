import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encoder } from '../../actors/profiles/encode.js';
import type { RawProfile } from '../../actors/profiles/sampler.js';
import { scratchFolder } from '../support/workload.js';

const RAW: RawProfile = { kind: 'cpu', time: 0, duration: 7, samples: 0, nodes: [] };

describe('The thread that converts a profile', () => {
  const folder = path.join(scratchFolder(), 'threads');
  before(() => mkdirSync(folder));
  after(() => rmSync(folder, { recursive: true }));

  /** Converts by a thread of this code. */
  const convert = async (code: string): Promise<Buffer> => {
    const file = path.join(folder, 'thread.mjs');
    writeFileSync(file, `import { parentPort, workerData } from 'node:worker_threads';\n${code}`);
    return encoder(file)(RAW);
  };

  it('is given the profile, and what it makes is the result', async () => {
    const made = await convert('parentPort.postMessage(Buffer.from(`of ${workerData.duration} ms`));');
    assert.equal(made.toString(), 'of 7 ms');
  });

  it('is ended when there is the result', async () => {
    const trace = path.join(folder, 'trace');
    await convert(
      `import { writeFileSync } from 'node:fs';
       setInterval(() => writeFileSync(${JSON.stringify(trace)}, ''), 5);
       parentPort.postMessage(Buffer.from(''));`,
    );
    rmSync(trace, { force: true });
    await sleep(200);
    assert.ok(!existsSync(trace), 'it does nothing more');
  });

  it('says why it fails', async () => {
    await assert.rejects(convert('throw new Error("no such line");'), /no such line/);
  });

  it('takes a bounded part of the memory', async () => {
    const greedy = 'const all = []; for (;;) all.push(new Array(100_000).fill(0.5));';
    await assert.rejects(convert(greedy), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
  });
});
