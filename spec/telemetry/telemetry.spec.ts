import assert from 'node:assert/strict';
import { createLog } from '../../actors/telemetry/log.js';
import type { Publication } from '../../actors/telemetry/publication.js';
import { Stopwatch } from '../../actors/telemetry/stopwatch.js';
import { countsOf, Telemetry } from '../../actors/telemetry/telemetry.js';
import { samplesIn } from '../support/exposition.js';

const loss = (stage: string, count: number) => ({ stage, cause: 'table_full', count });
const LOSS = (stage: string) => `collector_losses_total{stage="${stage}",cause="table_full"}`;

describe('Telemetry', () => {
  const telemetryOf = (absent: Publication = {}) =>
    new Telemetry({
      version: '1.0.0',
      detailed: false,
      quantiles: undefined,
      log: createLog({ level: 'fatal', write: () => undefined }),
      absent,
    });
  const samples = async (telemetry: Telemetry) => samplesIn(await telemetry.metrics.text());

  it('appends the lists of all parts, and merges their records', async () => {
    const telemetry = telemetryOf();
    telemetry.publish({ losses: () => [loss('processes', 1)], counters: () => ({ net_conn_deltas: 2 }) });
    telemetry.publish({ losses: () => [loss('connections', 3)], counters: () => ({ net_cep_deltas: 4 }) });
    const shown = await samples(telemetry);
    assert.equal(shown.get(LOSS('processes')), 1);
    assert.equal(shown.get(LOSS('connections')), 3);
    assert.equal(shown.get('rox_collector_counters{type="net_conn_deltas"}'), 2);
    assert.equal(shown.get('rox_collector_counters{type="net_cep_deltas"}'), 4);
    assert.equal(shown.get('rox_collector_counters{type="net_conn_updates"}'), 0);
  });

  it('has the stand-in for a list until a part has published one', async () => {
    const telemetry = telemetryOf({ losses: () => [loss('output', 0)] });
    assert.equal((await samples(telemetry)).get(LOSS('output')), 0);
    telemetry.publish({ losses: () => [loss('sensor', 5)] });
    const shown = await samples(telemetry);
    assert.equal(shown.get(LOSS('sensor')), 5);
    assert.equal(shown.get(LOSS('output')), undefined);
  });

  it('reads the counts of publications as plain data, merged as for a scrape', () => {
    const timer = new Stopwatch();
    timer.add(2);
    const counts = countsOf([
      {
        losses: () => [loss('processes', 1)],
        timers: { net_fetch_state: timer },
        peers: () => assert.fail('summaries are no counts'),
      },
      { losses: () => [loss('recording', 2)], procfs: () => ({ event_timestamp_future: 3 }) },
      { procfs: () => ({ procfs_zombie_process: 4 }) },
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(counts)), {
      losses: [loss('processes', 1), loss('recording', 2)],
      procfs: { event_timestamp_future: 3, procfs_zombie_process: 4 },
      timers: { net_fetch_state: { laps: 1, microseconds: 2000 } },
    });
  });
});
