import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RuntimeConfigFile } from '../../actors/settings/runtime-config-file.js';
import type { RuntimeConfig } from '../../actors/settings/runtime-config.js';
import { eventually } from '../support/eventually.js';

/** Only what the system tells of is seen. */
const FAST = { settle: 20, poll: 60_000 };
/** Long enough for whatever should not happen. */
const QUIET_MS = 100;

const WITHOUT: RuntimeConfig = { externalIps: 'none', maxConnectionsPerMinute: 2048 };
const limit = (value: number | string) => `networking:\n  maxConnectionsPerMinute: ${value}\n`;

describe('the runtime configuration file', () => {
  let folder: string;
  let file: string;
  let said: string[];
  let limits: number[];
  let stop: () => void = () => undefined;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-runtime-'));
    file = path.join(folder, 'runtime_config.yaml');
    said = [];
    limits = [];
  });
  afterEach(() => {
    stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function opened(name = file): Promise<RuntimeConfigFile> {
    const say = ({ level, message }: { level: string; message: string }) => said.push(`${level}: ${message}`);
    const config = new RuntimeConfigFile(name, WITHOUT, say);
    await config.read();
    return config;
  }

  async function watched(name = file, times = FAST): Promise<RuntimeConfigFile> {
    const config = await opened(name);
    stop = config.watch((changed) => limits.push(changed.maxConnectionsPerMinute), times);
    return config;
  }

  async function becomes(...expected: number[]): Promise<void> {
    await eventually(
      () => limits.length >= expected.length,
      () => `limits of ${expected.join()}, not ${limits.join()}`,
    );
    assert.deepEqual(limits, expected);
  }

  it('is read at the start, and it is said what is in force', async () => {
    writeFileSync(
      file,
      'networking: {externalIps: {enabled: ENABLED, direction: EGRESS}, maxConnectionsPerMinute: 7}',
    );
    assert.deepEqual((await opened()).current, { externalIps: 'egress', maxConnectionsPerMinute: 7 });
    assert.deepEqual(said, [
      `info: Runtime configuration ${file} is read: external IPs: egress, connections per minute: at most 7`,
    ]);
  });

  it('need not be there', async () => {
    assert.deepEqual((await opened()).current, WITHOUT);
    assert.deepEqual((await opened(path.join(folder, 'no', 'such'))).current, WITHOUT);
    assert.equal(
      said[0],
      `info: Runtime configuration ${file} is not there: external IPs: none, connections per minute: at most 2048`,
    );
  });

  it('with an unknown key is taken, with a warning', async () => {
    writeFileSync(file, `${limit(7)}colour: red\n`);
    assert.equal((await opened()).current.maxConnectionsPerMinute, 7);
    assert.equal(
      said[1],
      `warning: Runtime configuration ${file}: Unknown key 'colour' at line 3, column 1 is ignored`,
    );
  });

  describe('is not used, and it is said why, when it', () => {
    const reasons: readonly (readonly [string, () => void, RegExp])[] = [
      [
        'has a bad value',
        () => writeFileSync(file, limit('many')),
        /Bad value 'many' of networking.maxConnectionsPerMinute at line 2, column 28/,
      ],
      ['is a folder', () => mkdirSync(file), /It is not a file$/],
      ['is a pipe', () => execFileSync('mkfifo', [file]), /It is not a file$/],
      [
        'is too large',
        () => writeFileSync(file, ' '.repeat(16_385)),
        /It has 16385 bytes, and at most 16384 are read$/,
      ],
      ['is not UTF-8', () => writeFileSync(file, Buffer.of(0x61, 0xff)), /It is not UTF-8$/],
      ['is a link to itself', () => symlinkSync(file, file), /It cannot be read \(ELOOP\)$/],
    ];
    for (const [what, make, message] of reasons) {
      it(what, async () => {
        make();
        assert.deepEqual((await opened()).current, WITHOUT);
        assert.equal(said.length, 1);
        assert.ok(
          said[0]!.startsWith(
            `error: Runtime configuration ${file} cannot be used, and what was in force before still is: `,
          ),
        );
        assert.match(said[0]!, message);
      });
    }
  });

  describe('is read again when it is', () => {
    it('written, made, deleted and made anew', async () => {
      const config = await watched();
      writeFileSync(file, limit(1));
      await becomes(1);
      writeFileSync(file, limit(2));
      await becomes(1, 2);
      rmSync(file);
      await becomes(1, 2, 2048);
      assert.deepEqual(config.current, WITHOUT);
      writeFileSync(file, limit(3));
      await becomes(1, 2, 2048, 3);
    });

    it('renamed into place', async () => {
      writeFileSync(file, limit(1));
      await watched();
      writeFileSync(`${file}.next`, limit(2));
      renameSync(`${file}.next`, file);
      await becomes(2);
      writeFileSync(`${file}.next`, limit(3));
      renameSync(`${file}.next`, file);
      await becomes(2, 3);
    });

    it('swapped by Kubernetes through the ..data link of a ConfigMap', async () => {
      const swap = (version: string, value: number): void => {
        mkdirSync(path.join(folder, version));
        writeFileSync(path.join(folder, version, 'runtime_config.yaml'), limit(value));
        symlinkSync(version, path.join(folder, '..data_tmp'));
        renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
      };
      swap('..1', 1);
      symlinkSync('..data/runtime_config.yaml', file);
      await watched();
      swap('..2', 2);
      rmSync(path.join(folder, '..1'), { recursive: true });
      await becomes(2);
      swap('..3', 3);
      await becomes(2, 3);
    });

    it('in a folder that comes later, goes, and comes again', async () => {
      const later = path.join(folder, 'later');
      await watched(path.join(later, 'config.yaml'), { settle: 5, poll: 20 });
      for (const value of [1, 2]) {
        mkdirSync(later);
        writeFileSync(path.join(later, 'config.yaml'), limit(value));
        await eventually(() => limits.at(-1) === value, `a limit of ${value}`);
        rmSync(later, { recursive: true });
        await eventually(() => limits.at(-1) === 2048, 'no limit of its own');
      }
    });
  });

  it('that cannot be used leaves the last good one in force, which is said once for each reason', async () => {
    writeFileSync(file, limit(1));
    const config = await watched();
    writeFileSync(file, limit('many'));
    await eventually(() => said.length === 2, 'it is said');
    writeFileSync(file, limit('many'));
    await sleep(QUIET_MS);
    assert.equal(said.length, 2);
    assert.equal(config.current.maxConnectionsPerMinute, 1);
    writeFileSync(file, limit('more'));
    await eventually(() => said.length === 3, 'it is said again');
    assert.deepEqual(limits, []);
    writeFileSync(file, limit(2));
    await becomes(2);
  });

  it('that changed between the first look and the watch is not missed', async () => {
    const config = await opened();
    writeFileSync(file, limit(1));
    stop = config.watch((changed) => limits.push(changed.maxConnectionsPerMinute), FAST);
    await becomes(1);
  });

  it('that changes without meaning anything else is no change', async () => {
    writeFileSync(file, limit(1));
    await watched();
    writeFileSync(file, `# a comment\n${limit(1)}`);
    await sleep(QUIET_MS);
    assert.deepEqual(limits, []);
    assert.equal(said.length, 1);
  });

  it('is of no interest any more once the watch has ended', async () => {
    await watched();
    stop();
    writeFileSync(file, limit(1));
    await sleep(QUIET_MS);
    assert.deepEqual(limits, []);
  });
});
