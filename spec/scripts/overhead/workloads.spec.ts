import assert from 'node:assert/strict';
import { elapsedOf } from '../../../scripts/overhead/workloads/hackbench.js';
import { workOf as nginxWork } from '../../../scripts/overhead/workloads/nginx.js';
import { workOf as postgresWork } from '../../../scripts/overhead/workloads/postgres.js';
import { ratePerSecond } from '../../../scripts/overhead/workloads/redis.js';

describe('outputs of the work of others', () => {
  it('of redis-benchmark has its rate behind headings', () => {
    const output = '"test","rps","avg_latency_ms"\n"GET","50000.00","0.160"\n';
    assert.equal(ratePerSecond(output), 50_000);
    assert.throws(() => ratePerSecond('Could not connect'), /gave no rate: Could not connect/);
  });

  it('of wrk has requests and their rate', () => {
    const output = '  5000 requests in 1.01s, 805.66KB read\nRequests/sec:  10000.00\n';
    assert.deepEqual(nginxWork(output), { operations: 5000, elapsed: 5e8 });
    assert.throws(() => nginxWork('unable to connect'), /made no requests/);
  });

  it('of pgbench has transactions and their rate, connecting included', () => {
    const output =
      'number of transactions actually processed: 200/200\nlatency average = 5 ms\ntps = 400.0 (including reconnection times)\n';
    assert.deepEqual(postgresWork(output), { operations: 200, elapsed: 5e8 });
    assert.throws(() => postgresWork(''), /made no transactions/);
  });

  it('of hackbench has its time', () => {
    assert.equal(elapsedOf('Running in process mode\nTime: 0.25\n'), 2.5e8);
    assert.throws(() => elapsedOf('fork failed'), /gave no time: fork failed/);
  });
});
