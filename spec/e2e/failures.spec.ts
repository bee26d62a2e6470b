import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Collector, runToEnd, type Ended, type Options } from '../support/collector.js';
import { Container } from '../support/container.js';
import { assertNothingBetween } from '../support/diagnostics.js';
import { asNobody, nobodyCanRead } from '../support/nobody.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { scratchFolder, workload } from '../support/workload.js';

const RIGHTS = '-bpf,-perfmon,-sys_admin';
const NOT_LOADED = 'Failed to initialize collector kernel components.';
const BTF = '/sys/kernel/btf';

describe('The daemon that cannot start', () => {
  it('says which capabilities a user without any lacks, and how to give them', async function () {
    requires(this, await nobodyCanRead(), 'other users cannot read the repository');
    const { cause, remedy, fatal } = failure(await runToEnd([], { through: asNobody }));
    assert.match(cause, /^Collector runs as user \d+ without CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN\.$/);
    assert.match(remedy, /capabilities\.add .*start it as root \(sudo\)/);
    assert.equal(fatal, NOT_LOADED);
  });

  it('says which capabilities root lacks where they were taken away', async function () {
    requires(this, isRoot, 'no root');
    const through = ['setpriv', `--bounding-set=${RIGHTS}`, `--inh-caps=${RIGHTS}`, '--'];
    const { cause, remedy, fatal } = failure(await runToEnd([], { through }));
    assert.equal(cause, 'Collector runs as user 0 without CAP_BPF, CAP_PERFMON.');
    assert.match(remedy, /add "BPF", "PERFMON" to securityContext\.capabilities\.add/);
    assert.equal(fatal, NOT_LOADED);
  });

  it('says that the kernel gives no BTF, and which kernels do', async function () {
    requires(this, isRoot, 'no root');
    const through = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs none ${BTF} && exec "$@"`, 'sh'];
    const { cause, remedy, fatal } = failure(await runToEnd([], { through }));
    assert.match(cause, /gives no type information \(BTF\): \/sys\/kernel\/btf\/vmlinux is missing/);
    assert.match(remedy, /CONFIG_DEBUG_INFO_BTF=y/);
    assert.equal(fatal, NOT_LOADED);
  });

  it('says that a recording cannot be written, and where it could be', async function () {
    requires(this, isRoot, 'no root');
    const file = path.join(scratchFolder(), 'no-such-folder', 'x');
    const { cause, remedy } = failure(await runToEnd([`--record=${file}`]), 'true');
    assert.equal(cause, `The recording ${file} cannot be written: ENOENT.`);
    assert.match(remedy, /in a folder that exists/);
  });

  const settings: readonly { args?: string[]; env?: Record<string, string>; cause: RegExp }[] = [
    { args: ['--scope=everything'], cause: /'everything'.*--scope.*containers or all/ },
    { args: ['--scoop=all'], cause: /--scoop.*--scope/ },
    { args: ['--collector-config={"scrapeInterval":'], cause: /--collector-config/ },
    {
      env: { ROX_COLLECTOR_SCRAPE_INTERVAL: 'soon' },
      cause: /'soon'.*ROX_COLLECTOR_SCRAPE_INTERVAL.*whole number/,
    },
    { env: { ROX_AFTERGLOW_PERIOD: '-1' }, cause: /'-1'.*ROX_AFTERGLOW_PERIOD.*0 or more/ },
    { env: { GRPC_SERVER: 'sensor' }, cause: /'sensor'.*GRPC_SERVER/ },
  ];
  for (const { args = [], env = {}, cause } of settings) {
    const given = [...args, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)].join(' ');
    it(`names what is wrong with ${given}, and what is allowed`, async () => {
      const said = failure(await runToEnd(args, { env }));
      assert.match(said.cause, cause);
      assert.match(said.remedy, /--help/);
    });
  }

  it('does not say that checks passed which were interrupted', async () => {
    // Nobody listens there, and it goes on trying.
    const through = ['timeout', '--preserve-status', '--signal=TERM', '3'];
    const { code, stderr } = await runToEnd(['--check', '--grpc-server=127.0.0.1:1'], { through });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Connected to Sensor\? {7}false\n/);
    assert.match(stderr, /\[ERROR .*The checks were interrupted: not all of them have passed\.\n$/);
  });

  it('leaves cause and remedy in the termination log too', async () => {
    const file = path.join(scratchFolder(), 'termination-log');
    writeFileSync(file, '');
    const options: Options = { env: { ROX_COLLECTOR_TERMINATION_LOG: file } };
    const { cause, remedy, fatal } = failure(await runToEnd(['--format=xml'], options));
    assert.equal(readFileSync(file, 'utf8'), `${fatal}\nCause: ${cause}\nRemedy: ${remedy}\n`);
  });
});

describe('The daemon with the rights that it asks for, and no other', () => {
  const keep = resources();

  it('collects', async function () {
    requires(this, isRoot, 'no root');
    const container = await keep(Container.create());
    await container.start('serve', '0.0.0.0', '1');
    const least = '-all,+bpf,+perfmon,+net_admin,+sys_ptrace';
    const through = ['setpriv', `--bounding-set=${least}`, `--inh-caps=${least}`, '--'];
    const collector = await keep(Collector.start([], { through }));
    await container.run('exec', workload(), 'exit', 'seen');
    await collector.signal(container.shortId, 'exit seen');
    await collector.stop();
    assert.equal(collector.endpoints(container.shortId).length, 1);
  });
});

/**
 * Asserts the form that every failure has: nothing on standard output, one table of diagnostics, under it one line of
 * cause, one of remedy and, last of all, one FATAL line, no stack trace, exit code 1.
 * @param isLoaded what the table says of the driver
 */
function failure({ code, stdout, stderr }: Ended, isLoaded: 'true' | 'false' = 'false') {
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n');
  const having = (text: string) => lines.filter((line) => line.includes(text));
  const only = (text: string) => {
    const [line, ...others] = having(text);
    assert.ok(line !== undefined && others.length === 0, `one line with "${text}":\n${stderr}`);
    return line.slice(line.indexOf(text) + text.length);
  };
  only('== Collector Startup Diagnostics: ==');
  assert.equal(only('Driver loaded into kernel? '), isLoaded);
  assert.deepEqual(
    lines.filter((line) => /^\s+at /.test(line)),
    [],
  );
  assert.match(lines.at(-1)!, /^\[FATAL {3}/);
  if (isLoaded === 'false') assertNothingBetween(stderr);
  assert.equal(having('[FATAL ').length, 1);
  return {
    cause: only('Cause: '),
    remedy: only('Remedy: '),
    fatal: lines.at(-1)!.replace(/^\[.*?\] /, ''),
  };
}
