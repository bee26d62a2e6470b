import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Settings } from '../settings/table.js';
import { readSmallFile, type UnreadableFile } from '../settings/small-file.js';
import { watchFiles, type WatchTimes } from '../settings/watch.js';
import { asFailure, Failure } from '../telemetry/failures.js';
import { certificatesIn, DamagedCertificate, subjectOf, untimely } from './certificate.js';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The authorities trusted to sign Sensor's certificate. */
  readonly ca: string;
  /** Collector's own certificate and the key to it. */
  readonly cert: string;
  readonly key: string;
}

/** The contents of the files. */
export type TlsMaterial = Readonly<Record<keyof TlsFiles, Buffer>>;

/** Four times the size of a bundle of all public authorities. */
const LARGEST_FILE = 1024 * 1024;

/** OpenSSL's errors for bytes other than TLS. */
export const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE/;

/** Takes the files from the settings: all of them or none, by the rules there. undefined: plain text. */
export function tlsFiles(settings: Settings): TlsFiles | undefined {
  const { tlsCerts, tlsCa, tlsClientCert, tlsClientKey } = settings;
  const inFolder = (name: string) => (tlsCerts === undefined ? undefined : path.join(tlsCerts, name));
  const ca = tlsCa ?? inFolder('ca.pem');
  const cert = tlsClientCert ?? inFolder('cert.pem');
  const key = tlsClientKey ?? inFolder('key.pem');
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
}

/**
 * Reads the files and checks that they can be used together at the time `now`.
 * @throws Failure TLS_FILE with the name of the file
 */
export async function readTls(files: TlsFiles, now = new Date()): Promise<TlsMaterial> {
  const material = {
    ca: await readTlsFile(files.ca),
    cert: await readTlsFile(files.cert),
    key: await readTlsFile(files.key),
  };
  const authorities = certificates(files.ca, material.ca);
  if (authorities.every((authority) => untimely(authority, now) !== undefined))
    throw untimelyIn(files.ca, authorities[0], now);
  const [own] = certificates(files.cert, material.cert);
  if (untimely(own, now) !== undefined) throw untimelyIn(files.cert, own, now);
  if (!own.checkPrivateKey(privateKey(files.key, material.key)))
    throw unusable(files.key, `it is not the key to the certificate in ${files.cert}`);
  assertAccepted(files, material);
  return material;
}

export interface TlsWatcher {
  /** All three files are good, and differ from the last good set. */
  readonly onChange: (material: TlsMaterial) => void;
  /** They cannot be used any more, by a change or because they expired; called once for each reason. */
  readonly onBad: (failure: Failure) => void;
  /** They can be used again, and are the last good set. */
  readonly onMended: () => void;
}

/**
 * Watches the files. When one has changed the others may be about to, so they are read some time later.
 * @param current their contents when they were read before
 * @returns ends it
 */
export function watchTls(
  files: TlsFiles,
  current: TlsMaterial,
  { onChange, onBad, onMended }: TlsWatcher,
  times?: WatchTimes,
): () => void {
  let good = current;
  let complaint: string | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    const found = await tryTls(files);
    if (isOver) return;
    if (found instanceof Failure) {
      if (found.message !== complaint) onBad(found);
      complaint = found.message;
      return;
    }
    const isMended = complaint !== undefined;
    complaint = undefined;
    if (isSameMaterial(found, good)) {
      if (isMended) onMended();
      return;
    }
    good = found;
    onChange(found);
  };
  const stop = watchFiles([files.ca, files.cert, files.key], look, times);
  return () => {
    isOver = true;
    stop();
  };
}

async function tryTls(files: TlsFiles): Promise<TlsMaterial | Failure> {
  try {
    return await readTls(files);
  } catch (error) {
    return asFailure(error);
  }
}

function isSameMaterial(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca.equals(other.ca) && one.cert.equals(other.cert) && one.key.equals(other.key);
}

async function readTlsFile(file: string): Promise<Buffer> {
  try {
    return await readSmallFile(file, LARGEST_FILE);
  } catch (error) {
    const { code, message } = error as UnreadableFile;
    throw unusable(file, code === 'ENOENT' ? await absence(file) : message, error);
  }
}

async function absence(file: string): Promise<string> {
  const folder = path.dirname(file);
  return access(folder).then(
    () => 'the file is missing',
    () => `its folder ${folder} is missing`,
  );
}

/** One certificate at least, all of them readable. */
function certificates(file: string, pem: Buffer): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = certificatesIn(pem);
    if (first === undefined) throw unusable(file, 'it has no certificate in PEM form');
    return [first, ...others];
  } catch (error) {
    throw error instanceof DamagedCertificate ? unusable(file, error.message, error) : error;
  }
}

function untimelyIn(file: string, certificate: X509Certificate, now: Date): Failure {
  return unusable(file, `its certificate (${subjectOf(certificate)}) ${untimely(certificate, now)}`);
}

function privateKey(file: string, pem: Buffer): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(file, 'it has no unencrypted private key in PEM form', error);
  }
}

/** Tries the files on OpenSSL: a key too short, for example, would otherwise end the first attempt to connect. */
function assertAccepted(files: TlsFiles, material: TlsMaterial): void {
  try {
    createSecureContext(material);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(files.cert, `OpenSSL does not take it (${code})`, error);
  }
}

function unusable(file: string, reason: string, cause?: unknown): Failure {
  return new Failure('TLS_FILE', { path: file, reason }, { cause });
}
