import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Collector, Daemon, runToEnd } from '../support/collector.js';
import { eventually } from '../support/eventually.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { onHost, scratchFolder } from '../support/workload.js';

/** Whether `/live` answers, within a second. */
async function isLive(address: string): Promise<boolean> {
  const signal = AbortSignal.timeout(1000);
  return fetch(`http://${address}/live`, { signal }).then(
    ({ status }) => status === 200,
    () => false,
  );
}

describe('The daemon whose event loop stands still', function () {
  this.timeout(60_000);
  const keep = resources();
  const folder = path.join(scratchFolder(), 'watchdog');
  const runDir = path.join(folder, 'run');
  const terminationLog = path.join(folder, 'termination-log');
  const env = {
    ROX_COLLECTOR_RUN_DIR: runDir,
    ROX_COLLECTOR_TERMINATION_LOG: terminationLog,
    ROX_COLLECTOR_WATCHDOG_SECONDS: '3',
  };

  before(function () {
    requires(this, isRoot, 'no root');
    mkdirSync(folder);
    writeFileSync(terminationLog, '');
  });

  // What is read of drivers before anything is collected is read in the loop: a disk can hold that up.
  it('on a disk says so where it can, answers no probe, and the next start says what it was', async () => {
    const modules = path.join(folder, 'modules');
    mkdirSync(modules);
    const version = path.join(modules, 'MODULE_VERSION.txt');
    execFileSync('mkfifo', [version]); // nobody writes to it, so that to open it waits
    const ebpf = { ...env, COLLECTION_METHOD: 'ebpf', ROX_COLLECTOR_KERNEL_MODULES_DIR: modules };
    const daemon = await keep(new Daemon([], { env: ebpf }));
    const stuck = new RegExp(`find-driver: openat of ${version}, thread state S`);
    await eventually(() => daemon.stderr.includes('CRITICAL'), 'it notices');
    assert.match(daemon.stderr, new RegExp(`\\[CRITICAL .*The event loop has stood still.*${stuck.source}`));
    const [, address] = /HTTP server listens on (\S+)/.exec(daemon.stderr)!;
    assert.equal(await isLive(address!), false);
    await eventually(() => stuck.test(readFileSync(terminationLog, 'utf8')), 'Kubernetes is told');
    await eventually(() => existsSync(path.join(runDir, 'stall.json')), 'the next start is told');
    daemon.signal('SIGKILL');
    await daemon.ended;

    const next = await keep(Collector.start([], { env }));
    const said = new RegExp(
      `\\[ERROR .*Cause: The run before stood still for at least \\d+ s from .*${stuck.source}`,
    );
    assert.match(next.stderr, said);
    assert.match(next.stderr, /Remedy: If the cause names a file/);
    assert.match(await metricsOf(next), /^collector_loop_stalls_total [1-9]/m);
    await next.stop();

    const afterNext = await runToEnd(['--check'], { env });
    assert.doesNotMatch(afterNext.stderr, /The run before stood still/);
  });

  it('and goes on says for how long, and leaves nothing for the next start', async () => {
    const collector = await keep(Collector.start([], { env }));
    const address = collector.address('HTTP');
    assert.ok(await isLive(address));
    const frozen = onHost('freeze', `${collector.pid}`, '8000');
    // On a busy machine it may have stood still while it loaded, too.
    const noticed = /\[CRITICAL .*The event loop has stood still for \d+ s, in collect/;
    await eventually(() => noticed.test(collector.stderr), 'it notices');
    assert.equal(await isLive(address), false);
    await frozen;
    const over = /\[WARNING .*The event loop stood still for \d+ s, and goes on. It was in collect/;
    await eventually(() => over.test(collector.stderr), 'it turns again');
    assert.ok(await isLive(address));
    await eventually(() => readdirSync(runDir).length === 0, 'the report is gone');
    assert.equal(readFileSync(terminationLog, 'utf8'), '');
    assert.match(await metricsOf(collector), /^collector_loop_stalls_total [1-9]/m);
    await collector.stop();
  });

  it('since all of it was stopped is not said to', async () => {
    const collector = await keep(Collector.start([], { env }));
    process.kill(collector.pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 6000));
    process.kill(collector.pid, 'SIGCONT');
    await collector.stop();
    assert.doesNotMatch(collector.stderr, /stood still.* in collect/);
  });
});

async function metricsOf(collector: Collector): Promise<string> {
  return (await fetch(`http://${collector.address('Metrics')}/metrics`)).text();
}
