import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { diagnose, type DiagnoseOptions } from '../../actors/sensor/diagnose.js';
import type { TlsMaterial } from '../../actors/sensor/tls.js';
import { Authority, writeIdentity, type Identity } from '../../scripts/sensor/certificates.js';
import { eventually } from '../support/eventually.js';

const DAY_MS = 86_400_000;
const SERVER_NAME = 'sensor.stackrox';
/** For a step that ends by itself, however busy the machine is. */
const PATIENCE_MS = 10_000;
/** For a step that does not end. */
const SHORT = { timeout: 300 };

/** A time as certificates have it, without parts of a second. */
function wholeSeconds(fromNow: number): Date {
  return new Date(Math.floor((Date.now() + fromNow) / 1000) * 1000);
}

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
    { timeout = PATIENCE_MS, ...options }: DiagnoseOptions & { readonly timeout?: number } = {},
  ): Promise<{ cause: string; remedy: string }> {
    const sensor = { address, serverName: SERVER_NAME };
    const { message, remedy } = await diagnose(sensor, tls, timeout, options);
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

  it('is a name that nobody tells anything of', async () => {
    const { cause, remedy } = await lines('sensor.stackrox.svc:443', client, {
      ...SHORT,
      lookup: async () => new Promise(() => undefined),
    });
    assert.equal(
      cause,
      'Sensor at sensor.stackrox.svc:443 cannot be found: the name sensor.stackrox.svc does not resolve (no answer within 0.3 s).',
    );
    assert.match(remedy, /kubectl get service -A \| grep sensor.*\/etc\/resolv\.conf/);
  });

  it('is what is the matter at the address that takes connections, if a name has several', async () => {
    const address = await serveTls({ commonName: 'central' });
    const lookup = async () =>
      Promise.resolve(['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 })));
    const name = address.replace('127.0.0.1', 'sensor.stackrox.svc');
    assert.match(
      (await lines(name, client, { lookup })).cause,
      /its certificate is for DNS:central, not for/,
    );
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
    assert.match((await lines(name, client, { lookup })).cause, /127\.0\.0\.2 answers ECONNREFUSED/);
  });

  it('is packets that are dropped', async () => {
    const address = await serveNobody();
    const { cause, remedy } = await lines(address, client, SHORT);
    assert.equal(cause, `Sensor at ${address} does not answer: no connection to 127.0.0.1 within 0.3 s.`);
    assert.match(remedy, /drops the packets.*network policies.*firewall/);
  });

  /** A server that accepts nothing, and whose queue is full: the system drops what else knocks. */
  async function serveNobody(): Promise<string> {
    const program = `
      const server = require('node:net').createServer();
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('node:fs').writeSync(1, server.address().port + '\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const server = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    processes.add(server);
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    let queued = 0;
    for (let i = 0; i < 4; i++) {
      const socket = net.connect({ host: '127.0.0.1', port }, () => queued++);
      sockets.add(socket.on('error', () => undefined));
    }
    await eventually(() => queued >= 2, 'the queue is full');
    return `127.0.0.1:${port}`;
  }

  it('is a port that nobody listens on', async () => {
    const address = await serve(net.createServer());
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
    const { cause, remedy } = await lines(address, client);
    assert.equal(cause, `Sensor at ${address} does not take connections: 127.0.0.1 answers ECONNREFUSED.`);
    assert.match(remedy, /Sensor pod is running/);
  });

  it('is somebody who accepts and says nothing', async () => {
    const address = await serve(net.createServer());
    const plain = await lines(address, undefined, SHORT);
    assert.equal(plain.cause, `What answers at ${address} is not Sensor: it said nothing at all.`);
    assert.match(plain.remedy, /GRPC_SERVER.*proxy or mesh/);
    const secure = await lines(address, client, SHORT);
    assert.equal(
      secure.cause,
      `TLS with Sensor at ${address} fails: the TLS handshake was not answered within 0.3 s.`,
    );
    assert.match(secure.remedy, /Sensor's log.*proxy/);
    const { certificate, key } = await authority.issue({ commonName: SERVER_NAME });
    const quiet = await serve(tls.createServer({ cert: certificate, key, ALPNProtocols: ['h2'] }));
    assert.match(
      (await lines(quiet, client, { timeout: 1000 })).cause,
      /is not Sensor: it said nothing at all/,
    );
  });

  it('is somebody who hangs up', async () => {
    const address = await serve(net.createServer((socket) => socket.destroy()));
    const plain = await lines(address, undefined);
    assert.match(plain.cause, /broke while it was made \((ECONNRESET|EPIPE)\)/);
    assert.match(plain.remedy, /log of Sensor.*service mesh/);
    const secure = await lines(address, client);
    assert.match(secure.cause, /it hung up during the TLS handshake \((ECONNRESET|EPIPE)\)/);
    assert.match(secure.remedy, /Sensor's log.*service mesh/);
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
    assert.match(
      cause,
      /its certificate, signed by 'Somebody else', is not trusted by the CA file, which has 'Our authority' \(/,
    );
    assert.match(remedy, /CA that signed Sensor's certificate/);
  });

  it('is a certificate of another authority of the same name, as after all were issued anew', async () => {
    const before = await Authority.create('Our authority');
    const { cause, remedy } = await lines(await serveTls({}, {}, before), client);
    assert.match(
      cause,
      /signed by 'Our authority', is not trusted by the CA file, which has an authority of this name, but with another key \(/,
    );
    assert.match(remedy, /issue them anew for both/);
  });

  it('is an authority that has expired, and not the certificate that it signed', async () => {
    const notAfter = wholeSeconds(-DAY_MS / 2);
    const old = await Authority.create('Old authority', { notAfter });
    const { cause, remedy } = await lines(await serveTls({}, {}, old), {
      ...client,
      ca: Buffer.from(old.certificate),
    });
    assert.match(
      cause,
      new RegExp(
        `: the authority 'Old authority' expired on ${notAfter.toISOString()}, and it is 2.*by the clock`,
      ),
    );
    assert.match(remedy, /issue them anew for both/);
  });

  it('is a certificate that has expired, or is not valid yet, and since when', async () => {
    const past = wholeSeconds(-DAY_MS / 2);
    const expired = await lines(await serveTls({ notAfter: past }), client);
    assert.match(
      expired.cause,
      new RegExp(
        `its certificate expired on ${past.toISOString()}, and it is \\d{4}-.+Z by the clock of this node`,
      ),
    );
    assert.match(expired.remedy, /Issue Sensor's certificate anew/);
    const future = wholeSeconds(DAY_MS / 2);
    const early = await serveTls({ notBefore: future });
    const { cause, remedy } = await lines(early, client);
    assert.match(cause, new RegExp(`its certificate is not valid before ${future.toISOString()}`));
    assert.match(remedy, /clock/);
  });

  for (const version of ['tls1_2', 'tls1_3']) {
    it(`is our own certificate, which Sensor refuses, and why, with ${version}`, async () => {
      const address = await serveOpenssl(version);
      const { cause, remedy } = await lines(address, await strangers());
      assert.match(
        cause,
        /it refused Collector's certificate \(CN=stranger, valid until 2.+Z\): (unknown ca|bad certificate)\.$/,
      );
      assert.match(remedy, /collector-tls/);
      const notAfter = wholeSeconds(-DAY_MS / 2);
      const expired = material(authority, await authority.issue({ commonName: 'collector', notAfter }));
      assert.match(
        (await lines(address, expired)).cause,
        new RegExp(`\\(CN=collector, expired on ${notAfter.toISOString()}\\): certificate expired\\.$`),
      );
    });

    it(`is that Sensor wants a certificate, and Collector speaks plain text, with ${version}`, async () => {
      const address = await serveOpenssl(version);
      const { cause } = await lines(address, undefined);
      assert.equal(cause, `Sensor at ${address} speaks TLS, and Collector was not told to.`);
    });
  }

  it('may be our own certificate when Sensor hangs up after the handshake', async () => {
    const { cause, remedy } = await lines(
      await serveTls({}, { rejectUnauthorized: true }),
      await strangers(),
    );
    assert.match(
      cause,
      /hung up right after the handshake.*refuses Collector's certificate \(CN=stranger, valid until 2/,
    );
    assert.match(remedy, /collector-tls/);
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

  it('is a server of another kind behind TLS, and what it said', async () => {
    const { certificate: cert, key } = await authority.issue({ commonName: SERVER_NAME });
    const web = await serve(https.createServer({ cert, key }));
    const { cause, remedy } = await lines(web, client);
    assert.equal(cause, `What answers at ${web} is not Sensor: it said that it does not speak HTTP/2.`);
    assert.match(remedy, /GRPC_SERVER.*HTTP\/2/);
    const older = await serve(
      tls.createServer({ cert, key }, (socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      }),
    );
    assert.equal(
      (await lines(older, client)).cause,
      `What answers at ${older} is not Sensor: it said 'HTTP/1.1 400 Bad Request'.`,
    );
    const plainWeb = await lines(await serve(http.createServer()), client);
    assert.match(plainWeb.cause, /it does not speak TLS/);
    assert.match(plainWeb.remedy, /TLS port/);
  });

  it('is not waited for when Collector has to stop', async () => {
    const address = await serve(net.createServer());
    const stop = new AbortController();
    const asked = diagnose({ address, serverName: SERVER_NAME }, client, 60_000, { signal: stop.signal });
    const socket = await eventually(() => [...sockets][0], 'it connects');
    socket.resume();
    stop.abort(new Error('stop'));
    await assert.rejects(asked, /^Error: stop$/);
    await eventually(() => socket.destroyed, 'the connection is closed');
    const late = diagnose({ address, serverName: SERVER_NAME }, client, 60_000, { signal: stop.signal });
    await assert.rejects(late, /^Error: stop$/);
    assert.equal(sockets.size, 1);
  });

  it('is nothing that can be seen from here when all of that is well', async () => {
    const { cause, remedy } = await lines(await serveTls(), client);
    assert.match(cause, /takes connections, but gRPC did not get ready/);
    assert.match(remedy, /overloaded or starting/);
    const plain = await serve(http2.createServer());
    assert.match((await lines(plain, undefined)).cause, /takes connections, but gRPC did not get ready/);
  });
});
