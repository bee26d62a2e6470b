import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { profileRoutes } from '../../actors/http/profile.js';
import { Profile, profileStates, type ProfileState } from '../../actors/profiles/profile.js';
import type { RawProfile, Sampler } from '../../actors/profiles/sampler.js';
import { Served } from '../http/support.js';
import { eventually } from '../support/eventually.js';
import { resources } from '../support/resources.js';

const HOUR_MS = 3_600_000;

/** Counts its starts; the samples of the first are 1, those of the second 2. */
class FakeSampler implements Sampler {
  starts = 0;
  isOn = false;
  failure: Error | undefined;

  start = async (): Promise<void> => {
    if (this.failure !== undefined) throw this.failure;
    assert.ok(!this.isOn, 'it is not on yet');
    this.isOn = true;
    this.starts++;
    return Promise.resolve();
  };

  stop = async (): Promise<RawProfile> => {
    assert.ok(this.isOn, 'it is on');
    this.isOn = false;
    return Promise.resolve({ kind: 'cpu', time: 0, duration: 0, samples: this.starts, nodes: [] });
  };
}

const encode = (raw: RawProfile): Promise<Buffer> =>
  Promise.resolve(Buffer.from(raw.kind === 'cpu' ? `profile ${raw.samples}` : ''));

function made(options: { most?: number; encode?: typeof encode } = {}) {
  const sampler = new FakeSampler();
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line), error: (line: string) => lines.push(line) };
  const profile = new Profile({ name: 'CPU', sampler, encode, most: HOUR_MS, ...options, log });
  return { sampler, lines, profile };
}

describe('A profile', () => {
  const steps: readonly (readonly [ProfileState[], ProfileState, string])[] = [
    [[], 'empty', ''],
    [['off'], 'empty', ''],
    [['empty'], 'empty', ''],
    [['on'], 'on', ''],
    [['on', 'on'], 'on', ''],
    [['on', 'off'], 'off', 'profile 1'],
    [['on', 'on', 'off'], 'off', 'profile 1'],
    [['on', 'off', 'off'], 'off', 'profile 1'],
    [['on', 'off', 'empty'], 'empty', ''],
    [['on', 'empty'], 'empty', ''],
    [['on', 'empty', 'off'], 'empty', ''],
    [['on', 'off', 'on'], 'on', ''],
    [['on', 'off', 'on', 'off'], 'off', 'profile 2'],
  ];
  for (const [asked, state, result] of steps) {
    it(`that was set ${asked.join(', ') || 'nothing'} is ${state}`, async () => {
      const { profile, sampler } = made();
      // In turn, though nobody waits.
      await Promise.all(asked.map((wanted) => profile.set(wanted)));
      assert.deepEqual([profile.state, profile.result.toString()], [state, result]);
      assert.equal(sampler.isOn, state === 'on');
    });
  }

  it('turns itself off when it was forgotten, keeps the result, and says so', async () => {
    const { profile, lines } = made({ most: 20 });
    await profile.set('on');
    await eventually(() => profile.state === 'off', 'it is off');
    assert.equal(profile.result.toString(), 'profile 1');
    assert.ok(lines.some((line) => line.includes('0.02 s')));
  });

  it('has its whole time again when it is turned on again', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { profile } = made({ most: 1000 });
      await profile.set('on');
      mock.timers.tick(900);
      await profile.set('off');
      await profile.set('on');
      mock.timers.tick(900);
      await profile.set('on');
      assert.equal(profile.state, 'on');
      mock.timers.tick(100);
      await profile.set('off');
      assert.equal(profile.result.toString(), 'profile 2');
    } finally {
      mock.timers.reset();
    }
  });

  it('that cannot start is empty, and can be tried again', async () => {
    const { profile, sampler } = made();
    sampler.failure = new Error('no inspector');
    await assert.rejects(profile.set('on'), /no inspector/);
    assert.equal(profile.state, 'empty');
    sampler.failure = undefined;
    await profile.set('on');
    assert.equal(profile.state, 'on');
    await profile.set('empty');
  });

  it('that cannot be converted is empty, and not on any more', async () => {
    const { profile, sampler } = made({ encode: () => Promise.reject(new Error('out of memory')) });
    await profile.set('on');
    await assert.rejects(profile.set('off'), /out of memory/);
    assert.deepEqual([profile.state, sampler.isOn], ['empty', false]);
  });
});

describe('The routes of profiles', () => {
  const keep = resources();
  const cpu = made();
  const heap = made();
  let served: Served;

  before(async () => {
    served = await keep(Served.start(profileRoutes({ cpu: cpu.profile, heap: heap.profile })));
  });

  const post = async (path: string, body: string) => served.ask(path, { method: 'POST', body });
  const states = async () => {
    const { cpu, heap } = JSON.parse((await served.ask('/profile')).text) as Record<string, ProfileState>;
    return [cpu, heap];
  };

  it('say what there is', async () => {
    const { status, text } = await served.ask('/profile');
    assert.equal(status, 200);
    assert.equal(text, '{"supports_cpu":true,"supports_heap":true,"cpu":"empty","heap":"empty"}');
  });

  it('give an empty answer when there is no result', async () => {
    const { status, text } = await served.ask('/profile/cpu');
    assert.deepEqual([status, text], [200, '']);
  });

  it('turn one on without the other, and give its result', async () => {
    assert.equal((await post('/profile/heap', 'on')).status, 200);
    assert.deepEqual(await states(), ['empty', 'on']);
    assert.equal((await post('/profile/cpu', 'on\n')).status, 200);
    assert.deepEqual(await states(), ['on', 'on']);
    assert.equal((await post('/profile/heap', 'off')).text, (await served.ask('/profile')).text);
    assert.deepEqual(await states(), ['on', 'off']);
    const { headers, text } = await served.ask('/profile/heap');
    assert.equal(headers.get('content-type'), 'application/octet-stream');
    assert.equal(headers.get('content-encoding'), null);
    assert.equal(text, 'profile 1');
    await post('/profile/heap', 'empty');
    await post('/profile/cpu', 'empty');
    assert.deepEqual(await states(), ['empty', 'empty']);
  });

  for (const body of ['', 'ON', 'start', 'on off', '{"state":"on"}', '__proto__']) {
    it(`refuse "${body}", and name what there is`, async () => {
      const { status, text } = await post('/profile/cpu', body);
      assert.equal(status, 400);
      const { error } = JSON.parse(text) as { error: string };
      assert.ok(error.includes(`'${body}'`) && profileStates.every((state) => error.includes(state)), error);
      assert.deepEqual(await states(), ['empty', 'empty']);
    });
  }

  it('say why a profile cannot start', async () => {
    cpu.sampler.failure = new Error('Profiler.start: no memory');
    const { status, text } = await post('/profile/cpu', 'on');
    cpu.sampler.failure = undefined;
    assert.equal(status, 500);
    assert.deepEqual(JSON.parse(text), {
      error: 'The cpu profile cannot be set on: Profiler.start: no memory',
    });
  });

  for (const path of ['/profile/', '/profile/disk', '/profile/cpu/heap']) {
    it(`know no ${path}`, async () => {
      assert.equal((await served.ask(path)).status, 404);
    });
  }
});
