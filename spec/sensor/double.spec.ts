import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, credentials, Metadata, status, type ClientDuplexStream } from '@grpc/grpc-js';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import type { DoubleOptions } from '../../scripts/sensor/double.js';
import { makeIdentities, readIdentity, type IdentityFolders } from '../../scripts/sensor/identity.js';
import { eventually } from '../support/eventually.js';
import { messageType } from '../support/proto-json.js';
import { TestSensor } from '../support/sensor.js';

const CLI = path.join(import.meta.dirname, '../../scripts/sensor.ts');
const ROOT = path.join(import.meta.dirname, '../..');
const SIGNALS = '/sensor.SignalService/PushSignals';
const NETWORK = '/sensor.NetworkConnectionInfoService/PushNetworkConnectionInfo';
const CONTROL = 'sensor.NetworkFlowsControlMessage';
/** 2023-11-14T22:13:20Z */
const SECONDS = 1_700_000_000;

type Call = ClientDuplexStream<Buffer, Buffer>;

function encode(type: string, message: object): Buffer {
  return Buffer.from(messageType(type).encode(message).finish());
}

function signal(processSignal: object): Buffer {
  return encode('sensor.SignalStreamMessage', { signal: { processSignal } });
}

function decodeControl(bytes: Buffer): object {
  const type = messageType(CONTROL);
  return type.toObject(type.decode(bytes), { bytes: Array, longs: String });
}

/** How a call ends. */
async function ending(call: Call): Promise<string> {
  call.resume();
  return new Promise((resolve) => {
    call.on('status', ({ code, details }) => resolve(`${status[code]}: ${details}`));
  });
}

