import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamRef } from '../../../machines/stream.js';
import { Runtimes, type RuntimeUpdate } from '../../../actors/containers/cri/actor.js';
import { createLog } from '../../../actors/telemetry/log.js';
import { eventually } from '../../support/eventually.js';
import { FakeRuntime, ForeignServer, type FakeOptions } from '../../support/fake-runtime.js';
import type { Resource } from '../../support/resources.js';
import { spawnStream } from '../../support/spawn-stream.js';

const ID = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const INTERVALS = {
  poll: 50,
  pollBesideEvents: 60_000,
  rest: 5,
  answer: 200,
  look: 10,
  backOff: { first: 20, most: 40 },
};
const LIST = 'RuntimeService/ListContainers';

describe('the names of containers', () => {
  let folder: string;
  let made: Resource[];
  let updates: RuntimeUpdate[];
  let lines: string[];
  let runtimes: Runtimes;
  let streams: StreamRef[];

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cri-'));
    [made, updates, lines] = [[], [], []];
    streams = [];
  });
  afterEach(async () => {
    streams.forEach((stream) => stream.send({ type: 'stop' }));
    for (const resource of made) await resource.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const at = (name: string) => path.join(folder, name);

  async function start(name: string, options?: FakeOptions): Promise<FakeRuntime> {
    const fake = await FakeRuntime.start(at(name), options);
    made.push(fake);
    return fake;
  }

  function listen(sockets: readonly string[], intervals: Partial<typeof INTERVALS> = {}): void {
    const log = createLog({ write: (line) => lines.push(line) });
    runtimes = new Runtimes({ sockets: sockets.map(at), log, intervals: { ...INTERVALS, ...intervals } });
    runtimes.updates.subscribe((update) => updates.push(update));
    runtimes.start((name, input) => {
      const stream = spawnStream(name, input);
      streams.push(stream);
      return stream;
    });
  }

  /** Names of pods by the ids of their containers, as told so far. */
  function pods(): Record<string, string> {
    const known = new Map<string, string>();
    for (const { updated, removed } of updates) {
      for (const { id, pod } of updated) known.set(id, pod);
      for (const id of removed) known.delete(id);
    }
    return Object.fromEntries(known);
  }

  const warnings = () => lines.filter((line) => line.startsWith('[WARNING'));

  it('are told with pod, namespace, image and labels', async () => {
    const fake = await start('a.sock');
    const digest = `sha256:${'1'.repeat(64)}`;
    const image = `sha256:${'2'.repeat(64)}`;
    fake.add('web-0', ID, { image: { image }, imageRef: image, labels: { app: 'web' } });
    fake.inventory.images.push({ id: image, repoTags: ['shop/web:1'], repoDigests: [`shop/web@${digest}`] });
    listen(['a.sock']);
    await eventually(() => updates.length > 0, 'something is told');
    const pod = { namespace: 'shop', pod: 'web-0', podUid: 'uid-web-0' };
    assert.deepEqual(updates, [
      {
        updated: [
          { id: 'f' + 'a'.repeat(11), ...pod, name: '', image: '', imageDigest: '', labels: {} },
          {
            id: 'a'.repeat(12),
            ...pod,
            name: 'main',
            image: 'shop/web:1',
            imageDigest: digest,
            labels: { app: 'web' },
          },
        ],
        removed: [],
      },
    ]);
  });

  it('are told once, and again only when something changes', async () => {
    const fake = await start('a.sock');
    fake.add('web-0', ID);
    listen(['a.sock']);
    await eventually(() => (fake.calls.get(LIST) ?? 0) > 3, 'it is asked again and again');
    assert.equal(updates.length, 1);
    fake.inventory.containers = [];
    await eventually(() => updates.length > 1, 'the removal is told');
    assert.deepEqual(updates[1], { updated: [], removed: ['a'.repeat(12)] });
  });

  it('are asked for at once when a stranger is met, however many there are', async () => {
    const fake = await start('a.sock');
    listen(['a.sock'], { poll: 60_000, rest: 50 });
    await eventually(() => fake.calls.get(LIST) === 1, 'it is asked');
    fake.add('web-0', ID);
    for (let count = 0; count < 1000; count++) runtimes.ask();
    await eventually(() => 'aaaaaaaaaaaa' in pods(), 'the stranger has a name');
    for (let count = 0; count < 1000; count++) runtimes.ask();
    await sleep(20);
    assert.ok(fake.calls.get(LIST)! <= 3, String(fake.calls.get(LIST)));
  });

  for (const [name, version] of [
    ['containerd', 'v2.0.1'],
    ['cri-o', '1.31.0'],
  ] as const) {
    it(`are asked for when ${name} ${version} tells of an event`, async () => {
      const fake = await start('a.sock', { name, version, hasEvents: true });
      listen(['a.sock'], { poll: 60_000 });
      await eventually(() => fake.calls.has('RuntimeService/GetContainerEvents'), 'it listens for events');
      fake.add('web-0', ID);
      await eventually(() => {
        fake.sendEvent();
        return 'aaaaaaaaaaaa' in pods();
      }, 'the event leads to a name');
    });
  }

  it('are polled for where events are not offered', async () => {
    const fake = await start('a.sock', { name: 'cri-o', version: '1.20.0' });
    listen(['a.sock'], { pollBesideEvents: 50 });
    await eventually(() => fake.calls.has('RuntimeService/GetContainerEvents'), 'events are asked for');
    fake.add('web-0', ID);
    await eventually(() => 'aaaaaaaaaaaa' in pods(), 'the name comes all the same');
    assert.deepEqual(warnings(), []);
  });

  it('never take events from the only listener of an older containerd', async () => {
    const fake = await start('a.sock', { version: '1.7.27', hasEvents: true });
    listen(['a.sock']);
    await eventually(() => (fake.calls.get(LIST) ?? 0) > 2, 'it is polled');
    assert.ok(!fake.calls.has('RuntimeService/GetContainerEvents'));
  });

  it('come from several runtimes at once, one of them hanging, and one not there yet', async () => {
    made.push(await ForeignServer.start(at('hangs.sock'), ''));
    const first = await start('a.sock');
    first.add('web-0', ID);
    listen(['hangs.sock', 'a.sock', 'late.sock']);
    await eventually(() => 'aaaaaaaaaaaa' in pods(), 'the first tells');
    assert.equal(lines.filter((line) => line.includes('late.sock yet')).length, 1);
    const late = await start('late.sock');
    late.add('db-0', OTHER);
    await eventually(() => 'bbbbbbbbbbbb' in pods(), 'the second tells');
    await eventually(() => warnings().length > 0, 'the one that hangs is told of');
    await sleep(300);
    assert.equal(warnings().length, 1, warnings().join(''));
    assert.match(warnings()[0]!, /\[Throttled\] Container runtime at .*hangs\.sock does not tell .*\(/);
    assert.equal(lines.filter((line) => line.includes('late.sock yet')).length, 1);
  });

  const nonsense: Readonly<Record<string, () => Promise<Resource>>> = {
    'speaks HTTP/1': () => ForeignServer.start(at('a.sock'), 'HTTP/1.1 400 Bad Request\r\n\r\n'),
    'speaks nothing known': () => ForeignServer.start(at('a.sock'), '\0'.repeat(10_000)),
    'speaks gRPC of something else': () => FakeRuntime.start(at('a.sock'), { babbles: true }),
  };
  for (const [what, make] of Object.entries(nonsense)) {
    it(`cost one warning where somebody ${what}, and come when a runtime takes its place`, async () => {
      const wrong = await make();
      listen(['a.sock']);
      try {
        await eventually(() => warnings().length > 0, 'a warning');
        await sleep(300);
        assert.equal(warnings().length, 1, warnings().join(''));
        assert.deepEqual(updates, []);
      } finally {
        await wrong.remove();
      }
      rmSync(at('a.sock'), { force: true });
      const fake = await start('a.sock');
      fake.add('web-0', ID);
      await eventually(() => 'aaaaaaaaaaaa' in pods(), 'the name comes');
    });
  }

  it('stay when the runtime vanishes, and are told anew only where they changed when it is back', async () => {
    const fake = await start('a.sock');
    fake.add('web-0', ID);
    listen(['a.sock']);
    await eventually(() => updates.length === 1, 'it tells');
    fake.remove();
    await eventually(() => warnings().length === 1, 'that it has gone is said');
    assert.equal(updates.length, 1);
    rmSync(at('a.sock'), { force: true });
    const back = await start('a.sock');
    back.add('web-0', ID);
    back.add('web-1', OTHER);
    await eventually(() => updates.length === 2, 'it tells again');
    assert.deepEqual(pods(), {
      faaaaaaaaaaa: 'web-0',
      aaaaaaaaaaaa: 'web-0',
      fbbbbbbbbbbb: 'web-1',
      bbbbbbbbbbbb: 'web-1',
    });
    assert.ok(updates[1]!.updated.every(({ pod }) => pod === 'web-1'));
    assert.equal(warnings().length, 1);
  });

  it('of 10,000 containers are told', async () => {
    const fake = await start('a.sock');
    for (let number = 0; number < 10_000; number++)
      fake.add(`pod-${number}`, `${number}`.padStart(12, 'a').padEnd(64, '0'));
    listen(['a.sock'], { answer: 10_000 });
    await eventually(() => updates.length > 0, 'they are told');
    assert.equal(updates[0]!.updated.length, 20_000);
  });

  it('of what has no id of a container are left out, and what is too long is cut', async () => {
    const fake = await start('a.sock');
    fake.add('../../etc', 'not-an-id');
    fake.add('x'.repeat(100_000), ID, {
      labels: Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`label-${at}`, 'y'.repeat(1000)])),
    });
    listen(['a.sock']);
    await eventually(() => updates.length > 0, 'something is told');
    const { updated } = updates[0]!;
    assert.deepEqual(
      updated.map(({ id }) => id),
      ['faaaaaaaaaaa', 'aaaaaaaaaaaa'],
    );
    assert.ok(JSON.stringify(updated).length < 50_000);
  });
});
