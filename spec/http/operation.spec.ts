import assert from 'node:assert/strict';
import type { Readiness } from '../../actors/capture/health.js';
import { operationRoutes } from '../../actors/http/operation.js';
import { levels, type Level } from '../../actors/telemetry/line.js';
import { resources } from '../support/resources.js';
import { Served } from './support.js';

const kernel = { events: 12, drops: { total: 3, ringbuffer: 2, threadcache: 1 }, preemptions: 0 };

describe('The routes of operation', () => {
  const keep = resources();
  const log: { level: Level } = { level: 'info' };
  let readiness: Readiness = { is: 'waiting' };
  let served: Served;

  before(async () => {
    const routes = operationRoutes({ readiness: () => readiness, node: 'node-1', kernel: () => kernel, log });
    served = await keep(Served.start(routes));
  });

  const post = async (body: string) => {
    const { status, text } = await served.ask('/loglevel', { method: 'POST', body });
    return { status, answer: JSON.parse(text) as unknown };
  };

  it('are live whether events flow or not', async () => {
    const { status, text } = await served.ask('/live');
    assert.deepEqual([status, text], [200, '{"status":"live"}']);
  });

  it('are not ready before events flow', async () => {
    const { status, text } = await served.ask('/ready');
    assert.deepEqual([status, text], [503, '{}']);
  });

  it('are ready when they do, in the words that probes look for', async () => {
    readiness = { is: 'ready' };
    const { status, text } = await served.ask('/ready');
    assert.equal(status, 200);
    assert.equal(text, JSON.stringify({ status: 'ok', collector: { node: 'node-1', ...kernel } }));
  });

  it('are not when events were seen not to flow, and say why', async () => {
    readiness = { is: 'blind', cause: 'no exec was seen' };
    const { status, text } = await served.ask('/ready');
    assert.equal(status, 503);
    assert.doesNotMatch(text, /"ok"/);
    assert.equal((JSON.parse(text) as { error: string }).error, 'no exec was seen');
  });

  it('tell the level of the log', async () => {
    assert.deepEqual(await post(''), { status: 200, answer: { status: 'Ok', level: 'INFO' } });
  });

  for (const level of levels) {
    it(`set the level ${level}, in any case`, async () => {
      for (const written of [level, level.toUpperCase(), ` ${level}\n`]) {
        log.level = level === 'info' ? 'error' : 'info';
        assert.deepEqual(await post(written), {
          status: 200,
          answer: { status: 'Ok', level: level.toUpperCase() },
        });
        assert.equal(log.level, level);
      }
    });
  }

  for (const body of ['loud', 'debug info', '1', '{"level":"debug"}', '__proto__', 'constructor']) {
    it(`refuse the level ${body}, and name those that there are`, async () => {
      log.level = 'info';
      const { status, answer } = await post(body);
      assert.equal(status, 400);
      const { status: said, error } = answer as { status: string; error: string };
      assert.equal(said, 'Error');
      assert.ok(error.includes(`'${body}'`) && levels.every((level) => error.includes(level)), error);
      assert.equal(log.level, 'info');
    });
  }
});