describe('The Sensor double', () => {
  const ends: (() => unknown)[] = [];
  let folder: string;
  let folders: IdentityFolders;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-double-'));
    folders = await makeIdentities(path.join(folder, 'certificates'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(options: DoubleOptions = {}): Promise<TestSensor> {
    const sensor = await TestSensor.start(options);
    ends.push(() => sensor.remove());
    return sensor;
  }

  /** Opens a stream as any gRPC client would; with the identity in a folder, over TLS. */
  function open(address: string, method: string, identity?: string, metadata = new Metadata()): Call {
    const read = (name: string) => readFileSync(path.join(identity!, name));
    const secured = () => credentials.createSsl(read('ca.pem'), read('key.pem'), read('cert.pem'));
    return openWith(
      address,
      method,
      identity === undefined ? credentials.createInsecure() : secured(),
      metadata,
    );
  }

  function openWith(
    address: string,
    method: string,
    channel = credentials.createInsecure(),
    metadata = new Metadata(),
  ): Call {
    const client = new Client(address, channel, { 'grpc.use_local_subchannel_pool': 1 });
    ends.push(() => client.close());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest(method, asIs, asIs, metadata);
    call.on('error', () => undefined); // whoever expects one waits for the status
    return call;
  }

  describe('as Sensor', () => {
    it('hears the streams of a collector, their metadata, and how they end', async () => {
      const sensor = await start();
      const metadata = new Metadata();
      metadata.set('rox-collector-hostname', 'node-1');
      const call = open(sensor.address, NETWORK, undefined, metadata);
      const ended = ending(call);
      call.end(encode('sensor.NetworkConnectionInfoMessage', { register: { hostname: 'node-1' } }));
      assert.equal(await ended, 'OK: OK');
      const [opening, ...rest] = sensor.events;
      assert.ok(opening !== undefined && 'metadata' in opening);
      assert.equal(opening.metadata['rox-collector-hostname'], 'node-1');
      assert.deepEqual(rest, [
        { stream: 'network', connection: 1, message: { register: { hostname: 'node-1' } } },
        { stream: 'network', connection: 1, event: 'end', status: 'OK' },
      ]);
    });

    it('answers a stream at once, before any message has come', async () => {
      const sensor = await start();
      for (const method of [SIGNALS, NETWORK]) await once(open(sensor.address, method), 'metadata');
    });

    it('numbers the streams in the order of their opening', async () => {
      const sensor = await start();
      for (const [index, method] of [SIGNALS, NETWORK, SIGNALS].entries()) {
        open(sensor.address, method);
        await eventually(() => sensor.double.open.length === index + 1, 'it is open');
      }
      assert.deepEqual(sensor.opened('signals'), [1, 3]);
      assert.deepEqual(sensor.opened('network'), [2]);
    });

    it('tells a stream that broke from one that was ended', async () => {
      const sensor = await start();
      const expected: string[] = [];
      const over = async (how: string, finish: (call: Call) => void) => {
        const call = open(sensor.address, SIGNALS);
        call.write(signal({ pid: 1 }));
        await eventually(() => sensor.signals.length > expected.length, 'the signal');
        finish(call);
        expected.push(how);
        await eventually(() => sensor.double.open.length === 0, 'it is over');
      };
      for (let round = 0; round < 5; round++) {
        await over('OK', (call) => call.end());
        await over('CANCELLED', () => sensor.double.reset());
      }
      const statuses = sensor.events.flatMap((one) => ('status' in one ? [one.status] : []));
      assert.deepEqual(statuses, expected);
    });

    it('reads messages as the JSON form of protobuf has them', async () => {
      const sensor = await start();
      const signals = open(sensor.address, SIGNALS);
      signals.write(
        signal({
          id: 'abc',
          name: 'ü"',
          time: { seconds: SECONDS, nanos: 7000 },
          uid: 4_294_967_295,
          scraped: true,
          lineageInfo: [{ parentUid: 0, parentExecFilePath: '/bin/sh' }, {}],
        }),
      );
      const network = open(sensor.address, NETWORK);
      network.write(
        encode('sensor.NetworkConnectionInfoMessage', {
          info: {
            time: { seconds: SECONDS, nanos: 0 },
            updatedConnections: [
              {
                socketFamily: 1,
                localAddress: {},
                remoteAddress: { addressData: Buffer.of(10, 0, 0, 255), port: 80 },
                protocol: 1,
                role: 2,
                closeTimestamp: { seconds: SECONDS, nanos: 1 },
              },
              { protocol: 77 },
            ],
          },
        }),
      );
      await eventually(
        () => sensor.messages('signals').length + sensor.messages('network').length === 2,
        'both',
      );
      assert.deepEqual(sensor.messages('signals'), [
        {
          signal: {
            processSignal: {
              id: 'abc',
              time: '2023-11-14T22:13:20.000007Z',
              name: 'ü"',
              uid: 4_294_967_295,
              scraped: true,
              lineageInfo: [{ parentExecFilePath: '/bin/sh' }, {}],
            },
          },
        },
      ]);
      assert.deepEqual(sensor.messages('network'), [
        {
          info: {
            updatedConnections: [
              {
                socketFamily: 'SOCKET_FAMILY_IPV4',
                localAddress: {},
                remoteAddress: { addressData: 'CgAA/w==', port: 80 },
                protocol: 'L4_PROTOCOL_TCP',
                role: 'ROLE_CLIENT',
                closeTimestamp: '2023-11-14T22:13:20.000000001Z',
              },
              { protocol: 77 },
            ],
            time: '2023-11-14T22:13:20.000000Z',
          },
        },
      ]);
    });

    it('leaves out what is the default, also if it was sent', async () => {
      const sensor = await start();
      // processSignal of signal: name "", pid 0, scraped false.
      const fields = [0x22, 0, 0x38, 0, 0x58, 0];
      open(sensor.address, SIGNALS).write(Buffer.of(0x12, fields.length + 2, 0x0a, fields.length, ...fields));
      const [message] = await eventually(
        () => sensor.messages('signals').length > 0 && sensor.messages('signals'),
        'the message',
      );
      assert.deepEqual(message, { signal: { processSignal: {} } });
    });

    it('says so when bytes are no message, and ends the stream', async () => {
      const sensor = await start();
      const call = open(sensor.address, SIGNALS);
      const ended = ending(call);
      call.write(Buffer.of(0x0a, 0x7f));
      assert.match(await ended, /^INTERNAL: malformed/);
      const [, malformed, end] = sensor.events as object[];
      assert.ok(malformed !== undefined && 'bytes' in malformed && malformed.bytes === 'Cn8=');
      assert.deepEqual(end, { stream: 'signals', connection: 1, event: 'end', status: 'INTERNAL' });
    });

    it('takes very many messages, in their order', async () => {
      const sensor = await start();
      const call = open(sensor.address, SIGNALS);
      for (let pid = 1; pid <= 20_000; pid++) {
        if (!call.write(signal({ pid }))) await once(call, 'drain');
      }
      call.end();
      await ending(call);
      const pids = sensor.signals.map(({ pid }) => pid);
      assert.deepEqual(
        pids,
        Array.from({ length: 20_000 }, (_, index) => index + 1),
      );
    });

    it('keeps no more events than it is told to, and counts the others', async () => {
      const sensor = await start({ keep: 10 });
      const call = open(sensor.address, SIGNALS);
      for (let pid = 1; pid <= 100; pid++) call.write(signal({ pid }));
      call.end();
      await ending(call);
      const kept = sensor.double.events;
      assert.ok(kept.length >= 10 && kept.length <= 20, `${kept.length} are kept`);
      assert.equal(kept.length + sensor.double.dropped, 102);
      assert.deepEqual(kept.at(-1), { stream: 'signals', connection: 1, event: 'end', status: 'OK' });
    });

    it('reads on only when what it told of a stream has been taken', async () => {
      let go: () => void = () => undefined;
      const heard: unknown[] = [];
      const sensor = await start({
        onEvent: async (event) => {
          heard.push(event);
          if ('message' in event) await new Promise<void>((resolve) => (go = resolve));
        },
      });
      const call = open(sensor.address, SIGNALS);
      call.write(signal({ pid: 1 }));
      call.write(signal({ pid: 2 }));
      await eventually(() => heard.length === 2, 'the first');
      // Answered on another stream: had the second message been read, it would have been told.
      await once(open(sensor.address, NETWORK), 'metadata');
      assert.equal(sensor.signals.length, 1);
      go();
      await eventually(() => sensor.signals.length === 2, 'the second');
      go();
    });
  });

  describe('tells of addresses', () => {
    const told = async (call: Call) => decodeControl(((await once(call, 'data')) as [Buffer])[0]);
    const networks = ['10.1.0.0/16', 'fd00::/8', '192.168.7.0/24'];
    const inBytes = {
      ipv4Networks: [10, 1, 0, 0, 16, 192, 168, 7, 0, 24],
      ipv6Networks: [0xfd, ...new Array<number>(15).fill(0), 8],
    };

    it('a stream of connections that opens', async () => {
      const publicIps = ['203.0.113.7', '2001:db8::7'];
      const sensor = await start({ control: { networks, publicIps } });
      assert.deepEqual(await told(open(sensor.address, NETWORK)), {
        publicIpAddresses: {
          ipv4Addresses: [0xcb00_7107],
          ipv6Addresses: [(0x2001_0db8n << 32n).toString(), '7'],
        },
        ipNetworks: inBytes,
      });
    });

    it('those that are open, and from then on each that opens', async () => {
      const sensor = await start();
      const call = open(sensor.address, NETWORK);
      await sensor.opens('network');
      const first = told(call);
      sensor.double.control({ networks });
      assert.deepEqual(await first, { ipNetworks: inBytes });
      assert.deepEqual(await told(open(sensor.address, NETWORK)), { ipNetworks: inBytes });
    });

    it('that there are none, which is not to say nothing', async () => {
      const sensor = await start({ control: { networks: [] } });
      const lists = await told(open(sensor.address, NETWORK));
      assert.ok('ipNetworks' in lists && !('publicIpAddresses' in lists));
    });

    it('with any bytes that it is given', async () => {
      const sensor = await start();
      const call = open(sensor.address, NETWORK);
      await sensor.opens('network');
      const received = once(call, 'data');
      sensor.double.send(Buffer.of(1, 2, 3));
      assert.deepEqual(await received, [Buffer.of(1, 2, 3)]);
    });

    it('but never of wrong ones', async () => {
      const sensor = await start();
      assert.throws(() => sensor.double.control({ networks: ['10.0.0.0/33'] }), /10\.0\.0\.0\/33.*0 to 32/);
      assert.throws(() => sensor.double.control({ publicIps: ['sensor'] }), /'sensor'.*203\.0\.113\.7/);
      await assert.rejects(start({ control: { publicIps: ['1.2.3'] } }), /'1\.2\.3'/);
    });
  });

  describe('fails as it is told to', () => {
    /** Writes until the stream takes no more. */
    async function fill(call: Call): Promise<number> {
      const message = signal({ args: 'x'.repeat(10_000) });
      let written = 0;
      const isFull = () => call.writableLength > 0 && call.writableNeedDrain;
      // What is on its way needs turns of the loop to be taken out of the client's own buffer.
      for (let turnsFull = 0; turnsFull < 50;) {
        if (isFull()) turnsFull++;
        else {
          turnsFull = 0;
          call.write(message);
          written++;
        }
        await new Promise((resolve) => setImmediate(resolve));
        assert.ok(written < 10_000, 'nothing holds the client back');
      }
      return written;
    }

    for (const when of ['before the stream opens', 'after it opened'] as const) {
      it(`stalls, so that the client has to wait, when told ${when}; and goes on`, async () => {
        const sensor = await start();
        if (when === 'before the stream opens') sensor.double.stall('signals');
        const call = open(sensor.address, SIGNALS);
        await sensor.opens('signals');
        sensor.double.stall('signals');
        const written = await fill(call);
        assert.equal(call.write(signal({ args: 'last' })), false);
        assert.ok(sensor.signals.length === 0, 'nothing was read');
        const drained = once(call, 'drain');
        sensor.double.resume('signals');
        await drained;
        await eventually(() => sensor.signals.at(-1)?.args === 'last', 'the last one arrives');
        assert.equal(sensor.signals.length, written + 1);
      });
    }

    it('stalls one stream and reads the other', async () => {
      const sensor = await start();
      sensor.double.stall('signals');
      open(sensor.address, SIGNALS).write(signal({ pid: 1 }));
      open(sensor.address, NETWORK).write(encode('sensor.NetworkConnectionInfoMessage', { register: {} }));
      await eventually(() => sensor.messages('network').length === 1, 'the other is read');
      assert.equal(sensor.signals.length, 0);
    });

    it('hangs up with a status, of one stream and not of the other, stalled or not', async () => {
      const sensor = await start();
      const signals = open(sensor.address, SIGNALS);
      open(sensor.address, NETWORK);
      await eventually(() => sensor.double.open.length === 2, 'both are open');
      sensor.double.stall('signals');
      const ended = ending(signals);
      sensor.double.hangUp('signals');
      assert.equal(await ended, 'UNAVAILABLE: Sensor is shutting down');
      assert.deepEqual(sensor.double.open, ['network']);
      assert.deepEqual(sensor.events.at(-1), {
        stream: 'signals',
        connection: 1,
        event: 'end',
        status: 'UNAVAILABLE',
      });
    });

    for (const security of ['plaintext', 'TLS'] as const) {
      it(`breaks the connection of a stream, over ${security}`, async () => {
        const isTls = security === 'TLS';
        const sensor = await start(isTls ? { tls: readIdentity(folders.server) } : {});
        const identity = isTls ? folders.client : undefined;
        const signals = open(sensor.address, SIGNALS, identity);
        open(sensor.address, NETWORK, identity);
        await eventually(() => sensor.double.open.length === 2, 'both are open');
        const ended = ending(signals);
        sensor.double.reset('signals');
        assert.match(await ended, /^UNAVAILABLE: .*ECONNRESET/);
        await eventually(() => sensor.double.open.length === 1, 'it is over here as well');
        assert.deepEqual(sensor.double.open, ['network']);
      });
    }

    it('refuses connections, and takes them again at the same port', async () => {
      const sensor = await start();
      const { address } = sensor;
      const ended = ending(open(address, SIGNALS));
      await sensor.opens('signals');
      await sensor.double.refuse();
      assert.match(await ended, /^UNAVAILABLE/);
      assert.match(await ending(open(address, SIGNALS)), /^UNAVAILABLE: .*ECONNREFUSED/);
      await sensor.double.accept();
      assert.equal(sensor.address, address);
      open(address, SIGNALS);
      await sensor.opens('signals', 2);
    });

    it('knows no such service, and knows it again', async () => {
      const sensor = await start();
      sensor.double.unimplemented = true;
      assert.match(
        await ending(open(sensor.address, SIGNALS)),
        /^UNIMPLEMENTED: unknown service sensor\.SignalService/,
      );
      sensor.double.unimplemented = false;
      await once(open(sensor.address, SIGNALS), 'metadata');
    });
  });

  describe('with mutual TLS', () => {
    const tls = () => ({ tls: readIdentity(folders.server) });
    const refusals = ({ double }: TestSensor) =>
      double.events.flatMap((one) => ('event' in one && one.event === 'tls-error' ? [one.error] : []));
    const refused = async (sensor: TestSensor) => eventually(() => refusals(sensor)[0], 'it says so');

    it('hears a client that has a certificate', async () => {
      const sensor = await start(tls());
      open(sensor.address, SIGNALS, folders.client).write(signal({ pid: 7 }));
      await eventually(() => sensor.signals.length > 0, 'the signal');
      assert.equal(sensor.signals[0]?.pid, 7);
    });

    it('refuses a client without one, and says why', async () => {
      const sensor = await start(tls());
      const call = openWith(
        sensor.address,
        SIGNALS,
        credentials.createSsl(readFileSync(path.join(folders.client, 'ca.pem'))),
      );
      assert.match(await ending(call), /^UNAVAILABLE/);
      assert.equal(await refused(sensor), '[Throttled] the client did not return a certificate');
      assert.deepEqual(sensor.events, []);
    });

    it("refuses a client with another authority's", async () => {
      const sensor = await start(tls());
      const other = await Authority.create('Other');
      const identity = path.join(folder, 'other');
      writeIdentity(identity, other, await other.issue({ commonName: 'collector' }));
      // It trusts this Sensor; it is Sensor that does not trust it.
      writeFileSync(path.join(identity, 'ca.pem'), readFileSync(path.join(folders.client, 'ca.pem')));
      assert.match(await ending(open(sensor.address, SIGNALS, identity)), /^UNAVAILABLE/);
      assert.match(await refused(sensor), /the certificate of the client is no good \(\w+\)$/);
      assert.deepEqual(sensor.events, []);
    });

    it('refuses a client without TLS, and says so in words and once, however often it comes', async () => {
      const sensor = await start(tls());
      for (let time = 0; time < 3; time++)
        assert.match(await ending(open(sensor.address, SIGNALS)), /^UNAVAILABLE/);
      const words = 'the client does not speak TLS, as one does that was told of no certificates';
      await refused(sensor);
      assert.deepEqual(refusals(sensor), [`[Throttled] ${words}`]);
      await sensor.double.stop();
      assert.match(
        refusals(sensor)[1]!,
        new RegExp(`^\\[Throttled\\] ${words} \\(\\d+ swallowed within 10 s`),
      );
    });

    it('has the names of Sensor in a cluster, and of this machine', () => {
      const certificate = readFileSync(path.join(folders.server, 'cert.pem'));
      assert.match(
        new X509Certificate(certificate).subjectAltName!,
        /DNS:sensor\.stackrox, DNS:sensor\.stackrox\.svc, DNS:localhost, IP Address:127\.0\.0\.1/,
      );
    });
  });

  for (const security of ['plaintext', 'TLS'] as const) {
    describe(`serves kernel objects at the same port, over ${security}`, () => {
      let objects: string;
      before(() => {
        objects = mkdtempSync(path.join(folder, 'objects-'));
        mkdirSync(path.join(objects, '2.9.0'));
        writeFileSync(path.join(objects, '2.9.0/collector.o.gz'), 'object');
        writeFileSync(path.join(folder, 'secret'), 'secret');
        symlinkSync(path.join(folder, 'secret'), path.join(objects, '2.9.0/link'));
      });

      const options = (): DoubleOptions => ({
        kernelObjects: objects,
        ...(security === 'TLS' && { tls: readIdentity(folders.server) }),
      });

      /** The path goes out as it is: no client here cleans it. */
      async function get(address: string, target: string, method = 'GET'): Promise<[number, string]> {
        const [host, port] = address.split(':');
        const { ca, cert, key } = readIdentity(folders.client);
        const where = { host, port, path: target, method, agent: false };
        const request = security === 'TLS' ? https.request({ ...where, ca, cert, key }) : http.request(where);
        request.end();
        const [response] = (await once(request, 'response')) as [http.IncomingMessage];
        let body = '';
        for await (const chunk of response) body += String(chunk);
        return [response.statusCode!, body];
      }

      it('while it hears streams', async () => {
        const sensor = await start(options());
        const identity = security === 'TLS' ? folders.client : undefined;
        open(sensor.address, SIGNALS, identity).write(signal({ pid: 7 }));
        const target = '/kernel-objects/2.9.0/collector.o.gz';
        assert.deepEqual(await get(sensor.address, target), [200, 'object']);
        await eventually(() => sensor.signals.length === 1, 'the signal');
        await eventually(() => sensor.requests.length === 1, 'the request is told');
        assert.deepEqual(sensor.requests, [{ path: target, status: 200 }]);
      });

      it('but only what is in their folder', async () => {
        const sensor = await start(options());
        const answers = {
          '/kernel-objects/2.9.0/collector.ko.gz': 404,
          '/kernel-objects/2.9.0': 404,
          '/kernel-objects/2.9.0/': 404,
          '/2.9.0/collector.o.gz': 404,
          '/kernel-objects/%/x': 404,
          '/kernel-objects/../secret': 403,
          '/kernel-objects/2.9.0/../../secret': 403,
          '/kernel-objects/2.9.0/..%2f..%2fsecret': 403,
          '/kernel-objects/%2e%2e/secret': 403,
          '/kernel-objects/2.9.0/collector.o.gz%00': 403,
          '/kernel-objects/2.9.0/link': 403,
        };
        for (const [target, expected] of Object.entries(answers)) {
          assert.deepEqual([target, ...(await get(sensor.address, target))], [target, expected, '']);
        }
        assert.deepEqual(await get(sensor.address, '/kernel-objects/2.9.0/collector.o.gz', 'POST'), [
          405,
          '',
        ]);
      });

      it('or as a spec answers for it', async () => {
        const sensor = await start({
          ...options(),
          onRequest: ({ url }, response) => {
            if (url !== '/moved') return false;
            response.writeHead(302, { location: '/elsewhere' }).end();
            return true;
          },
        });
        assert.equal((await get(sensor.address, '/moved'))[0], 302);
        assert.equal((await get(sensor.address, '/kernel-objects/2.9.0/collector.o.gz'))[0], 200);
      });
    });
  }

  describe('at the command line', () => {
    /** `npm run sensor`, without what npm does before. */
    class Cli {
      readonly process: ChildProcess;
      stdout = '';
      stderr = '';
      readonly ended: Promise<[code: number | null, signal: string | null]>;

      constructor(...args: string[]) {
        this.process = spawn(process.execPath, ['--import=tsx', CLI, ...args], {
          cwd: ROOT,
          stdio: ['pipe', 'pipe', 'pipe'],
        });
        this.process.stdin!.on('error', () => undefined);
        this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
        this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
        this.ended = once(this.process, 'close') as Promise<[number | null, string | null]>;
        ends.push(async () => {
          this.process.kill('SIGKILL');
          await this.ended;
        });
      }

      get lines(): object[] {
        const whole = this.stdout.split('\n').slice(0, -1);
        return whole.map((line) => JSON.parse(line) as object);
      }

      async prints(what: string, look: (line: object) => boolean): Promise<object> {
        return eventually(
          () => this.lines.find(look),
          () => `${what} in ${this.stdout}${this.stderr}`,
        );
      }

      async address(): Promise<string> {
        const first = await this.prints('where it listens', () => true);
        assert.ok('listening' in first && typeof first.listening === 'string', this.stdout);
        return first.listening;
      }

      command(command: object): void {
        this.process.stdin!.write(`${JSON.stringify(command)}\n`);
      }
    }

    const isEvent = (event: string, connection: number) => (line: object) =>
      'event' in line && line.event === event && 'connection' in line && line.connection === connection;

    it('says first where it listens, then a line for each message, and ends when asked to', async () => {
      const cli = new Cli();
      const address = await cli.address();
      assert.match(address, /^127\.0\.0\.1:[1-9]\d*$/);
      open(address, SIGNALS).write(signal({ name: 'ls', pid: 7 }));
      await cli.prints('the message', (line) => 'message' in line);
      cli.process.kill('SIGTERM');
      assert.deepEqual(await cli.ended, [0, null]);
      assert.equal(cli.stderr, '');
      const [, opening, ...rest] = cli.lines;
      assert.ok(opening !== undefined && 'metadata' in opening);
      assert.deepEqual(rest, [
        {
          stream: 'signals',
          connection: 1,
          message: { signal: { processSignal: { name: 'ls', pid: 7 } } },
        },
        { stream: 'signals', connection: 1, event: 'end', status: 'CANCELLED' },
      ]);
    });

    it('obeys commands', async () => {
      const cli = new Cli('--public-ip=203.0.113.7');
      const address = await cli.address();

      const network = open(address, NETWORK);
      const [given] = (await once(network, 'data')) as [Buffer];
      assert.deepEqual(decodeControl(given), {
        publicIpAddresses: { ipv4Addresses: [0xcb00_7107] },
      });
      cli.command({ control: { networks: ['10.0.0.0/8'] } });
      const [lists] = (await once(network, 'data')) as [Buffer];
      assert.deepEqual(decodeControl(lists), {
        ipNetworks: { ipv4Networks: [10, 0, 0, 0, 8] },
      });
      cli.command({ raw: 'AQID' });
      assert.deepEqual(await once(network, 'data'), [Buffer.of(1, 2, 3)]);
      const ended = ending(network);
      cli.command({ hangup: 'both' });
      assert.match(await ended, /^UNAVAILABLE: Sensor is shutting down/);

      cli.command({ stall: 'both' });
      cli.command({ unimplemented: true });
      cli.command({ unimplemented: false });
      const signals = open(address, SIGNALS);
      await cli.prints('the second stream', isEvent('open', 2));
      signals.write(signal({ pid: 7 }));
      const broken = ending(signals);
      cli.command({ hangup: 'signals', how: 'reset' });
      assert.match(await broken, /^UNAVAILABLE/);
      await cli.prints('the end', isEvent('end', 2));
      assert.ok(!cli.lines.some((line) => 'message' in line), 'nothing was read of a stalled stream');
      cli.command({ resume: 'both' });

      cli.command({ refuse: true });
      await eventually(
        async () => (await ending(open(address, SIGNALS))).includes('ECONNREFUSED'),
        'refused',
      );
      cli.command({ refuse: false });
      await eventually(async () => {
        const call = open(address, SIGNALS);
        call.write(signal({ pid: 8 }));
        call.end();
        return (await ending(call)) === 'OK: OK';
      }, 'it listens again');
      await cli.prints('a message', (line) => 'message' in line);
      cli.command({ exit: true });
      assert.deepEqual(await cli.ended, [0, null]);
      assert.equal(cli.stderr, '');
    });

    it('says what is wrong with a command, and goes on', async () => {
      const cli = new Cli();
      await cli.address();
      for (const bad of ['hello', '[]', '{}', '{"jump":1}', '{"stall":"both","resume":"both"}'])
        cli.process.stdin!.write(`${bad}\n`);
      cli.command({ stall: 'everything' });
      cli.command({ control: { networks: ['10.0.0.0/33'] } });
      cli.command({ control: { nets: [] } });
      cli.command({ raw: '!' });
      cli.command({ refuse: 'maybe' });
      cli.command({ hangup: 'both', how: 'softly' });
      cli.command({ exit: true });
      assert.deepEqual(await cli.ended, [0, null]);
      const complaints = cli.stderr.trimEnd().split('\n');
      const expected = [
        /'hello'.*allowed: /,
        /'\[\]'.*allowed: /,
        /'\{\}'.*allowed: .*stall/,
        /'jump'.*allowed: .*stall/,
        /resume.*allowed: one of/,
        /'everything'.*allowed: signals, network, both/,
        /10\.0\.0\.0\/33.*0 to 32/,
        /nets.*allowed: networks and publicIps/,
        /'!'.*base64/,
        /'maybe'.*true or false/,
        /'softly'.*status, reset/,
      ];
      assert.equal(complaints.length, expected.length, cli.stderr);
      expected.forEach((pattern, index) => assert.match(complaints[index]!, pattern));
    });

    it('makes certificates that fit each other', async () => {
      const target = path.join(folder, 'made');
      const maker = new Cli(`--make-certs=${target}`);
      assert.deepEqual(await maker.ended, [0, null], maker.stderr);
      const cli = new Cli(`--certs=${target}/server`, '--address=127.0.0.1:0');
      open(await cli.address(), SIGNALS, `${target}/client`).write(signal({ pid: 7 }));
      await cli.prints('the message', (line) => 'message' in line);
    });

    it('makes others that fit those from before when it is told to again', async () => {
      const target = path.join(folder, 'rotated');
      const make = async () => {
        const maker = new Cli(`--make-certs=${target}`);
        assert.deepEqual(await maker.ended, [0, null], maker.stderr);
        return readFileSync(path.join(target, 'client/cert.pem'), 'utf8');
      };
      const before = await make();
      const cli = new Cli(`--certs=${target}/server`, '--address=127.0.0.1:0');
      const address = await cli.address();
      assert.notEqual(await make(), before);
      open(address, SIGNALS, `${target}/client`).write(signal({ pid: 7 }));
      await cli.prints('the message', (line) => 'message' in line);
      assert.equal(statSync(path.join(target, 'authority/key.pem')).mode & 0o777, 0o600);
    });

    it('says at once where it cannot make them', async () => {
      const maker = new Cli('--make-certs=/proc/no-such-folder/certs');
      assert.deepEqual(await maker.ended, [1, null]);
      assert.equal(maker.stderr, "ENOENT: no such file or directory, mkdir '/proc/no-such-folder'\n");
    });

    it('says in its help that it is a double, and what it can do', async () => {
      const cli = new Cli('--help');
      assert.deepEqual(await cli.ended, [0, null]);
      assert.match(cli.stdout, /double of Sensor/);
      for (const name of ['--address', '--certs', '--make-certs', '--network', '--public-ip', '"stall"'])
        assert.ok(cli.stdout.includes(name), name);
    });

    it('does not start with bad arguments: it names each value, where it stands and what is allowed', async () => {
      const cli = new Cli('--address=here', '--network=10.0.0.0', `--certs=${folder}`, '--adress=x', 'y');
      assert.deepEqual(await cli.ended, [1, null]);
      assert.equal(cli.stdout, '');
      const complaints = cli.stderr.trimEnd().split('\n');
      assert.equal(complaints.length, 5, cli.stderr);
      for (const pattern of [
        /'here' for argument --address .*allowed: host:port/,
        /'10\.0\.0\.0' for argument --network .*allowed: networks in CIDR form/,
        /for argument --certs: .*ca\.pem.*allowed: a folder with ca\.pem/,
        /'--adress': did you mean --address\?/,
        /'y'.*allowed: --address/,
      ])
        assert.ok(
          complaints.some((line) => pattern.test(line)),
          `${String(pattern)} in ${cli.stderr}`,
        );
    });

    it('says where it cannot listen', async () => {
      const sensor = await start();
      const cli = new Cli(`--address=${sensor.address}`);
      assert.deepEqual(await cli.ended, [1, null]);
      assert.match(cli.stderr, new RegExp(`Cannot listen at ${sensor.address}: .*EADDRINUSE`));
    });

    it('ends when nobody reads its output any more', async () => {
      const cli = new Cli();
      const address = await cli.address();
      cli.process.stdout!.destroy();
      open(address, SIGNALS);
      assert.deepEqual(await cli.ended, [0, null]);
    });
  });
});
