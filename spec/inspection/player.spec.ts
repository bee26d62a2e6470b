import assert from 'node:assert/strict';
import { parseCommand, Schedule } from '../../actors/inspection/player.js';

const MS = 1e6;
const START = 5000 * MS;
const END = 65_000 * MS;

describe('The schedule of a replay', () => {
  /** A change of the schedule at a time of the wall in ms, and the recorded ms due at a later time. */
  const table: readonly (readonly [
    what: string,
    changes: readonly (readonly [at: number, change: (schedule: Schedule, now: number) => void])[],
    at: number,
    due: number,
  ])[] = [
    ['begins at the start, paused', [], 1000, 5000],
    ['goes on with the wall', [[100, (one, now) => one.play(now)]], 1100, 6000],
    [
      'goes as many times as fast as it is told to, from then on',
      [
        [0, (one, now) => one.play(now)],
        [1000, (one, now) => one.setSpeed(10, now)],
      ],
      2000,
      16_000,
    ],
    [
      'stands still while it is paused',
      [
        [0, (one, now) => one.play(now)],
        [1000, (one, now) => one.pause(now)],
      ],
      9000,
      6000,
    ],
    [
      'goes on where it was paused',
      [
        [0, (one, now) => one.play(now)],
        [1000, (one, now) => one.pause(now)],
        [5000, (one, now) => one.play(now)],
      ],
      6000,
      7000,
    ],
    [
      'stays where it jumped while it is paused',
      [[100, (one, now) => one.jump(40_000 * MS, now)]],
      900,
      40_000,
    ],
    [
      'goes on from where it jumped',
      [
        [0, (one, now) => one.play(now)],
        [100, (one, now) => one.jump(40_000 * MS, now)],
      ],
      200,
      40_100,
    ],
    ['jumps to no time before the start', [[0, (one, now) => one.jump(-1, now)]], 0, 5000],
    ['jumps to no time after the end', [[0, (one, now) => one.jump(Infinity, now)]], 0, 65_000],
    ['stops at the end', [[0, (one, now) => one.play(now)]], 1e9, 65_000],
  ];
  for (const [what, changes, at, due] of table) {
    it(what, () => {
      const schedule = new Schedule(START, END);
      for (const [now, change] of changes) change(schedule, now);
      assert.equal(schedule.dueAt(at) / MS, due);
    });
  }

  it('says how long to wait for a recorded time, at its speed', () => {
    const schedule = new Schedule(START, END);
    assert.equal(schedule.wait(7000 * MS, 0), Infinity);
    schedule.play(0);
    schedule.setSpeed(20, 0);
    assert.equal(schedule.wait(7000 * MS, 0), 100);
    assert.equal(schedule.wait(7000 * MS, 40), 60);
    assert.equal(schedule.wait(7000 * MS, 100), 0);
    assert.equal(schedule.wait(START, 100), 0);
  });
});

describe('The commands of a replay', () => {
  for (const command of [
    { action: 'play' },
    { action: 'pause' },
    { action: 'step' },
    { action: 'seek', value: 1.7e12 },
    { action: 'speed', value: 100 },
  ] as const) {
    it(`have ${JSON.stringify(command)}`, () =>
      assert.deepEqual(parseCommand(JSON.stringify(command)), command));
  }

  for (const [text, error] of [
    ['', /^'' is no command \(allowed: a JSON object/],
    ['7', /^'7' is no command/],
    ['{"action":"rewind"}', /^"rewind" is no action \(allowed: play, pause, step, seek, speed\)/],
    ['{}', /^undefined is no action/],
    ['{"action":"seek"}', /^undefined is no time to seek/],
    ['{"action":"seek","value":1e999}', /is no time to seek/],
    ['{"action":"speed","value":0}', /^0 is no speed \(allowed: a number from 1 to 100\)/],
    ['{"action":"speed","value":"10"}', /^"10" is no speed/],
  ] as const) {
    it(`have no ${text}`, () => assert.match((parseCommand(text) as { error: string }).error, error));
  }
});
