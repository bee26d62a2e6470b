import assert from 'node:assert/strict';
import {
  ageText,
  clockText,
  dateText,
  isoText,
  parseDuration,
  parseWhen,
  zoneName,
} from '../../actors/command/time.js';

const NOW = Date.parse('2026-11-23T01:16:09.250Z');

describe('Times of the command', () => {
  it('are durations before now, or RFC 3339', () => {
    assert.equal(parseDuration('1h30m'), 5_400_000);
    assert.equal(parseDuration('1.5s'), 1500);
    assert.equal(parseDuration('250ms'), 250);
    for (const bad of ['', '5', 'm', '5 m', '-5m', '5y']) assert.equal(parseDuration(bad), undefined, bad);
    assert.equal(parseWhen('5m', NOW), NOW - 300_000);
    assert.equal(parseWhen('2026-11-23T02:16:09+01:00', NOW), NOW - 250);
    for (const bad of ['yesterday', '2026-11-23', '2026-11-23T01:16:09'])
      assert.equal(parseWhen(bad, NOW), undefined, bad);
  });

  it('are shown with their zone', () => {
    assert.equal(dateText('utc', NOW), '2026-11-23 01:16:09 UTC');
    assert.equal(isoText('utc', NOW), '2026-11-23T01:16:09.250Z');
    const zone = process.env['TZ'];
    process.env['TZ'] = 'Asia/Kolkata';
    try {
      assert.equal(isoText('local', NOW), '2026-11-23T06:46:09.250+05:30');
      assert.equal(clockText('local', NOW), '06:46:09');
      assert.equal(zoneName('local', NOW), '+05:30');
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  it('are ages in the unit that says enough', () => {
    assert.deepEqual([0, 119_000, 120_000, 7_200_000, 172_800_000].map(ageText), [
      '0s',
      '119s',
      '2m',
      '2h',
      '2d',
    ]);
  });
});
