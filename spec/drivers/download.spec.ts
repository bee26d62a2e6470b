import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { downloadDriver, findDriver } from '../../actors/drivers/actor.js';
import { TIMINGS, type Timings } from '../../actors/drivers/download.js';
import type { TlsMaterial } from '../../actors/sensor/tls.js';
import { readSettings } from '../../actors/settings/read.js';
import { asFailure, type Failure } from '../../actors/telemetry/failures.js';
import { Authority, type Identity } from '../../scripts/sensor/certificates.js';
import { eventually } from '../support/eventually.js';
import type { Resource } from '../support/resources.js';
import { clientName, muteServer, recordingLog, Server, Workplace } from './support.js';

const NAME = 'sensor.stackrox';
const OBJECT = 'collector-ebpf-6.1.0.o';
const PATH = `/kernel-objects/2.2.0/${OBJECT}.gz`;
const ARCHIVE = gzipSync('driver');
const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;
const [ACTOR, SETTINGS, LOG] = ['drivers/actor', 'settings/read', 'telemetry/log'].map((name) =>
  path.join(import.meta.dirname, `../../actors/${name}.ts`),
);
const FAST: Timings = { attempts: 3, interval: 1, total: 15_000, connect: 5000, stall: 5000 };

describe('downloading a driver', () => {
  let authority: Authority;
  let identity: Identity;
  let material: TlsMaterial;
  let place: Workplace;
  let stop: AbortController;
  let log: ReturnType<typeof recordingLog>;
  let kept: Resource[];

  before(async () => {
    authority = await Authority.create();
    identity = await authority.issue({ commonName: NAME });
    material = clientOf(authority, await authority.issue({ commonName: 'collector' }));
  });
  beforeEach(() => {
    place = new Workplace();
    place.store('MODULE_VERSION.txt', '2.2.0\n');
    place.place('collector.o', 'previous');
    stop = new AbortController();
    log = recordingLog();
    kept = [place];
  });
  afterEach(async () => {
    for (const resource of kept.reverse()) await resource.remove();
  });

  function clientOf({ certificate: ca }: Authority, { certificate, key }: Identity): TlsMaterial {
    return { ca: Buffer.from(ca), cert: Buffer.from(certificate), key: Buffer.from(key) };
  }

  /** Takes only clients with a certificate of the authority. */
  async function sensor({ certificate, key }: Identity = identity, more: ServerOptions = {}) {
    const ca = authority.certificate;
    const options = { ca, cert: certificate, key, requestCert: true, rejectUnauthorized: true, ...more };
    return keep(await Server.start(options));
  }

  function keep<T extends Resource>(resource: T): T {
    kept.push(resource);
    return resource;
  }

  /** Looks for the driver on this node, in vain, and downloads it. */
  async function get(
    port: number | undefined,
    {
      env = {},
      tls = () => material,
      timings = {},
      hasTypes = true,
    }: {
      env?: Record<string, string>;
      tls?: () => TlsMaterial | undefined;
      timings?: Partial<Timings>;
      hasTypes?: boolean;
    } = {},
  ): Promise<readonly string[]> {
    const { settings, errors } = readSettings([], {
      COLLECTION_METHOD: 'ebpf',
      ROX_COLLECTOR_KERNEL_MODULES_DIR: place.storage,
      ROX_COLLECTOR_MODULE_DIR: place.modules,
      ...(port !== undefined && { GRPC_SERVER: `127.0.0.1:${port}` }),
      ...env,
    });
    assert.deepEqual(errors, []);
    const kernel = () => ({ release: '6.1.0', version: '', osRelease: '', minikubeVersion: '' });
    const found = await findDriver({ settings, log: log.log, signal: stop.signal, hasTypes, kernel });
    assert.ok(found.kind === 'absent');
    log.lines.length = 0;
    const { path, btf } = await downloadDriver(found, {
      settings,
      log: log.log,
      signal: stop.signal,
      tls,
      timings: { ...FAST, ...timings },
    });
    return [path, ...(btf === undefined ? [] : [btf])];
  }

  /** A download in vain: nothing is left of it, and what was there before still is. */
  async function failure(...parameters: Parameters<typeof get>): Promise<Failure> {
    const failure = await get(...parameters).then(() => assert.fail('it succeeded'), asFailure);
    assert.equal(failure.code, 'DRIVER_UNAVAILABLE', failure.message);
    assert.deepEqual(place.placed, { 'collector.o': 'previous' });
    return failure;
  }

  function status(code: number) {
    return (response: ServerResponse) => response.writeHead(code).end('no');
  }

  const hit = (response: ServerResponse): unknown => response.end(ARCHIVE);

  it('tries 30 times, 1 s apart, for 60 s in all, with 2 s for a connection', () => {
    const { attempts, interval, total, connect } = TIMINGS;
    assert.deepEqual([attempts, interval, total, connect], [30, 1000, 60_000, 2000]);
  });

  describe('from Sensor', () => {
    it('takes it from its address while asking for its name, in mutual TLS over HTTP/1.1', async () => {
      const server = await sensor();
      const seen: unknown[] = [];
      server.answer = (response, { socket, headers: { host }, httpVersion }) => {
        const { servername } = socket as unknown as { servername: string };
        seen.push(clientName(socket), servername, host, httpVersion);
        hit(response);
      };
      assert.deepEqual(await get(server.port), [`${place.modules}/collector.o`]);
      assert.deepEqual(seen, ['collector', NAME, `${NAME}:${server.port}`, '1.1']);
      assert.deepEqual(server.asked, [PATH]);
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
      assert.equal(place.mode('collector.o'), 0o444);
      assert.deepEqual(log.lines, [
        `INFO Attempting to download kernel object from https://${NAME}:${server.port}${PATH}`,
        `INFO Successfully downloaded and decompressed ${place.modules}/collector.o`,
      ]);
    });

    it('with the types of a kernel that has none of its own, or not at all', async () => {
      const types = PATH.replace('ebpf', 'btf').replace('.o.gz', '.gz');
      const server = await sensor();
      server.answer = (response, { url }) => (url === types ? status(404)(response) : hit(response));
      const { message } = await get(server.port, { hasTypes: false }).then(
        () => assert.fail('it succeeded'),
        asFailure,
      );
      assert.match(message, /collector-btf-6\.1\.0\.gz: .*404/);
      server.answer = hit;
      server.asked.length = 0;
      assert.deepEqual(await get(server.port, { hasTypes: false }), [
        `${place.modules}/collector.o`,
        `${place.modules}/collector.btf`,
      ]);
      assert.deepEqual(server.asked, [PATH, types]);
      assert.equal(place.mode('collector.btf'), 0o444);
    });

    it('without TLS if there is none', async () => {
      const server = keep(await Server.start());
      server.answer = hit;
      await get(server.port, { tls: () => undefined });
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
      assert.equal(
        log.lines[0],
        `INFO Attempting to download kernel object from http://127.0.0.1:${server.port}${PATH}`,
      );
    });

    it('tries again after a 404, with the certificate of that time', async () => {
      const server = await sensor();
      const renewed = clientOf(authority, await authority.issue({ commonName: 'renewed' }));
      const seen: unknown[] = [];
      server.answer = (response, request) => {
        seen.push(clientName(request.socket));
        if (seen.length < 3) status(404)(response);
        else hit(response);
      };
      await get(server.port, { tls: () => (seen.length < 2 ? material : renewed) });
      assert.deepEqual(seen, ['collector', 'collector', 'renewed']);
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    });

    it('gives up after the last 404, in the words that people search for', async () => {
      const server = await sensor();
      server.answer = status(404);
      const { message, remedy } = await failure(server.port);
      const url = `https://${NAME}:${server.port}${PATH}`;
      assert.equal(server.asked.length, 3);
      assert.deepEqual(log.lines, [
        `INFO Attempting to download kernel object from ${url}`,
        'WARNING [Throttled] Unexpected HTTP request failure (HTTP 404)',
        'WARNING [Throttled] Unexpected HTTP request failure (HTTP 404) (2 swallowed within 10 s, this is the latest)',
        `WARNING Attempted to download ${OBJECT}.gz 3 time(s)`,
        `WARNING Failed to download from ${OBJECT}.gz`,
        `WARNING Unable to download kernel object ${OBJECT} to ${place.modules}/collector.o.gz`,
        `ERROR Error getting kernel object: ${OBJECT}`,
      ]);
      assert.equal(
        message,
        `There is no driver for the kernel 6.1.0: ${place.storage} does not contain ${OBJECT}; ${url}: HTTP 404 (attempts: 3).`,
      );
      assert.match(remedy, /core_bpf.*KERNEL_VERSIONS.*support-packages upload/);
    });

    it('asks for each candidate in its turn', async () => {
      const server = await sensor();
      server.answer = (response, { url }) => (url!.includes('5.4.0-2') ? hit : status(404))(response);
      await get(server.port, { env: { KERNEL_CANDIDATES: '5.4.0-1 5.4.0-2' }, timings: { attempts: 2 } });
      const paths = ['1', '1', '2'].map((n) => `/kernel-objects/2.2.0/collector-ebpf-5.4.0-${n}.o.gz`);
      assert.deepEqual(server.asked, paths);
      assert.ok(log.lines.includes('ERROR Error getting kernel object: collector-ebpf-5.4.0-1.o'));
    });

    it('tells any other answer by its code', async () => {
      const server = await sensor();
      server.answer = status(503);
      const { message, remedy } = await failure(server.port);
      assert.match(message, /: HTTP 503 \(attempts: 3\)\.$/);
      assert.match(remedy, /log of Sensor/);
    });

    it('tells an answer in another protocol, and does not wait for more', async () => {
      const server = await sensor();
      server.answer = ({ socket }) =>
        socket!.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
      const { message } = await failure(server.port);
      assert.match(message, /: HTTP 101 \(attempts: 3\)\.$/);
    });
  });

  describe('tells of TLS', () => {
    it('that the certificate is for another name', async () => {
      const server = await sensor(await authority.issue({ commonName: 'other.example' }));
      const { message, remedy } = await failure(server.port);
      assert.match(message, /its certificate is for DNS:other\.example, not for sensor\.stackrox \(att/);
      assert.match(remedy, /SNI_HOSTNAME/);
      assert.ok(log.lines[1]!.includes('Unexpected HTTP request failure (its certificate is for DNS:other'));
      assert.deepEqual(server.asked, [], 'nobody is asked who is not Sensor');
    });

    it('that the certificate has expired, and when', async () => {
      const notBefore = new Date(Date.now() - 2 * DAY_MS);
      const notAfter = new Date(Math.floor((Date.now() - DAY_MS / 2) / 1000) * 1000);
      const server = await sensor(await authority.issue({ commonName: NAME, notBefore, notAfter }));
      const { message, remedy } = await failure(server.port);
      assert.ok(message.includes(`its certificate expired on ${notAfter.toISOString()}`), message);
      assert.match(remedy, /anew.*clock/);
    });

    it('that another authority has signed the certificate', async () => {
      const stranger = await Authority.create('Stranger');
      const server = await sensor(await stranger.issue({ commonName: NAME }));
      const { message, remedy } = await failure(server.port);
      assert.match(message, /signed by 'Stranger', is not trusted/);
      assert.match(remedy, /Give Collector the CA/);
      assert.deepEqual(server.asked, []);
    });

    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`that Collector's own certificate is refused, in ${maxVersion}`, async () => {
        const server = await sensor(identity, { maxVersion });
        const notBefore = new Date(Date.now() - 2 * DAY_MS);
        const notAfter = new Date(Date.now() - DAY_MS);
        const expired = await authority.issue({ commonName: 'collector', notBefore, notAfter });
        const { message, remedy } = await failure(server.port, { tls: () => clientOf(authority, expired) });
        assert.match(message, /Collector's certificate \(CN=collector, expired on .*Z\)/);
        assert.match(remedy, /Give Collector a certificate that Sensor accepts/);
        assert.deepEqual(server.asked, []);
      });
    }

    it('that the server does not speak it', async () => {
      const server = keep(await Server.start());
      const { message, remedy } = await failure(server.port);
      assert.match(message, /127\.0\.0\.1:\d+ does not speak TLS/);
      assert.match(remedy, /TLS port/);
    });

    it('that the handshake gets no answer', async () => {
      const server = keep(await muteServer());
      const { message, remedy } = await failure(server.port, { timings: { connect: 50 } });
      assert.match(message, /no answer to the TLS handshake within 0\.05 s/);
      assert.match(remedy, /Sensor/);
    });
  });

  describe('tells of the network', () => {
    it('that nobody listens', async () => {
      const server = await muteServer();
      await server.remove();
      const { message, remedy } = await failure(server.port);
      assert.ok(message.includes(`127.0.0.1:${server.port} refuses connections (ECONNREFUSED)`), message);
      assert.match(remedy, /Sensor is running/);
    });

    it('that the name does not resolve', async () => {
      // A label is too long by one character: the system says so without asking the network.
      const env = { GRPC_SERVER: `${'x'.repeat(64)}.invalid:443` };
      const { message, remedy } = await failure(undefined, { env });
      assert.match(message, /the name x+\.invalid does not resolve \(E\w+\)/);
      assert.match(remedy, /GRPC_SERVER.*resolv\.conf/);
    });

    it('that the other side answers nothing', async () => {
      const server = await sensor();
      server.answer = () => undefined;
      const { message, remedy } = await failure(server.port, { timings: { stall: 50 } });
      assert.match(message, /it sent nothing for 0\.05 s/);
      assert.match(remedy, /overloaded/);
    });

    it('that the body stalls', async () => {
      const server = await sensor();
      server.answer = (response) => response.write(ARCHIVE.subarray(0, 12));
      const { message } = await failure(server.port, { timings: { stall: 50 } });
      assert.match(message, /it sent nothing for 0\.05 s \(attempts: 3\)/);
    });

    it('that a body which comes byte by byte was not there in time', async () => {
      const server = await sensor();
      server.answer = (response) => {
        const timer = setInterval(() => response.write(Buffer.alloc(1)), 10);
        response.write(gzipSync(randomBytes(2 * MIB)).subarray(0, MIB));
        response.on('close', () => clearInterval(timer));
      };
      const { message } = await failure(server.port, { timings: { total: 400 } });
      assert.match(message, /it was not done within 0\.4 s \(attempts: 1\)/);
    });

    it('that the time was over between attempts, with what was wrong in the last', async () => {
      const server = await sensor();
      server.answer = status(404);
      const { message } = await failure(server.port, { timings: { total: 1500, interval: 60_000 } });
      assert.match(message, /HTTP 404 \(attempts: 1\)/);
    });

    it('that the body broke off', async () => {
      const server = await sensor();
      server.answer = (response) => {
        response.writeHead(200, { 'content-length': ARCHIVE.length });
        response.write(ARCHIVE.subarray(0, -8), () => response.destroy());
      };
      const { message, remedy } = await failure(server.port);
      assert.match(message, /the connection broke in the middle of the body \(ECONNRESET\) \(attempts: 3\)/);
      assert.match(remedy, /ends connections early/);
    });
  });

  describe('refuses', () => {
    const flipped = Buffer.from(ARCHIVE);
    flipped[ARCHIVE.length - 6]! ^= 1;
    const corrupt: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
      'what is no archive': [Buffer.from('<html>'), /incorrect header check/],
      'an archive that lacks its end': [ARCHIVE.subarray(0, -4), /unexpected end of file/],
      'an archive with a flipped bit': [flipped, /incorrect data check/],
      'an empty body': [Buffer.alloc(0), /it has 0 bytes/],
      'an archive of nothing': [gzipSync(''), /it has 0 bytes/],
      'a bomb': [gzipSync(Buffer.alloc(64 * MIB + 1)), /unpacked, it has over 64 MiB/],
    };
    for (const [title, [body, reason]] of Object.entries(corrupt)) {
      it(`${title}, asking only once`, async () => {
        const server = await sensor();
        server.answer = (response) => response.end(body);
        const { message, remedy } = await failure(server.port);
        assert.equal(server.asked.length, 1);
        assert.match(message, reason);
        assert.match(remedy, /Replace the file in Sensor/);
        assert.match(log.lines[1]!, /^WARNING Deleted the download of https:/);
        assert.match(log.lines[1]!, reason);
      });
    }

    it('a body that says it is over the bound, unread', async () => {
      const server = await sensor();
      server.answer = (response) =>
        response.writeHead(200, { 'content-length': 64 * MIB + 1 }).flushHeaders();
      assert.match((await failure(server.port)).message, /packed, it has 67108865 bytes, over 64 MiB/);
    });

    it('a body that is over the bound without saying so', async () => {
      const server = await sensor();
      // 64 MiB of archives in a row, each of which unpacks to nothing.
      const nothing = Buffer.concat(Array<Buffer>(MIB / 4).fill(gzipSync('')));
      server.answer = (response) => {
        let sent = 0;
        const more = (): void => {
          while (sent <= 64 * MIB && !response.destroyed) {
            sent += nothing.length;
            if (!response.write(nothing)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      };
      assert.match((await failure(server.port)).message, /packed, it has over 64 MiB/);
    });
  });

  describe('follows redirects', () => {
    function to(location: string) {
      return (response: ServerResponse) => response.writeHead(302, { location }).end();
    }

    it('within Sensor, with the same certificate', async () => {
      const server = await sensor();
      server.answer = (response, { url }) =>
        (url === '/elsewhere?a=b' ? hit : to('/elsewhere?a=b'))(response);
      await get(server.port);
      assert.deepEqual(server.asked, [PATH, '/elsewhere?a=b']);
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    });

    it('to another server', async () => {
      const other = keep(await Server.start());
      other.answer = hit;
      const server = keep(await Server.start());
      server.answer = to(`http://127.0.0.1:${other.port}/x.gz`);
      await get(server.port, { tls: () => undefined });
      assert.deepEqual(other.asked, ['/x.gz']);
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    });

    it('but shows the certificate to no other, and trusts no other for being of the same authority', async () => {
      const shown: unknown[] = [];
      const other = await sensor(await authority.issue({ commonName: 'other', names: ['127.0.0.1'] }), {
        maxVersion: 'TLSv1.2', // where the server has seen the certificate when the client has finished
        rejectUnauthorized: false,
      });
      other.onSecure((socket) => shown.push(clientName(socket)));
      const server = await sensor();
      server.answer = to(`https://127.0.0.1:${other.port}/x.gz?secret=1`);
      const { message, remedy } = await failure(server.port);
      await eventually(() => shown.length > 0, 'the other server meets a client');
      assert.deepEqual(new Set(shown), new Set([undefined]));
      assert.deepEqual(other.asked, []);
      assert.match(message, /redirected to https:\/\/127\.0\.0\.1:\d+\/x\.gz: .*not signed by anybody/);
      assert.match(remedy, /serve the driver itself/);
      assert.ok(!`${message}${log.lines.join()}`.includes('secret'));
    });

    it('but not from TLS to plain text', async () => {
      const other = keep(await Server.start());
      other.answer = hit;
      const server = await sensor();
      server.answer = to(`http://127.0.0.1:${other.port}/x.gz`);
      const { message } = await failure(server.port);
      assert.match(message, /it redirects to http:\/\/127\.0\.0\.1:\d+\/x\.gz, which is not followed/);
      assert.deepEqual(other.asked, []);
    });

    for (const location of ['file:///etc/passwd', 'http://[', 'ftp://sensor/x'])
      it(`but not to ${location}`, async () => {
        const server = await sensor();
        server.answer = to(location);
        assert.match((await failure(server.port)).message, /it redirects to .*, which is not followed/);
      });

    it('but not for ever', async () => {
      const server = await sensor();
      server.answer = to(PATH);
      const { message } = await failure(server.port, { timings: { attempts: 1 } });
      assert.match(message, /more than 5 redirects/);
      assert.equal(server.asked.length, 6);
    });
  });

  describe('from MODULE_DOWNLOAD_BASE_URL', () => {
    it('when Sensor has none', async () => {
      const server = await sensor();
      server.answer = status(404);
      const mirror = keep(await Server.start());
      mirror.answer = hit;
      await get(server.port, { env: { MODULE_DOWNLOAD_BASE_URL: `http://127.0.0.1:${mirror.port}/base/` } });
      assert.deepEqual(mirror.asked, [`/base/2.2.0/${OBJECT}.gz`]);
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
      assert.ok(
        log.lines.includes(
          `INFO Attempting to download kernel object from http://127.0.0.1:${mirror.port}/base/2.2.0/${OBJECT}.gz`,
        ),
      );
    });

    it('alone when there is no Sensor', async () => {
      const mirror = keep(await Server.start());
      mirror.answer = hit;
      await get(undefined, { env: { MODULE_DOWNLOAD_BASE_URL: `http://127.0.0.1:${mirror.port}` } });
      assert.deepEqual(place.placed, { 'collector.o': 'driver' });
    });

    it('as the user in it, whose password is in no log', async () => {
      const mirror = keep(await Server.start());
      const seen: unknown[] = [];
      mirror.answer = (response, { headers }) => {
        seen.push(headers.authorization);
        status(403)(response);
      };
      const env = { MODULE_DOWNLOAD_BASE_URL: `http://me:s%40cret@127.0.0.1:${mirror.port}` };
      const { message } = await failure(undefined, { env, timings: { attempts: 1 } });
      assert.deepEqual(seen, [`Basic ${Buffer.from('me:s@cret').toString('base64')}`]);
      assert.match(message, /http:\/\/127\.0\.0\.1:\d+\/2\.2\.0\/.*: HTTP 403/);
      assert.ok(!`${message}${log.lines.join()}`.includes('cret@'));
    });

    it('as the user in it, of whom no other server is told', async () => {
      const other = keep(await Server.start());
      const seen: unknown[] = [];
      other.answer = (response, { headers }) => {
        seen.push(headers.authorization);
        hit(response);
      };
      const mirror = keep(await Server.start());
      mirror.answer = (response) =>
        response.writeHead(302, { location: `http://127.0.0.1:${other.port}/x.gz` }).end();
      await get(undefined, {
        env: { MODULE_DOWNLOAD_BASE_URL: `http://me:secret@127.0.0.1:${mirror.port}` },
      });
      assert.deepEqual(seen, [undefined]);
    });

    describe('over TLS', () => {
      /** Node reads NODE_EXTRA_CA_CERTS when it starts: a download in a process of its own. */
      async function getInChild(server: Server): Promise<string> {
        const ca = path.join(place.root, 'ca.pem');
        writeFileSync(ca, authority.certificate);
        const script = `
          import { downloadDriver, findDriver } from ${JSON.stringify(ACTOR)};
          import { readSettings } from ${JSON.stringify(SETTINGS)};
          import { createLog } from ${JSON.stringify(LOG)};
          const { settings } = readSettings([], process.env);
          const { signal } = new AbortController();
          const options = { settings, log: createLog({ write: () => undefined }), signal, tls: () => undefined, hasTypes: true };
          const timings = ${JSON.stringify({ ...FAST, attempts: 1 })};
          try {
            console.log((await downloadDriver(await findDriver(options), { ...options, timings })).path);
          } catch ({ message, remedy }) {
            console.log(message, remedy);
          }`;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--import', 'tsx', '--input-type=module', '--eval', script],
          {
            env: {
              PATH: process.env['PATH'],
              NODE_EXTRA_CA_CERTS: ca,
              COLLECTION_METHOD: 'ebpf',
              KERNEL_CANDIDATES: '6.1.0',
              ROX_COLLECTOR_KERNEL_MODULES_DIR: place.storage,
              ROX_COLLECTOR_MODULE_DIR: place.modules,
              MODULE_DOWNLOAD_BASE_URL: `https://localhost:${server.port}`,
            },
          },
        );
        return stdout.trim();
      }

      it('trusts those that Node trusts, and shows no certificate', async () => {
        const server = await sensor(await authority.issue({ commonName: 'localhost' }), {
          rejectUnauthorized: false,
        });
        const seen: unknown[] = [];
        server.answer = (response, { socket }) => {
          seen.push(clientName(socket));
          hit(response);
        };
        assert.equal(await getInChild(server), `${place.modules}/collector.o`);
        assert.deepEqual(seen, [undefined]);
        assert.deepEqual(place.placed, { 'collector.o': 'driver' });
      });

      it('says so when the server asks for one', async () => {
        const server = await sensor(await authority.issue({ commonName: 'localhost' }));
        const said = await getInChild(server);
        assert.match(said, /connection broke before an answer came|a client without certificate/);
        assert.deepEqual(place.placed, { 'collector.o': 'previous' });
      });

      it('says what is wrong with one that nobody knows', async () => {
        const server = await sensor();
        const env = { MODULE_DOWNLOAD_BASE_URL: `https://localhost:${server.port}` };
        const { message, remedy } = await failure(undefined, { env });
        assert.match(message, /not signed by anybody that Node knows/);
        assert.match(remedy, /NODE_EXTRA_CA_CERTS/);
      });
    });

    it('does not hide what is wrong with Sensor', async () => {
      const server = await sensor(await authority.issue({ commonName: 'other.example' }));
      const mirror = keep(await Server.start());
      mirror.answer = status(404);
      const env = { MODULE_DOWNLOAD_BASE_URL: `http://127.0.0.1:${mirror.port}` };
      const { message, remedy } = await failure(server.port, { env });
      assert.match(message, /not for sensor\.stackrox \(attempts: 3\); http:.*: HTTP 404/);
      assert.match(remedy, /SNI_HOSTNAME/);
    });

    it('that is broken is what to mend when Sensor just has none', async () => {
      const server = await sensor();
      server.answer = status(404);
      const gone = await muteServer();
      await gone.remove();
      const env = { MODULE_DOWNLOAD_BASE_URL: `http://127.0.0.1:${gone.port}` };
      const { remedy } = await failure(server.port, { env });
      assert.match(remedy, /the server in MODULE_DOWNLOAD_BASE_URL is running/);
    });
  });

  describe('has nowhere to go', () => {
    it('without Sensor and without MODULE_DOWNLOAD_BASE_URL', async () => {
      const { message, remedy } = await failure(undefined);
      assert.equal(
        message,
        `There is no driver for the kernel 6.1.0: ${place.storage} does not contain ${OBJECT}.`,
      );
      assert.match(remedy, /ROX_COLLECTOR_KERNEL_MODULES_DIR.*GRPC_SERVER.*MODULE_DOWNLOAD_BASE_URL/);
      assert.equal(log.lines.at(-1), `ERROR Error getting kernel object: ${OBJECT}`);
    });

    it('without a module version', async () => {
      place.store('MODULE_VERSION.txt', '\n');
      const server = await sensor();
      const { message, remedy } = await failure(server.port);
      assert.match(
        message,
        /nothing can be downloaded, since the first line of .*MODULE_VERSION\.txt is no version/,
      );
      assert.match(remedy, /Put MODULE_VERSION\.txt/);
      assert.deepEqual(server.asked, []);
    });
  });

  it('names a damaged archive in local storage as what to mend, if nobody has another', async () => {
    place.store(`${OBJECT}.gz`, 'damaged');
    const server = await sensor();
    server.answer = status(404);
    const { message, remedy } = await failure(server.port);
    assert.match(message, /\.o\.gz: it is no whole gzip archive/);
    assert.match(remedy, /Replace the file in local storage/);
  });

  it('fails at once where it cannot write', async () => {
    const server = await sensor();
    server.answer = hit;
    place.place('file', 'x');
    const env = { ROX_COLLECTOR_MODULE_DIR: `${place.modules}/file` };
    const { code, message } = await get(server.port, { env }).then(
      () => assert.fail('it succeeded'),
      asFailure,
    );
    assert.equal(code, 'DRIVER_UNWRITABLE');
    assert.match(message, /module\/file\/collector\.o: E\w+\.$/);
    assert.equal(server.asked.length, 1);
  });

  describe('stops at once', () => {
    const reason = new Error('told to stop');

    async function stopped(download: Promise<unknown>, when: () => boolean): Promise<void> {
      const outcome = download.then(
        () => 'done',
        (error: unknown) => error,
      );
      await eventually(when, 'the moment to stop');
      stop.abort(reason);
      assert.equal(await outcome, reason);
      assert.deepEqual(place.placed, { 'collector.o': 'previous' });
    }

    it('in the middle of a body', async () => {
      const server = await sensor();
      server.answer = (response) => response.write(gzipSync(randomBytes(MIB)).subarray(0, MIB / 2));
      const isWriting = () => Object.keys(place.placed).length === 2;
      await stopped(get(server.port), isWriting);
    });

    it('between two attempts', async () => {
      const server = await sensor();
      server.answer = status(404);
      const isWaiting = () => log.lines.some((line) => line.includes('HTTP 404'));
      await stopped(get(server.port, { timings: { interval: 60_000, total: 120_000 } }), isWaiting);
    });

    it('in a handshake', async () => {
      const server = keep(await muteServer());
      const isTrying = () => log.lines.some((line) => line.includes('Attempting to download'));
      await stopped(get(server.port), isTrying);
    });

    it('before it has begun', async () => {
      const server = await sensor();
      const { settings } = readSettings([], { GRPC_SERVER: `127.0.0.1:${server.port}` });
      stop.abort(reason);
      const found = {
        kind: 'absent',
        method: 'ebpf',
        release: '6.1.0',
        drivers: [[{ object: OBJECT, target: `${place.modules}/collector.o` }]],
        version: '2.2.0',
        unusable: [],
      } as const;
      const download = downloadDriver(found, {
        settings,
        log: log.log,
        signal: stop.signal,
        tls: () => material,
        timings: FAST,
      });
      await assert.rejects(download, (error) => error === reason);
      assert.deepEqual(server.asked, []);
    });
  });
});
