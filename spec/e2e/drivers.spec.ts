import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import { Collector, runToEnd, type Ended } from '../support/collector.js';
import { Container } from '../support/container.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { scratchFolder, workload } from '../support/workload.js';

const VERSION = '2.9.1';
const SERVER_NAME = 'sensor.stackrox';
const BUILT = path.join(import.meta.dirname, '../../native/build/collector.bpf.o');
const EBPF = `collector-ebpf-${release()}.o`;
const MODULE = `collector-${release()}.ko`;

/** Folders as the image has them: local storage, where the driver goes, and what Sensor serves. */
function folders(name: string): {
  local: string;
  target: string;
  served: string;
  env: Record<string, string>;
} {
  const [local, target, served] = ['kernel-modules', 'module', 'served'].map((folder) =>
    path.join(scratchFolder(), `drivers-${name}`, folder),
  ) as [string, string, string];
  for (const folder of [local, target, path.join(served, VERSION)]) mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(local, 'MODULE_VERSION.txt'), `${VERSION}\n`);
  const env = {
    COLLECTION_METHOD: 'ebpf',
    ROX_COLLECTOR_KERNEL_MODULES_DIR: local,
    ROX_COLLECTOR_MODULE_DIR: target,
  };
  return { local, target, served, env };
}

describe('The driver', () => {
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
  });

  /** Asserts that the daemon sees a container's process. */
  async function collects(collector: Collector): Promise<void> {
    const container = await Container.create();
    try {
      await container.run('exec', workload(), 'exit', 'seen');
      await collector.signal(container.shortId, 'exit seen');
    } finally {
      await container.remove();
    }
  }

  it('is downloaded from Sensor over mutual TLS, unpacked, loaded, and collects', async () => {
    const { target, served, env } = folders('download');
    writeFileSync(path.join(served, VERSION, `${EBPF}.gz`), gzipSync(readFileSync(BUILT)));
    const authority = await Authority.create();
    const server = await authority.issue({ commonName: SERVER_NAME });
    const certs = path.join(target, 'certificates');
    writeIdentity(certs, authority, await authority.issue({ commonName: 'collector' }));
    const tls = { ca: authority.certificate, cert: server.certificate, key: server.key };
    const sensor = await keep(TestSensor.start({ tls, kernelObjects: served }));
    const collector = await keep(
      Collector.start([], { sensor, env: { ...env, ROX_COLLECTOR_TLS_CERTS: certs } }),
    );
    const object = path.join(target, 'collector.o');
    const port = sensor.address.split(':')[1]!;
    for (const line of [
      `Module version: ${VERSION}`,
      'Attempting to find kernel module - Candidate kernel versions:',
      release(),
      `Local storage does not contain ${EBPF}`,
      `Attempting to download kernel object from https://${SERVER_NAME}:${port}/kernel-objects/${VERSION}/${EBPF}.gz`,
      `Successfully downloaded and decompressed ${object}`,
    ]) {
      assert.ok(collector.stderr.includes(`] ${line}\n`), `${line}\n${collector.stderr}`);
    }
    assert.equal(statSync(object).mode & 0o777, 0o444);
    assert.deepEqual(readFileSync(object), readFileSync(BUILT));
    await collects(collector);
    await collector.stop();
  });

  it('is taken from local storage, packed or not, without asking anybody', async () => {
    const { local, env } = folders('local');
    writeFileSync(path.join(local, EBPF), readFileSync(BUILT));
    const collector = await keep(Collector.start([], { env }));
    assert.match(collector.stderr, /Loaded ebpf: /);
    await collects(collector);
    await collector.stop();
  });

  it('that is not ours is refused before anything is attached', async () => {
    const { local, env } = folders('foreign');
    writeFileSync(path.join(local, EBPF), readFileSync(process.execPath).subarray(0, 1_000_000));
    const ended = await runToEnd([], { env });
    assertFailed(ended, 'Failed to initialize collector kernel components.', /collector\.o/, /./);
    assert.match(ended.stderr, /available\? {3}true\n.*kernel\? false\n/);
  });

  it('that is a kernel module goes down to finit_module, and the error is what this kernel says', async () => {
    const { local, env } = folders('module');
    writeFileSync(
      path.join(local, `${MODULE}.gz`),
      gzipSync(readFileSync(process.execPath).subarray(0, 1000)),
    );
    const ended = await runToEnd([], { env: { ...env, COLLECTION_METHOD: 'kernel_module' } });
    assert.match(
      ended.stderr,
      /\[INFO .*Inserting kernel module \S+collector\.ko with indefinite removal and retry if required\.\n/,
    );
    assert.match(
      ended.stderr,
      /\[ERROR .*Error inserting kernel module: \S+collector\.ko: .+\. Aborting\.\.\.\n/,
    );
    assertFailed(
      ended,
      'Failed to initialize collector kernel components.',
      /refused the module .*: E[A-Z]+/,
      /core_bpf/,
    );
  });

  function assertFailed({ code, stderr }: Ended, fatal: string, cause: RegExp, remedy: RegExp): void {
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`\\[ERROR .*Cause: .*${cause.source}`));
    assert.match(stderr, new RegExp(`\\[ERROR .*Remedy: .*${remedy.source}`));
    assert.ok(stderr.endsWith(`] ${fatal}\n`), stderr);
    assert.doesNotMatch(stderr, /^\s+at /m);
  }
});
