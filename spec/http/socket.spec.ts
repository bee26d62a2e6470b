import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openSocket } from '../../actors/http/socket.js';
import { removeFolder } from '../support/folder.js';

describe('The socket of the command', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'socket-'));
    file = path.join(folder, 'run/collector.sock');
  });
  afterEach(() => removeFolder(folder));

  const open = async () =>
    openSocket(
      (_, response) => response.end('here'),
      file,
      () => undefined,
    );

  it('is for its owner alone, in a folder made for it, and gone at the end', async () => {
    const server = await open();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o700);
    const asked = request({ socketPath: file, agent: false }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(String(await response.toArray()), 'here');
    server.close();
    assert.ok(!existsSync(file));
  });

  it('takes the place of a dead daemon, but not of a living one', async () => {
    (await open()).close();
    const script = `require('node:net').createServer().listen(${JSON.stringify(file)}, () => console.log('up'))`;
    const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    await assert.rejects(open(), /another Collector listens there/);
    other.kill('SIGKILL');
    await once(other, 'exit');
    assert.ok(existsSync(file));
    (await open()).close();
  });

  it('replaces nothing that is no socket, and takes no path too long for one', async () => {
    (await open()).close();
    writeFileSync(file, 'mine');
    await assert.rejects(open(), /no socket/);
    file = path.join(folder, 'x'.repeat(108));
    await assert.rejects(open(), /longer than 107 bytes/);
  });
});
