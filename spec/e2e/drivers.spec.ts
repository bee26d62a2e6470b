import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import { Collector, runToEnd, type Ended } from '../support/collector.js';
import { Container, WIRE } from '../support/container.js';
import { history } from '../support/history.js';
import { client } from '../support/messages.js';
import { connected, listening, pair } from '../support/pair.js';
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

  it('for a kernel that hides its types is made by a command, comes from Sensor with them, and collects', async function () {
    this.timeout(60_000);
    const { target, local, served, env } = folders('types');
    const made = (...files: readonly string[]) =>
      spawnSync('npx', ['tsx', 'scripts/drivers.ts', `--out=${served}`, ...files], {
        cwd: path.join(import.meta.dirname, '../..'),
        encoding: 'utf8',
      });
    const kernel = `${release()}=/sys/kernel/btf/vmlinux`;
    const first = made(kernel, process.execPath);
    assert.equal(first.status, 1);
    assert.match(first.stderr, /node: .*does not say which kernel/);
    assert.match(first.stdout, /KiB of types\n1 of 2 drivers/);
    const again = made(kernel);
    assert.deepEqual([again.status, again.stderr], [0, '']);
    assert.match(again.stdout, /: is there\n1 of 1 drivers/);
    const version = readFileSync(path.join(served, 'MODULE_VERSION.txt'), 'utf8');
    execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], {
      cwd: path.join(served, version.trim()),
    });
    writeFileSync(path.join(local, 'MODULE_VERSION.txt'), version);

    const [caller, host] = await pair(keep);
    const [, port] = await listening(host, 'serve-all', WIRE.v4[1]);
    const older = await connected(caller, WIRE.v4[1], port);
    const sensor = await keep(TestSensor.start({ kernelObjects: served }));
    const collector = await keep(
      Collector.start([], {
        sensor,
        env: { ...env, ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_ENABLE_AFTERGLOW: 'false' },
        through: ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', 'sh'],
      }),
    );
    assert.deepEqual(
      sensor.requests.map(({ path: asked, status }) => [path.basename(asked), status]),
      [
        [`${EBPF}.gz`, 200],
        [`collector-btf-${release()}.gz`, 200],
      ],
    );
    assert.ok(existsSync(path.join(target, 'collector.btf')));
    assert.match(collector.stderr, /Loaded ebpf: .*\n.*BPF object for Linux 5\.10/);
    await collects(collector);
    // Found by /proc, and ended by an event or a scan.
    const found = client(caller.shortId, WIRE.v4[1], port);
    assert.deepEqual(await history(collector, found, 'open'), ['open']);
    await caller.stop(older);
    assert.deepEqual(await history(collector, found, 'closed'), ['open', 'closed']);
    const [, other] = await listening(caller, 'serve-all', WIRE.v4[0]);
    const newer = client(host.shortId, WIRE.v4[0], other);
    const later = await connected(host, WIRE.v4[0], other);
    assert.deepEqual(await history(collector, newer, 'open'), ['open']);
    await host.stop(later);
    assert.deepEqual(await history(collector, newer, 'closed'), ['open', 'closed']);
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
