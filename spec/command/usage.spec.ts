import assert from 'node:assert/strict';
import { chownSync } from 'node:fs';
import { createServer } from 'node:net';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { once } from 'node:events';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { Desk } from './support.js';

describe('The command, without a daemon', function () {
  this.timeout(20_000);
  const keep = resources();
  let desk: Desk;

  before(async () => {
    desk = await keep(new Desk());
  });

  const mistakes: readonly (readonly [words: readonly string[], said: RegExp])[] = [
    [['obsreve'], /unknown command 'obsreve'\n\(Did you mean observe\?\)/],
    [['observe', '--folow'], /unknown option '--folow'\n\(Did you mean --follow\?\)/],
    [['observe', '--port=http'], /'--port <port>' argument 'http' is invalid\. It has to be a port/],
    [['observe', '--not'], /'--not' stands before the filter/],
    [['ps', '--sort=agee'], /'--sort': there is no field 'agee' \(did you mean age\?\)/],
    [['failures', 'SENSOR_TSL'], /no failure 'SENSOR_TSL' \(Did you mean SENSOR_TLS\?\)/],
  ];
  it('refuses what it does not know, with the nearest right word', async () => {
    const answers = await Promise.all(mistakes.map(async ([words]) => desk.ask(...words)));
    for (const [index, { code, stdout, stderr }] of answers.entries()) {
      assert.match(stderr, mistakes[index]![1]);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    }
  });

  it('says in one line that nobody listens, and what to do', async () => {
    const { code, stderr } = await desk.ask('status', '--brief');
    assert.equal(code, 2);
    assert.match(stderr, /^collector: No Collector listens at .* \(ENOENT\)\. Start it, or .*\n$/);
  });

  it('trusts no socket of another user', async function () {
    requires(this, isRoot, 'no root');
    const server = createServer();
    mkdirSync(path.dirname(desk.socket), { recursive: true });
    server.listen(desk.socket);
    await once(server, 'listening');
    try {
      chownSync(desk.socket, 65_534, 0);
      const { code, stderr } = await desk.ask('ps');
      assert.equal(code, 2);
      assert.match(stderr, /belongs to user 65534, neither to root nor to you.*setpriv --reuid=65534/);
    } finally {
      server.close();
    }
  });

  it('has the catalogue of failures, with cause, remedy and where each is said', async () => {
    const { code, stdout } = await desk.ask('failures', 'sensor-tls');
    assert.equal(code, 0);
    assert.match(stdout, /^Cause:\n {2}TLS with Sensor.*\nRemedy:\n[^]*\nWhere it is said:\n/);
  });

  it('has help with two examples, and fields to choose from', async () => {
    const { code, stdout } = await desk.ask('listening', '--help');
    assert.equal(code, 0);
    assert.equal(stdout.match(/^ {2}\$ collector listening /gm)?.length, 2);
    const fields = await desk.ask('listening', '--fields=help');
    assert.match(fields.stdout, /^since +when it called listen\(\)/m);
  });

  it('completes words, options and their values', async () => {
    const completed = async (...words: readonly string[]) =>
      (await desk.ask('complete', '--', ...words)).lines.map((line) => line.split('\t')[0]);
    assert.ok((await completed('obs')).includes('observe'));
    assert.ok((await completed('observe', '--ev')).includes('--event'));
    assert.ok((await completed('observe', '--event', 'li')).includes('listen'));
  });
});
