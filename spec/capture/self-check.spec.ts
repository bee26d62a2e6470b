import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Subject } from 'rxjs';
import { attachPrograms, loadPrograms, openAddon, type Probe } from '../../actors/capture/driver.js';
import type { Fact } from '../../actors/capture/facts.js';
import { record_header, RecordType, self_check_record, SelfCheckStep } from '../../actors/capture/layout.js';
import { Records } from '../../actors/capture/records.js';
import { selfCheck, type SelfCheckStepName } from '../../actors/capture/self-check.js';
import { Container } from '../support/container.js';
import { eventually } from '../support/eventually.js';
import { batch, execRecord, exitRecord, socketRecord } from '../support/records.js';
import { plainProbe, thisKernel } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';

const dist = path.resolve(import.meta.dirname, '../../dist');
const PROGRAM = path.join(dist, 'self-check');
const SHORT_MS = 100;
/** Longer than a test may take: that nobody waits for it is seen. */
const LONG_MS = 3_600_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'collector-self-check-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that tells its pid, then does something else than it should. */
function script(interpreter: string, text: string): string {
  const file = path.join(folder, 'script');
  writeFileSync(file, `#!${interpreter}\n${text}\n`, { mode: 0o755 });
  return file;
}

function pidFile(): string {
  return path.join(folder, 'pid');
}

/** The pid that the script has told. */
async function scriptPid(): Promise<number> {
  const told = () => (existsSync(pidFile()) ? Number(readFileSync(pidFile(), 'utf8')) : 0);
  return eventually(() => told() > 0 && told(), 'a script runs');
}

