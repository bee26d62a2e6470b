import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Audience } from '../../actors/capture/facts.js';
import { ProcessScans } from '../../actors/capture/process-scans.js';
import type { Records } from '../../actors/capture/records.js';
import { batch, processRecord } from '../support/records.js';

const PARTS = 3;

describe('Scans of processes', () => {
  let said: string[];
  let audience: Audience;
  let room: boolean;
  /** Lets the next part of a scan be listed. */
  let listed: () => void;
  let scans: ProcessScans;
  let errors: unknown[];

  beforeEach(() => {
    said = [];
    errors = [];
    audience = 'same';
    room = true;
    scans = new ProcessScans({
      list,
      deliver: async (part, to, records) => {
        said.push(`${part} ${to}${records.length > 0 ? ` ${records.pid(0)}` : ''}`);
        return turn();
      },
      audience: () => audience,
      hasRoom: () => room,
      onError: (error) => errors.push(error),
    });
  });
  afterEach(() => scans.close());

  async function* list(): AsyncGenerator<Records> {
    said.push('list');
    for (let pid = 1; pid <= PARTS; pid++) {
      await new Promise<void>((resolve) => (listed = resolve));
      yield batch(processRecord({ pid }));
    }
  }

  async function turns(): Promise<void> {
    for (let i = 0; i < 20; i++) await turn();
  }
  async function part(): Promise<void> {
    await turns();
    listed();
    await turns();
  }

  it('come in parts, an empty one first and last', async () => {
    scans.request('same');
    for (let i = 0; i < PARTS; i++) await part();
    await scans.idle(1000);
    assert.deepEqual(said, ['first same', 'list', 'next same 1', 'next same 2', 'next same 3', 'last same']);
  });

  it('are done one after the other, and once for all who ask meanwhile', async () => {
    scans.request('same');
    await part();
    scans.request('same');
    scans.request('same');
    for (let i = 1; i < 2 * PARTS; i++) await part();
    await scans.idle(1000);
    assert.equal(said.filter((one) => one === 'list').length, 2);
    assert.equal(said.filter((one) => one === 'last same').length, 2);
  });

  it('begin again for a fresh audience, which hears of all', async () => {
    scans.request('same');
    await part();
    scans.request('fresh');
    for (let i = 0; i <= PARTS; i++) await part();
    await scans.idle(1000);
    assert.deepEqual(said.slice(3), [
      'first fresh',
      'list',
      'next fresh 1',
      'next fresh 2',
      'next fresh 3',
      'last fresh',
    ]);
  });

  it('are heard by nobody from where the audience goes', async () => {
    scans.request('fresh');
    await part();
    audience = 'none';
    for (let i = 1; i < PARTS; i++) await part();
    await scans.idle(1000);
    assert.deepEqual(said.slice(2), ['next fresh 1', 'next none 2', 'next none 3', 'last none']);
  });

  it('wait where the audience has no room, and go on when it has', async () => {
    room = false;
    scans.request('same');
    await part();
    assert.deepEqual(said, ['first same', 'list']);
    scans.goOn(); // there is none all the same
    await turns();
    assert.deepEqual(said, ['first same', 'list']);
    room = true;
    scans.goOn();
    for (let i = 1; i < PARTS; i++) await part();
    await scans.idle(1000);
    assert.equal(said.at(-1), 'last same');
  });

  it('that wait for room give way to a fresh audience, and to the end', async () => {
    room = false;
    scans.request('same');
    await part();
    scans.request('fresh');
    await turns();
    assert.deepEqual(said, ['first same', 'list', 'first fresh', 'list']);
    scans.close();
    scans.request('same');
    await part();
    assert.equal(said.length, 4);
  });

  it('are not waited for longer than asked', async () => {
    scans.request('same');
    await scans.idle(20);
    assert.ok(!said.includes('last same'));
    await new ProcessScans({
      list,
      deliver: turn as never,
      audience: () => 'same',
      hasRoom: () => true,
      onError: () => undefined,
    }).idle(1e9);
  });

  it('that fail tell why, and others may follow', async () => {
    let fails = true;
    scans = new ProcessScans({
      // eslint-disable-next-line @typescript-eslint/require-await -- as scans that wait
      async *list() {
        if (fails) throw new Error('no iterator');
        yield batch();
      },
      deliver: async () => turn(),
      audience: () => 'same',
      hasRoom: () => true,
      onError: (error) => errors.push(error),
    });
    scans.request('same');
    await scans.idle(1000);
    assert.match(String(errors), /no iterator/);
    fails = false;
    scans.request('same');
    await scans.idle(1000);
    assert.equal(errors.length, 1);
  });
});
