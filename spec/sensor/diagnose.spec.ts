import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { diagnose } from '../../actors/sensor/diagnose.js';
import type { TlsMaterial } from '../../actors/sensor/tls.js';
import { Authority, writeIdentity, type Identity } from '../../scripts/sensor/certificates.js';
import { eventually } from '../support/eventually.js';

const DAY_MS = 86_400_000;
const SERVER_NAME = 'sensor.stackrox';
const TIMEOUT_MS = 300;

describe('why Sensor cannot be reached', () => {
  const servers = new Set<net.Server>();
  const sockets = new Set<net.Socket>();
  const processes = new Set<ChildProcess>();
  const folders = new Set<string>();
  let authority: Authority;
  let others: Authority;
  let client: TlsMaterial;

  before(async () => {
    authority = await Authority.create('Our authority');
    others = await Authority.create('Somebody else');
    client = material(authority, await authority.issue({ commonName: 'collector' }));
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    for (const process of processes) process.kill();
    for (const folder of folders) rmSync(folder, { recursive: true });
    for (const set of [sockets, servers, processes, folders]) set.clear();
  });

  function material(from: Authority, { certificate, key }: Identity): TlsMaterial {
    return { ca: Buffer.from(from.certificate), cert: Buffer.from(certificate), key: Buffer.from(key) };
  }

  /** Lets a server listen on a port of its own; its address. */
  async function serve(server: net.Server): Promise<string> {
    servers.add(server);
    server.on('connection', (socket: net.Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  }

  /** Sensor's side of TLS, with a certificate of its own. */
  async function serveTls(
    request: Partial<Parameters<Authority['issue']>[0]> = {},
    options: tls.TlsOptions = {},
    issuer = authority,
  ): Promise<string> {
    const { certificate, key } = await issuer.issue({ commonName: SERVER_NAME, ...request });
    return serve(
      http2.createSecureServer({
        cert: certificate,
        key,
        ca: authority.certificate,
        requestCert: true,
        ...options,
      }),
    );
  }

  /** Cause and remedy, as a user reads them. */
  async function lines(
    address: string,
    tls: TlsMaterial | undefined,
  ): Promise<{ cause: string; remedy: string }> {
    const { message, remedy } = await diagnose({ address, serverName: SERVER_NAME }, tls, TIMEOUT_MS);
    return { cause: message, remedy };
  }

  it('is a name that does not resolve', async () => {
    const { cause, remedy } = await lines('sensor.nowhere.invalid:443', client);
    assert.match(
      cause,
      /^Sensor at sensor\.nowhere\.invalid:443 cannot be found: the name sensor\.nowhere\.invalid does not resolve \(E/,
    );
    assert.match(remedy, /GRPC_SERVER.*DNS/);
  });

  it('is a port that nobody listens on', async () => {
    const address = await serve(net.createServer());
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
    const { cause, remedy } = await lines(address, client);
    assert.equal(cause, `Sensor at ${address} does not take connections: 127.0.0.1 answers ECONNREFUSED.`);
    assert.match(remedy, /Sensor pod is running/);
  });

  it('is somebody who accepts and says nothing', async () => {
    const address = await serve(net.createServer());
    assert.equal(
      (await lines(address, undefined)).cause,
      `What answers at ${address} is not Sensor: it said nothing at all.`,
    );
    assert.equal(
      (await lines(address, client)).cause,
      `TLS with Sensor at ${address} fails: the TLS handshake was not answered.`,
    );
  });

  it('is somebody who hangs up', async () => {
    const address = await serve(net.createServer((socket) => socket.destroy()));
    assert.match(
      (await lines(address, undefined)).cause,
      /broke while it was made \(ECONNRESET\)|broke.*EPIPE/,
    );
  });

  it('is a certificate for another name, and which ones it has', async () => {
    const address = await serveTls({ commonName: 'central', names: ['central.stackrox', 'central'] });
    const { cause, remedy } = await lines(address, client);
    assert.equal(
      cause,
      `TLS with Sensor at ${address} fails: its certificate is for DNS:central.stackrox, DNS:central, not for sensor.stackrox.`,
    );
    assert.match(remedy, /SNI_HOSTNAME/);
  });

  it('is a certificate of another authority, and which one', async () => {
    const address = await serveTls({}, {}, others);
    const { cause, remedy } = await lines(address, client);
    assert.match(cause, /signed by 'Somebody else', is not trusted by the CA file/);
    assert.match(remedy, /CA that signed Sensor's certificate/);
  });

  it('is a certificate that has expired, or is not valid yet, and since when', async () => {
    const past = new Date(Math.floor(Date.now() / 1000) * 1000 - DAY_MS / 2);
    const expired = await serveTls({ notAfter: past });
    assert.match(
      (await lines(expired, client)).cause,
      new RegExp(`its certificate expired on ${past.toISOString()}`),
    );
    const future = new Date(Math.floor(Date.now() / 1000) * 1000 + DAY_MS / 2);
    const early = await serveTls({ notBefore: future });
    const { cause, remedy } = await lines(early, client);
    assert.match(cause, new RegExp(`its certificate is not valid before ${future.toISOString()}`));
    assert.match(remedy, /clock/);
  });

  for (const version of ['tls1_2', 'tls1_3']) {
    it(`is our own certificate, which Sensor refuses, and why, with ${version}`, async () => {
      const address = await serveOpenssl(version);
      const { cause, remedy } = await lines(address, await strangers());
      assert.match(cause, /it refused Collector's certificate.*: (unknown ca|bad certificate)/);
      assert.match(remedy, /collector-tls/);
    });
  }

  it('may be our own certificate when Sensor hangs up after the handshake', async () => {
    const { cause } = await lines(await serveTls({}, { rejectUnauthorized: true }), await strangers());
    assert.match(
      cause,
      /hung up right after the handshake.*refuses Collector's certificate \(CN=stranger, valid until 2/,
    );
  });

  /** A certificate that Sensor does not know the authority of. */
  async function strangers(): Promise<TlsMaterial> {
    const ours = material(others, await others.issue({ commonName: 'stranger' }));
    return { ...ours, ca: Buffer.from(authority.certificate) };
  }

  /** A server that says in a TLS alert what it does not like, which Node's own does not. */
  async function serveOpenssl(version: string): Promise<string> {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-diagnose-'));
    folders.add(folder);
    writeIdentity(folder, authority, await authority.issue({ commonName: SERVER_NAME }));
    const server = spawn(
      'openssl',
      [
        's_server',
        `-${version}`,
        '-accept',
        '127.0.0.1:0',
        '-alpn',
        'h2',
        '-Verify',
        '1',
        '-verify_return_error',
      ].concat(['-CAfile', 'ca.pem', '-cert', 'cert.pem', '-key', 'key.pem']),
      { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] },
    );
    processes.add(server);
    let output = '';
    server.stdout.on('data', (text: Buffer) => (output += text.toString()));
    return eventually(() => /^ACCEPT (\S+)$/m.exec(output)?.[1], 'openssl listens');
  }

  it('is that one side speaks TLS and the other does not', async () => {
    const plain = await serve(http2.createServer());
    const spoken = await lines(plain, client);
    assert.match(spoken.cause, /it does not speak TLS/);
    assert.match(spoken.remedy, /take the TLS settings away/);
    const secure = await serveTls();
    const missing = await lines(secure, undefined);
    assert.equal(missing.cause, `Sensor at ${secure} speaks TLS, and Collector was not told to.`);
    assert.match(missing.remedy, /ROX_COLLECTOR_TLS_CERTS/);
  });

  it('is a server of another kind, and what it said', async () => {
    const address = await serve(http.createServer());
    const { cause, remedy } = await lines(address, undefined);
    assert.equal(cause, `What answers at ${address} is not Sensor: it said 'HTTP/1.1 400 Bad Request'.`);
    assert.match(remedy, /GRPC_SERVER/);
    const strange = await serve(net.createServer((socket) => socket.end('\x1b[2J\x07 220 mail ready\r\n')));
    assert.match((await lines(strange, undefined)).cause, /it said '\?\[2J\? 220 mail ready'/);
  });

  it('is nothing that can be seen from here when all of that is well', async () => {
    assert.match(
      (await lines(await serveTls(), client)).cause,
      /takes connections, but gRPC did not get ready/,
    );
    const plain = await serve(http2.createServer());
    assert.match((await lines(plain, undefined)).cause, /takes connections, but gRPC did not get ready/);
  });
});