describe('The self-check', () => {
  let facts: Subject<Fact>;
  /** What the switch was set to; off only counts once the script has ended. */
  let switched: string[];

  beforeEach(() => {
    facts = new Subject();
    switched = [];
  });

  const probe = {
    selfCheck(on: boolean) {
      const runs = existsSync(pidFile()) && existsSync(`/proc/${readFileSync(pidFile(), 'utf8').trim()}`);
      switched.push(on ? 'on' : runs ? 'off too early' : 'off');
    },
  };

  function show(...records: readonly Uint8Array[]): void {
    facts.next({ kind: 'records', time: 0, records: batch(...records) });
  }

  it('passes when all that its program does is seen, among the records of others and over several batches', async () => {
    const result = selfCheck(facts, probe, 'true');
    show(execRecord({ path: '/bin/sh' }), step('exec'), socketRecord());
    facts.next({
      kind: 'scan',
      of: 'sockets',
      audience: 'same',
      time: 0,
      records: batch(socketRecord({ type: 'socket' })),
    });
    show(step('open'), step('open'), step('close'));
    show(exitRecord(), step('exit'));
    assert.deepEqual(await result, { ok: true });
    assert.deepEqual(switched, ['on', 'off']);
    assert.equal(facts.observed, false);
  });

  it('tells what was not seen in time', async () => {
    const result = selfCheck(facts, probe, 'true', { timeoutMs: SHORT_MS });
    show(step('exit'), socketRecord(), step('exec'));
    assert.deepEqual(await result, { ok: false, missing: ['open', 'close'] });
    assert.deepEqual(switched, ['on', 'off']);
    assert.equal(facts.observed, false);
  });

  it('tells of a program that is not there', async () => {
    const program = path.join(folder, 'nothing');
    const result = await selfCheck(facts, probe, program, { timeoutMs: SHORT_MS });
    assert.deepEqual(result, {
      ok: false,
      missing: everything,
      reason: `${program} fails (ENOENT)`,
      problem: 'missing',
    });
    assert.deepEqual(switched, ['on', 'off']);
  });

  it('tells of a program that fails, and what it said, in one line', async () => {
    const program = script('/bin/sh', 'echo first >&2; echo second >&2; exit 3');
    const result = selfCheck(facts, probe, program, { timeoutMs: 500 });
    show(step('exec'), step('exit'));
    assert.deepEqual(await result, {
      ok: false,
      missing: ['open', 'close'],
      reason: `${program} ended with status 3: first; second`,
    });
  });

  const starts = [
    { of: 'that may not be executed', mode: 0o644, text: '', problem: 'permission' },
    { of: 'built for another architecture', mode: 0o755, text: '\x7fELF', problem: 'format' },
    {
      of: 'that could not connect to itself',
      mode: 0o755,
      text: '#!/bin/sh\nexit 1\n',
      problem: 'connection',
    },
    { of: 'that a signal ended', mode: 0o755, text: '#!/bin/sh\nkill -SYS $$\n', problem: 'killed' },
  ] as const;
  for (const { of, mode, text, problem } of starts) {
    it(`tells what is the matter with a program ${of}`, async () => {
      const program = path.join(folder, 'program');
      writeFileSync(program, text, { mode });
      const result = await selfCheck(facts, probe, program, { timeoutMs: 500 });
      assert.ok(!result.ok);
      assert.equal(result.problem, problem, JSON.stringify(result));
    });
  }

  it('ends a program that hangs, and leaves the switch on until it has ended', async () => {
    const program = script('/bin/sh', `echo $$ >${pidFile()}; exec sleep 1000`);
    const result = await selfCheck(facts, probe, program, { timeoutMs: 500 });
    assert.deepEqual(result, {
      ok: false,
      missing: everything,
      reason: `${program} does not end by itself`,
      problem: 'hung',
    });
    assert.ok(!existsSync(`/proc/${await scriptPid()}`));
    assert.deepEqual(switched, ['on', 'off']);
  });

  const ends = {
    ends: [() => facts.complete(), 'the capture has ended'],
    fails: [() => facts.error(new Error('no ring')), 'the capture has failed: no ring'],
  } as const;
  for (const [how, [end, reason]] of Object.entries(ends)) {
    it(`is over when the capture ${how}, and so is its program`, async () => {
      const program = script('/bin/sh', `echo $$ >${pidFile()}; exec sleep 1000`);
      const result = selfCheck(facts, probe, program, { timeoutMs: LONG_MS });
      const pid = await scriptPid();
      show(step('exec'));
      end();
      assert.deepEqual(await result, { ok: false, missing: ['open', 'close', 'exit'], reason });
      assert.ok(!existsSync(`/proc/${pid}`));
    });
  }

  it('throws nothing when the probe is closed', async () => {
    const closed = {
      selfCheck() {
        throw new Error('the probe is closed');
      },
    };
    const result = await selfCheck(facts, closed, 'true', { timeoutMs: LONG_MS });
    assert.deepEqual(result, { ok: false, missing: everything, reason: 'the probe is closed' });
  });
});

