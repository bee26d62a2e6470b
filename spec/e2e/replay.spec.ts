import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { FRAME_HEADER } from '../../actors/capture/journal.js';
import { runToEnd } from '../support/collector.js';
import { FORMATS, RECORDING, RECORDINGS, expectedOutput, recording } from '../support/corpus.js';
import { asNobody, nobodyCanRead } from '../support/nobody.js';
import { isRoot, requires } from '../support/requirements.js';
import { perform, scenarios } from '../support/scenarios.js';
import { scratchFolder } from '../support/workload.js';

for (const format of FORMATS) {
  describe(`A run that was recorded while it printed ${format}`, function () {
    this.timeout(30_000);
    const file = path.join(scratchFolder(), `run-${format}.collector`);
    let printed: string;

    before(async function () {
      requires(this, isRoot, 'no root');
      ({ stdout: printed } = await perform('first-run', `--format=${format}`, `--record=${file}`));
      assert.ok(printed.length > 1000);
    });

    it('prints the same when it is replayed, byte for byte', async () => {
      const { code, stdout, stderr } = await runToEnd([`--replay=${file}`]);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, printed);
      assert.equal(stderr, '');
    });

    it('prints the same when a user without any right replays it', async function () {
      requires(this, await nobodyCanRead(), 'other users cannot read the repository');
      chmodSync(file, 0o644);
      const { code, stdout, stderr } = await runToEnd([`--replay=${file}`], { through: asNobody });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, printed);
    });
  });
}

/**
 * Needs neither root nor eBPF. All were recorded, and can be again, by `npx tsx spec/support/record-corpus.ts`.
 */
describe('The recordings in the repository', () => {
  it('are those of all scenarios', () => {
    assert.deepEqual(RECORDINGS, Object.keys(scenarios).sort());
  });

  for (const name of RECORDINGS) {
    for (const format of FORMATS) {
      it(`replay ${name} as ${format} to what stands beside it, byte for byte`, async () => {
        const { code, stdout, stderr } = await runToEnd([
          `--replay=${recording(name)}`,
          `--format=${format}`,
        ]);
        assert.equal(code, 0, stderr);
        assert.equal(stdout, readFileSync(expectedOutput(format, name), 'utf8'));
      });
    }
  }
});

describe('The smallest recording in the repository', () => {
  it('replays in its own format unless told otherwise', async () => {
    const { stdout } = await runToEnd([`--replay=${RECORDING}`]);
    assert.equal(stdout, readFileSync(expectedOutput('json'), 'utf8'));
  });

  it('is small, and has signals, connections and endpoints, open and closed', () => {
    assert.ok(statSync(RECORDING).size < 100_000);
    const output = readFileSync(expectedOutput('json'), 'utf8');
    for (const part of [
      '"processSignal"',
      '"scraped":true',
      'ROLE_CLIENT',
      'ROLE_SERVER',
      'updatedEndpoints',
    ]) {
      assert.ok(output.includes(part), part);
    }
    assert.match(output, /"updatedConnections":\[[^\]]*"closeTimestamp"/);
  });
});

it('A replay of a run that was killed prints all that there is, and a warning that the end is missing', async () => {
  const killed = path.join(scratchFolder(), 'killed.collector');
  copyFileSync(RECORDING, killed);
  truncateSync(killed, statSync(RECORDING).size - FRAME_HEADER);
  const { code, stdout, stderr } = await runToEnd([`--replay=${killed}`]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, readFileSync(expectedOutput('json'), 'utf8'));
  assert.match(
    stderr,
    /^\[WARNING .*The recording \S+killed\.collector has no end: its run failed or was killed, .*\n$/,
  );
});

describe('A replay that cannot be', () => {
  const cut = path.join(scratchFolder(), 'cut.collector');

  it('of a file that is missing says so and exits with 1', async () => {
    await refused(path.join(scratchFolder(), 'missing'), /ENOENT/);
  });

  it('of a file that is no recording says so and exits with 1', async () => {
    await refused(expectedOutput('json'), /not a recording/);
  });

  it('of a recording that ends too early prints all up to there, then says so and exits with 1', async () => {
    copyFileSync(RECORDING, cut);
    truncateSync(cut, statSync(RECORDING).size - FRAME_HEADER - 1001);
    const stdout = await refused(cut, /ends inside a frame/, /which has been printed/);
    const whole = readFileSync(expectedOutput('json'), 'utf8');
    assert.ok(stdout.length > whole.length / 2 && stdout.length < whole.length);
    assert.ok(whole.startsWith(stdout));
  });

  /** Asserts that a file is refused with a cause and a remedy that name it; what was printed before. */
  async function refused(
    file: string,
    reason: RegExp,
    remedyText = /Remedy: Give --replay a readable file/,
  ): Promise<string> {
    const { code, stdout, stderr } = await runToEnd([`--replay=${file}`]);
    assert.equal(code, 1);
    const [cause, remedy, ...rest] = stderr.trimEnd().split('\n');
    assert.match(cause!, reason);
    assert.ok(cause!.includes(`Cause: The recording ${file}`), cause);
    assert.match(remedy!, remedyText);
    assert.deepEqual(rest, []);
    return stdout;
  }
});
