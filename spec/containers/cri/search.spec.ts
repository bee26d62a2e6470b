import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Search } from '../../../actors/containers/cri/search.js';
import { createLog } from '../../../actors/telemetry/log.js';

const TRIED = ['/run/containerd/containerd.sock', '/run/crio/crio.sock'];
const ABSENT = 'nothing is there';

describe('The search for a container runtime', () => {
  let root: string;
  let lines: string[];
  const servers: Server[] = [];

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'collector-search-'));
    lines = [];
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(root, { recursive: true, force: true });
  });

  function search(sockets: readonly string[] = TRIED): Search {
    const log = createLog({ write: (line) => lines.push(line) });
    return new Search({ sockets: sockets.map((socket) => path.join(root, socket)), hostRoot: root, log });
  }

  async function listen(place: string): Promise<void> {
    const file = path.join(root, place);
    mkdirSync(path.dirname(file), { recursive: true });
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(file, resolve));
  }

  async function failAll(to: Search): Promise<void> {
    for (const socket of TRIED) await to.failed(path.join(root, socket), ABSENT);
  }

  for (const place of [
    '/run/k3s/containerd/containerd.sock',
    '/run/k0s/containerd.sock',
    '/var/snap/microk8s/common/run/containerd.sock',
  ]) {
    it(`names the setting, what was tried, and ${place} where there is a socket, once`, async () => {
      await listen(place);
      const one = search();
      await failAll(one);
      await failAll(one);
      await one.met();
      assert.equal(lines.length, 1, lines.join(''));
      assert.match(lines[0]!, /WARNING.*ROX_COLLECTOR_RUNTIME_SOCKETS names /);
      for (const socket of TRIED) assert.ok(lines[0]!.includes(`${path.join(root, socket)} (${ABSENT})`));
      assert.ok(lines[0]!.includes(`Remedy: set it to ${place}, which is there`), lines[0]);
    });
  }

  it('names the places of other distributions when a container is seen, and not before', async () => {
    const one = search();
    await failAll(one);
    assert.deepEqual(lines, []);
    await one.met();
    await one.met();
    assert.equal(lines.length, 1, lines.join(''));
    assert.match(
      lines[0]!,
      /ROX_COLLECTOR_RUNTIME_SOCKETS.*k3s and RKE2 \/run\/k3s\/containerd\/containerd\.sock/,
    );
  });

  it('says nothing while a socket is still to be asked, once one has answered, or where none is wanted', async () => {
    await listen('/run/k3s/containerd/containerd.sock');
    const waiting = search();
    await waiting.failed(path.join(root, TRIED[0]!), ABSENT);
    await waiting.met();
    const answered = search();
    answered.answered();
    await failAll(answered);
    await answered.met();
    await search([]).met();
    assert.deepEqual(lines, []);
  });
});