describe('The self-check in the kernel', () => {
  const keep = resources();
  let facts: Subject<Fact>;
  let probe: Probe | undefined;
  /** Type and pid of all records, and what those of the self-check told. */
  let seen: { type: number; pid: number; container: number }[];

  before(function () {
    requires(this, isRoot, 'loading BPF programs needs root');
  });
  afterEach(() => {
    probe?.close();
    probe = undefined;
  });

  function capture({ allScopes, attached = true }: { allScopes: boolean; attached?: boolean }): Probe {
    const driver = openAddon(path.join(dist, 'collector.node'));
    const loaded = loadPrograms(
      driver,
      {
        ...plainProbe,
        rings: driver.possibleCpus,
        ringBytes: 1024 * 1024,
        cpusPerRing: 1,
        allScopes,
        loopback: allScopes,
      },
      thisKernel,
    );
    probe = loaded;
    if (attached) attachPrograms(loaded, thisKernel);
    facts = new Subject();
    seen = [];
    const buffer = new Uint8Array(64 * 1024);
    loaded.start(
      buffer,
      (length, time) => {
        const records = new Records(buffer, length);
        seen.push(...rows(records));
        facts.next({ kind: 'records', time, records });
      },
      (error) => facts.error(error),
    );
    return loaded;
  }

  /** Pids of the self-check by its records; that nothing else tells of them. */
  function checkedPids(): Set<number> {
    const pids = new Set(seen.filter(({ type }) => type === RecordType.selfCheck).map(({ pid }) => pid));
    const others = seen.filter(({ type, pid }) => type !== RecordType.selfCheck && pids.has(pid));
    assert.deepEqual(others, []);
    return pids;
  }

  for (const allScopes of [false, true]) {
    it(`is seen, and as nothing else, when ${allScopes ? 'everything' : 'containers'} may be shown`, async () => {
      const probe = capture({ allScopes });
      assert.deepEqual(await selfCheck(facts, probe, PROGRAM), { ok: true });
      probe.drain();
      assert.equal(checkedPids().size, 1);
      for (const { type, container } of seen) {
        if (type === RecordType.selfCheck) assert.equal(container, 0);
      }
    });
  }

  it('is seen in a container, and as nothing else', async () => {
    const container = await keep(Container.create());
    const probe = capture({ allScopes: false });
    const program = script('/bin/sh', `echo $$ >${container.procs}; exec ${PROGRAM}`);
    assert.deepEqual(await selfCheck(facts, probe, program), { ok: true });
    probe.drain();
    assert.equal(checkedPids().size, 1);
  });

  it('is in no scan, and nobody is told that it listens', async () => {
    const probe = capture({ allScopes: true });
    const program = script(
      process.execPath,
      `require('node:net').createServer().listen(0, '127.0.0.1', () =>
         require('node:fs').writeFileSync(${JSON.stringify(pidFile())}, String(process.pid)));`,
    );
    const result = selfCheck(facts, probe, program, { timeoutMs: 2000 });
    const pid = await scriptPid();
    for (const scan of ['scan_processes', 'scan_sockets'] as const) {
      const pids = rows(new Records(probe.scan(scan))).map((row) => row.pid);
      assert.ok(pids.length > 0 || scan === 'scan_sockets');
      assert.ok(!pids.includes(pid), scan);
    }
    assert.deepEqual(await result, {
      ok: false,
      missing: ['open', 'close', 'exit'],
      reason: `${program} does not end by itself`,
      problem: 'hung',
    });
    probe.drain();
    assert.deepEqual(checkedPids(), new Set([pid]));
  });

  it('is over when it is over: children are processes like any other again', async () => {
    const probe = capture({ allScopes: true });
    assert.deepEqual(await selfCheck(facts, probe, PROGRAM), { ok: true });
    seen.length = 0;
    const { pid } = spawnSync(PROGRAM);
    probe.drain();
    const types = seen.filter((record) => record.pid === pid).map(({ type }) => type);
    const { exec, process: listens, listen, open, close, unlisten, exit } = RecordType;
    assert.deepEqual(new Set(types), new Set([exec, listens, listen, open, close, unlisten, exit]));
  });

  it('tells that nothing is seen when the programs are not attached', async () => {
    const probe = capture({ allScopes: true, attached: false });
    const result = await selfCheck(facts, probe, PROGRAM, { timeoutMs: 1000 });
    assert.deepEqual(result, { ok: false, missing: everything });
  });
});

const everything: readonly SelfCheckStepName[] = ['exec', 'open', 'close', 'exit'];

/** The record of a step, as layout.h has it. */
function step(name: SelfCheckStepName): Uint8Array {
  const bytes = new Uint8Array(self_check_record.SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(record_header.size, bytes.length, true);
  view.setUint16(record_header.type, RecordType.selfCheck, true);
  view.setUint32(self_check_record.what, SelfCheckStep[name], true);
  return bytes;
}

function rows(records: Records): { type: number; pid: number; container: number }[] {
  const found = [];
  for (let at = 0; at < records.length; at += records.size(at)) {
    found.push({ type: records.type(at), pid: records.pid(at), container: records.container(at) });
  }
  return found;
}
