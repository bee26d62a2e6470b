import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RecordType } from '../../actors/capture/layout.js';
import { processComm } from '../../actors/capture/process-record.js';
import { Records } from '../../actors/capture/records.js';
import { loadAddon, type Probe } from '../../native/index.js';
import { eventually } from '../support/eventually.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';

/** Sets the clock to the time it has, and so much. */
const SETTER = 'import sys, time; time.clock_settime(time.CLOCK_REALTIME, time.time() + float(sys.argv[1]))';
const set = (seconds = 0) => execFileSync('python3', ['-c', SETTER, String(seconds)]);
const STEP_SECONDS = 0.04;

const EVERYTHING = {
  ringBytes: 1024 * 1024,
  cpusPerRing: 1,
  allScopes: true,
  loopback: false,
  cgroupV1: false,
};

describe('the watch of the clock', function () {
  this.timeout(60_000);
  const addon = () => loadAddon(path.resolve(import.meta.dirname, '../../dist/collector.node'));
  let probe: Probe;
  /** Names of what was executed, and 'set' with each time that the clock was. */
  let reports: string[];
  let times: number[];
  let epochs: number[];

  before(function () {
    requires(this, isRoot, 'setting the clock needs root');
  });
  beforeEach(() => {
    reports = [];
    times = [];
    epochs = [];
    probe = new (addon().Probe)({ ...plainProbe, ...EVERYTHING, rings: addon().possibleCpus });
    probe.attach();
    const buffer = new Uint8Array(64 * 1024);
    const onRecords = (length: number) => {
      const records = new Records(buffer.slice(0, length));
      for (let at = 0; at < records.length; at += records.size(at))
        if (records.type(at) === RecordType.exec) reports.push(processComm(records, at));
    };
    probe.start(buffer, onRecords, (error) => assert.fail(error));
    probe.watchClock((time, epoch) => {
      epochs.push(epoch);
      reports.push('set');
      times.push(time);
    });
  });
  afterEach(() => probe.close());

  const ofThis = () => reports.filter((name) => ['set', 'true', 'false', 'echo'].includes(name));

  it('reports a set between the records from before and after it, however late the event loop comes by', async () => {
    execFileSync('true');
    const from = addon().clock().time;
    set();
    const to = addon().clock().time;
    execFileSync('echo');
    await eventually(() => ofThis().length === 3, 'the last exec');
    assert.deepEqual(ofThis(), ['true', 'set', 'echo']);
    assert.ok(times[0]! > from && times[0]! < to);
  });

  it('reports it in the middle of what is drained', () => {
    execFileSync('true');
    set();
    execFileSync('echo');
    probe.drain();
    assert.deepEqual(ofThis(), ['true', 'set', 'echo']);
  });

  it('reports each of two in a row, with the time that it gave', async () => {
    const before = addon().clock().epoch;
    set(STEP_SECONDS);
    execFileSync('true');
    set(-STEP_SECONDS);
    execFileSync('echo');
    await eventually(() => ofThis().length === 4, 'the last exec');
    assert.deepEqual(ofThis(), ['set', 'true', 'set', 'echo']);
    const steps = epochs.map((epoch) => Math.round((epoch - before) / 1e9 / STEP_SECONDS));
    assert.deepEqual(steps.map(String), ['1', '0']);
  });

  it('reports the next one too, and nothing once the probe is closed', async () => {
    for (let count = 1; count <= 3; count++) {
      set();
      await eventually(() => times.length === count, `set number ${count}`);
    }
    probe.close();
    set();
    await sleep(50);
    assert.equal(times.length, 3);
  });
});
