import assert from 'node:assert/strict';
import { diagnosticsTable, failureLines, fatalText } from '../../actors/telemetry/diagnostics.js';
import { Failure } from '../../actors/telemetry/failures.js';
import { formatLine } from '../../actors/telemetry/line.js';

const time = Date.UTC(2022, 9, 13, 12, 21, 13);

describe('the diagnostics table', () => {
  it("is the guide's, character by character", () => {
    const table = diagnosticsTable({
      connectedToSensor: true,
      driverAvailable: true,
      driverLoaded: false,
      standalone: false,
    });
    assert.deepEqual(
      table.map((message) => formatLine('info', time, message)),
      [
        '[INFO    2022/10/13 12:21:13]',
        '[INFO    2022/10/13 12:21:13] == Collector Startup Diagnostics: ==',
        '[INFO    2022/10/13 12:21:13]  Connected to Sensor?       true',
        '[INFO    2022/10/13 12:21:13]  Kernel driver available?   true',
        '[INFO    2022/10/13 12:21:13]  Driver loaded into kernel? false',
        '[INFO    2022/10/13 12:21:13] ====================================',
        '[INFO    2022/10/13 12:21:13]',
      ],
    );
  });

  it('says each of the three by itself', () => {
    const rows = [false, true].flatMap((connectedToSensor) =>
      [false, true].flatMap((driverAvailable) =>
        [false, true].map((driverLoaded) =>
          diagnosticsTable({ connectedToSensor, driverAvailable, driverLoaded, standalone: false })
            .slice(2, 5)
            .map((row) => row.endsWith('true'))
            .map(Number)
            .join(''),
        ),
      ),
    );
    assert.deepEqual(rows, ['000', '001', '010', '011', '100', '101', '110', '111']);
  });

  it('says below it, standalone, why there is no connection to Sensor', () => {
    const table = diagnosticsTable({
      connectedToSensor: false,
      driverAvailable: true,
      driverLoaded: true,
      standalone: true,
    });
    assert.equal(table[2], ' Connected to Sensor?       false');
    assert.deepEqual(table.slice(5), [
      '====================================',
      'Standalone: no Sensor is configured, messages go to standard output.',
      '',
    ]);
  });
});

describe('below a failure', () => {
  it('stand its cause, its remedy and one FATAL line', () => {
    const failure = new Failure('OUTPUT_UNWRITABLE', { reason: 'ENOSPC' });
    assert.deepEqual(failureLines(failure, 'the end', 'load'), [
      {
        level: 'error',
        message: 'Cause: Standard output cannot be written: ENOSPC.',
      },
      {
        level: 'error',
        message:
          'Remedy: Make room where standard output goes to, or send it elsewhere, and start Collector again.',
      },
      { level: 'fatal', message: 'the end' },
    ]);
  });

  const untried = [
    ['start', 'to connect to Sensor, to find a driver, to load it'],
    ['connect-sensor', 'to find a driver, to load it'],
    ['find-driver', 'to load a driver'],
    ['download', 'to load a driver'],
  ] as const;
  for (const [phase, what] of untried) {
    it(`of ${phase} stands first what the table says false of without a try`, () => {
      const failure = new Failure('OUTPUT_UNWRITABLE', { reason: 'ENOSPC' });
      const [first, ...others] = failureLines(failure, 'the end', phase);
      assert.deepEqual(first, { level: 'info', message: `Not tried, for what failed before: ${what}.` });
      assert.deepEqual(others, failureLines(failure, 'the end', 'load'));
    });
  }

  it("stands the phase's own text", () => {
    const host = { sensor: 'sensor.stackrox.svc:9998', release: '5.10.109-0-virt' };
    const noObject = 'No suitable kernel object downloaded for kernel 5.10.109-0-virt';
    assert.equal(
      fatalText('connect-sensor', host),
      "Unable to connect to Sensor at 'sensor.stackrox.svc:9998'.",
    );
    assert.equal(fatalText('find-driver', host), noObject);
    assert.equal(fatalText('download', host), noObject);
    assert.equal(fatalText('load', host), 'Failed to initialize collector kernel components.');
    assert.equal(fatalText('collect', host), 'Collector can no longer collect.');
  });
});
