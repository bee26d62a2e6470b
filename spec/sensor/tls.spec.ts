import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTls, tlsFiles, watchTls, type TlsFiles } from '../../actors/sensor/tls.js';
import { readSettings } from '../../actors/settings/read.js';
import { asFailure } from '../../actors/telemetry/failures.js';
import { Authority, writeIdentity } from '../../scripts/sensor/certificates.js';
import { eventually } from '../support/eventually.js';

const DAY_MS = 86_400_000;
const FAST = { settle: 20, poll: 60_000 };

describe('the TLS files', () => {
  let folder: string;
  let files: TlsFiles;
  let authority: Authority;

  before(async () => (authority = await Authority.create()));
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-tls-'));
    files = filesIn(folder);
    writeIdentity(folder, authority, await authority.issue({ commonName: 'collector' }));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function filesIn(folder: string): TlsFiles {
    return { ca: `${folder}/ca.pem`, cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  }

  async function refusal(): Promise<string> {
    try {
      await readTls(files);
    } catch (error) {
      return asFailure(error).message;
    }
    throw new Error('nothing was refused');
  }

  describe('by the settings', () => {
    const named = (env: Record<string, string>) => tlsFiles(readSettings([], env).settings);

    it('are none without any TLS setting', () => {
      assert.equal(named({ GRPC_SERVER: 'sensor:443' }), undefined);
    });

    it('are three in a folder, or each by its own setting', () => {
      assert.deepEqual(named({ ROX_COLLECTOR_TLS_CERTS: '/certs' }), filesIn('/certs'));
      assert.deepEqual(
        named({
          ROX_COLLECTOR_TLS_CA: '/a',
          ROX_COLLECTOR_TLS_CLIENT_CERT: '/b',
          ROX_COLLECTOR_TLS_CLIENT_KEY: '/c',
        }),
        { ca: '/a', cert: '/b', key: '/c' },
      );
      assert.deepEqual(named({ ROX_COLLECTOR_TLS_CERTS: '/certs', ROX_COLLECTOR_TLS_CA: '/a' }), {
        ...filesIn('/certs'),
        ca: '/a',
      });
      const config = { tlsConfig: { caCertPath: '/a', clientCertPath: '/b', clientKeyPath: '/c' } };
      assert.deepEqual(named({ COLLECTOR_CONFIG: JSON.stringify(config) }), {
        ca: '/a',
        cert: '/b',
        key: '/c',
      });
    });

    it('have to be all three, and the error says which is missing', () => {
      const { errors } = readSettings([], {
        ROX_COLLECTOR_TLS_CA: '/a',
        ROX_COLLECTOR_TLS_CLIENT_CERT: '/b',
      });
      assert.equal(errors.length, 1);
      assert.match(errors[0]!, /and ROX_COLLECTOR_TLS_CLIENT_KEY \(tlsConfig\.clientKeyPath\) is not given/);
    });
  });

  describe('as they are read', () => {
    it('are taken when they fit together', async () => {
      assert.match((await readTls(files)).cert.toString(), /BEGIN CERTIFICATE/);
    });

    it('are refused when one is missing, and it is named', async () => {
      rmSync(files.key);
      assert.equal(await refusal(), `The TLS file ${files.key} cannot be used: the file is missing.`);
    });

    it('are refused when one is something else', async () => {
      writeFileSync(files.ca, 'hello');
      assert.equal(
        await refusal(),
        `The TLS file ${files.ca} cannot be used: it has no certificate in PEM form.`,
      );
      writeIdentitySync('key', 'hello');
      assert.match(await refusal(), /key\.pem cannot be used: it has no unencrypted private key/);
    });

    it('are refused when the key belongs to another certificate, and the key is not shown', async () => {
      const { key } = await authority.issue({ commonName: 'other' });
      writeIdentitySync('key', key);
      assert.equal(
        await refusal(),
        `The TLS file ${files.key} cannot be used: it is not the key to the certificate in ${files.cert}.`,
      );
    });

    it('are refused when the certificate has expired or is not valid yet, with the day', async () => {
      const notAfter = wholeSeconds(-DAY_MS / 2);
      writeIdentity(folder, authority, await authority.issue({ commonName: 'collector', notAfter }));
      assert.equal(
        await refusal(),
        `The TLS file ${files.cert} cannot be used: its certificate (CN=collector) expired on ${notAfter.toISOString()}.`,
      );
      const notBefore = wholeSeconds(DAY_MS / 2);
      writeIdentity(folder, authority, await authority.issue({ commonName: 'collector', notBefore }));
      assert.equal(
        await refusal(),
        `The TLS file ${files.cert} cannot be used: its certificate (CN=collector) is not valid before ${notBefore.toISOString()}.`,
      );
    });

    it('may have several authorities, of which one is valid', async () => {
      const notAfter = wholeSeconds(-DAY_MS / 2);
      const old = await Authority.create('Old authority', { notAfter });
      writeFileSync(files.ca, `# the old one\n${old.certificate}\n# the new one\n${authority.certificate}`);
      assert.match((await readTls(files)).ca.toString(), /the old one[^]*the new one/);
      writeFileSync(files.ca, old.certificate);
      assert.equal(
        await refusal(),
        `The TLS file ${files.ca} cannot be used: its certificate (CN=Old authority) expired on ${notAfter.toISOString()}.`,
      );
    });

    it('are refused when one of several certificates is damaged, and it is said which', async () => {
      writeFileSync(files.ca, authority.certificate + authority.certificate.replace(/\n.{20}/, '\n'));
      assert.equal(
        await refusal(),
        `The TLS file ${files.ca} cannot be used: certificate 2 of 2 in it is damaged.`,
      );
    });

    it('are refused when one is no file, or far too large for one of its kind', async () => {
      rmSync(files.ca);
      mkdirSync(files.ca);
      assert.equal(await refusal(), `The TLS file ${files.ca} cannot be used: it is not a file.`);
      rmSync(files.ca, { recursive: true });
      writeFileSync(files.ca, authority.certificate + ' '.repeat(1024 * 1024));
      assert.match(
        await refusal(),
        /ca\.pem cannot be used: it has \d{7} bytes, and at most 1048576 are read\.$/,
      );
    });

    it('are refused when OpenSSL does not take them, before anything connects with them', async () => {
      const request = ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-subj', '/CN=short'];
      execFileSync('openssl', [...request, '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
      assert.equal(
        await refusal(),
        `The TLS file ${files.cert} cannot be used: OpenSSL does not take it (ERR_SSL_EE_KEY_TOO_SMALL).`,
      );
    });

    /** Certificates know no parts of a second. */
    function wholeSeconds(fromNow: number): Date {
      return new Date(Math.floor((Date.now() + fromNow) / 1000) * 1000);
    }

    function writeIdentitySync(name: 'key', text: string): void {
      writeFileSync(files.ca, authority.certificate);
      writeFileSync(files[name], text);
    }
  });

  describe('when they change', () => {
    let stop: () => void = () => undefined;
    afterEach(() => stop());

    async function watched(
      times = FAST,
    ): Promise<{ changes: string[]; complaints: string[]; mended: number }> {
      const seen = { changes: [] as string[], complaints: [] as string[], mended: 0 };
      stop = watchTls(
        files,
        await readTls(files),
        {
          onChange: ({ cert }) => seen.changes.push(cert.toString()),
          onBad: ({ message }) => seen.complaints.push(message),
          onMended: () => seen.mended++,
        },
        times,
      );
      return seen;
    }

    it('are read again, once for all three', async () => {
      const seen = await watched();
      const next = await authority.issue({ commonName: 'collector' });
      writeIdentity(folder, authority, next);
      await eventually(() => seen.changes.length > 0, 'the change is seen');
      await sleep(FAST.settle * 5);
      assert.deepEqual(seen, { changes: [next.certificate], complaints: [], mended: 0 });
    });

    it('are read again when Kubernetes swaps the folder of a secret', async () => {
      const volume = path.join(folder, 'volume');
      const version = async (name: string): Promise<string> => {
        const identity = await authority.issue({ commonName: name });
        writeIdentity(path.join(volume, name), authority, identity);
        symlinkSync(name, path.join(volume, 'next'));
        renameSync(path.join(volume, 'next'), path.join(volume, '..data'));
        return identity.certificate;
      };
      mkdirSync(volume);
      await version('..1');
      for (const name of ['ca.pem', 'cert.pem', 'key.pem'])
        symlinkSync(`..data/${name}`, path.join(volume, name));
      files = filesIn(volume);
      const seen = await watched();
      const certificate = await version('..2');
      await eventually(() => seen.changes.length > 0, 'the swap is seen');
      assert.deepEqual(seen.changes, [certificate]);
    });

    it('stay as they were while they cannot be used, which is told once', async () => {
      const seen = await watched();
      writeFileSync(files.cert, 'half a certif');
      await eventually(() => seen.complaints.length > 0, 'the complaint');
      writeFileSync(files.cert, 'half a certif');
      await sleep(FAST.settle * 5);
      assert.deepEqual(seen.complaints, [
        `The TLS file ${files.cert} cannot be used: it has no certificate in PEM form.`,
      ]);
      const next = await authority.issue({ commonName: 'collector' });
      writeIdentity(folder, authority, next);
      await eventually(() => seen.changes.length > 0, 'it is good again');
      assert.deepEqual(seen.changes, [next.certificate]);
    });

    it('are no change when they are again what they were before they were bad', async () => {
      const before = readFileSync(files.cert);
      const seen = await watched();
      for (const turn of [1, 2]) {
        writeFileSync(files.cert, 'half a certif');
        await eventually(() => seen.complaints.length === turn, 'the complaint');
        writeFileSync(files.cert, before);
        await eventually(() => seen.mended === turn, 'it is told that they are good again');
      }
      assert.deepEqual(seen.changes, []);
    });

    it('are looked at once in a while where the system tells of no change', async () => {
      const elsewhere = path.join(folder, 'elsewhere');
      mkdirSync(elsewhere);
      renameSync(files.cert, path.join(elsewhere, 'cert.pem'));
      symlinkSync('elsewhere/cert.pem', files.cert);
      const seen = await watched({ settle: 60_000, poll: 20 });
      writeFileSync(path.join(elsewhere, 'cert.pem'), 'half a certif');
      await eventually(() => seen.complaints.length > 0, 'the complaint');
    });

    it('are of no interest any more once the watch has ended', async () => {
      const seen = await watched({ settle: 20, poll: 20 });
      writeFileSync(files.cert, 'half a certif');
      stop();
      await sleep(FAST.settle * 5);
      assert.deepEqual(seen, { changes: [], complaints: [], mended: 0 });
    });

    it('are not read because something else in the folder changed', async () => {
      const seen = await watched();
      writeFileSync(path.join(folder, 'other'), 'x');
      await sleep(FAST.settle * 5);
      assert.deepEqual(seen, { changes: [], complaints: [], mended: 0 });
    });
  });
});
