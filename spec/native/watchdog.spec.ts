import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { workload } from '../support/workload.js';

const IO = path.join(import.meta.dirname, '../../dist/io.node');
/** Of the socket at descriptor 3, which holds up whoever closes it. */
const LINGER_MS = 60_000;

/** A program that closes descriptor 3 in a step of the loop beside a watchdog, and says how many ms it took. */
function closing(step: string): string {
  return `
    const io = require(${JSON.stringify(IO)});
    const log = new io.Writer(4096, false, () => undefined);
    const steps = ['scan', 'load'];
    new io.Watchdog({
      seconds: 40, folder: '/nonexistent', terminationLog: '/nonexistent', phases: ['collect'], steps,
      cell: new Uint8Array([0, steps.indexOf('${step}')]), interruptible: ['scan'], log, json: false,
    }, () => undefined);
    const before = performance.now();
    require('node:fs').closeSync(3);
    console.log(performance.now() - before);
    process.exit();`;
}

describe('The watchdog', function () {
  this.timeout(30_000);

  it('ends a wait for the peer of a socket in a step that may be interrupted', async () => {
    const { stdout } = await promisify(execFile)(workload(), [
      'linger',
      process.execPath,
      '-e',
      closing('scan'),
    ]);
    const [, took] = stdout.trim().split('\n');
    assert.ok(Number(took) < LINGER_MS / 4, `${took} ms`);
  });

  it('and in no other step', async () => {
    const ended = promisify(execFile)(workload(), ['linger', process.execPath, '-e', closing('load')], {
      timeout: 5000,
    });
    await assert.rejects(ended, { killed: true, stdout: /^listening \d+\n$/ });
  });
});
