import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ask } from '../http/support.js';
import { Collector } from '../support/collector.js';
import { Container } from '../support/container.js';
import { guide } from '../support/guide.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { scratchFolder } from '../support/workload.js';

const ROOT = path.join(import.meta.dirname, '../..');
const EXECS = '3000';
const SCRAPES = 300;
/** A row of pprof's about a function of ours: its name, file and line. */
const OURS =
  /% +(?<name>[^%]+) (?<file>(?:(?:actors|machines|native)\/\S+|collector)\.ts):(?<line>\d+)(?: \(inline\))?$/;

interface Shown {
  readonly name: string;
  /** The line of source, as it stands in the file. */
  readonly text: string;
}

describe('Profiles of a daemon', function () {
  this.timeout(60_000);
  const keep = resources();
  let container: Container;
  let collector: Collector;

  before(async function () {
    requires(this, isRoot, 'no root');
    requires(this, spawnSync('go', ['version']).status === 0, 'no go, which brings pprof');
    container = await keep(Container.create());
    collector = await keep(Collector.start([]));
  });

  const states = async () => {
    const { cpu, heap } = JSON.parse(
      (await guide(collector, 'curl collector:8080/profile')).toString(),
    ) as Record<string, string>;
    return { cpu, heap };
  };

  /** What pprof says of a profile. */
  const pprof = async (profile: Buffer, ...options: string[]): Promise<string> => {
    const folder = path.join(scratchFolder(), 'pprof');
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, 'profile.pb.gz');
    writeFileSync(file, profile);
    const env = { ...process.env, PPROF_TMPDIR: folder };
    return (await promisify(execFile)('go', ['tool', 'pprof', ...options, file], { env, cwd: ROOT })).stdout;
  };

  /** Our functions among the rows of pprof, each with the line of TypeScript that it is said to be at. */
  const ours = (rows: string): Shown[] =>
    rows.split('\n').flatMap((row) => {
      const { name, file, line } = OURS.exec(row)?.groups ?? {};
      if (name === undefined) return [];
      const text = readFileSync(path.join(ROOT, file!), 'utf8').split('\n')[Number(line) - 1];
      assert.ok(text !== undefined, `There is a line ${line} in ${file}`);
      return [{ name, text }];
    });

  it('of its heap are taken by the commands of the guide, and read by pprof', async () => {
    await guide(collector, 'curl -X POST -d "on" collector:8080/profile/heap');
    assert.deepEqual(await states(), { cpu: 'empty', heap: 'on' });
    await container.run('execs', EXECS);
    await guide(collector, 'curl -X POST -d "off" collector:8080/profile/heap');
    assert.deepEqual(await states(), { cpu: 'empty', heap: 'off' });
    const profile = await guide(collector, 'curl collector:8080/profile/heap');
    const shown = await pprof(profile, '-top', '-lines', '-nodecount=1000', '-nodefraction=0');
    assert.match(shown, /^Type: inuse_space$/m);
    // It is on the way to everything that facts make.
    const pass = ours(shown).find(({ name }) => name === '#pass');
    assert.match(pass?.text ?? shown, /#pass\(fact: Fact/);
  });

  it('of its processor time name its functions and their lines of TypeScript', async () => {
    await guide(collector, 'curl -X POST -d "on" collector:8080/profile/cpu');
    for (let scrapes = 0; scrapes < SCRAPES; scrapes++) await ask(collector.address('Metrics'), '/metrics');
    await container.run('execs', EXECS);
    await guide(collector, 'curl -X POST -d "off" collector:8080/profile/cpu');
    const profile = await guide(collector, 'curl collector:8080/profile/cpu');
    const shown = await pprof(profile, '-top', '-cum', '-lines', '-nodecount=1000', '-nodefraction=0');
    assert.match(shown, /^Type: cpu$/m);
    const text = ours(shown).find(({ name, text }) => name === 'text' && text.includes('Promise<string>'));
    assert.ok(text !== undefined, shown);
  });

  it('are thrown away when they are of no more use', async () => {
    for (const kind of ['cpu', 'heap']) {
      await guide(collector, `curl -X POST -d "empty" collector:8080/profile/${kind}`);
      assert.equal((await guide(collector, `curl collector:8080/profile/${kind}`)).length, 0);
    }
    assert.deepEqual(await states(), { cpu: 'empty', heap: 'empty' });
  });

  it('do not keep it from ending', async () => {
    await guide(collector, 'curl -X POST -d "on" collector:8080/profile/cpu');
    await guide(collector, 'curl -X POST -d "on" collector:8080/profile/heap');
    await collector.stop();
  });
});
