import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../settings/table.js';
import { asFailure, Failure } from '../telemetry/failures.js';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The authorities that may have signed Sensor's certificate. */
  readonly ca: string;
  /** Collector's own certificate and the key to it. */
  readonly cert: string;
  readonly key: string;
}

/** What is in the files. */
export type TlsMaterial = Readonly<Record<keyof TlsFiles, Buffer>>;

/** After a file has changed: the others may be about to. */
const SETTLE_MS = 1000;
/** Where the system tells of no change, or tells none on this file system. */
const POLL_MS = 30_000;

/** The files by the settings, whose rules see to it that all are named or none; undefined: plain text. */
export function tlsFiles(settings: Settings): TlsFiles | undefined {
  const { tlsCerts, tlsCa, tlsClientCert, tlsClientKey } = settings;
  const inFolder = (name: string) => (tlsCerts === undefined ? undefined : path.join(tlsCerts, name));
  const ca = tlsCa ?? inFolder('ca.pem');
  const cert = tlsClientCert ?? inFolder('cert.pem');
  const key = tlsClientKey ?? inFolder('key.pem');
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
}

/**
 * Reads the files and checks that they can be used together, at the time `now`.
 * @throws Failure TLS_FILE that names the file
 */
export function readTls(files: TlsFiles, now = new Date()): TlsMaterial {
  const material = { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
  certificate(files.ca, material.ca);
  const own = certificate(files.cert, material.cert);
  const [from, to] = [new Date(own.validFrom), new Date(own.validTo)];
  if (now > to) throw unusable(files.cert, `its certificate (${own.subject}) expired on ${to.toISOString()}`);
  if (now < from)
    throw unusable(files.cert, `its certificate (${own.subject}) is not valid before ${from.toISOString()}`);
  if (!own.checkPrivateKey(privateKey(files.key, material.key)))
    throw unusable(files.key, `it is not the key to the certificate in ${files.cert}`);
  return material;
}

export interface TlsWatcher {
  /** All three files are good, and another set than before. */
  readonly onChange: (material: TlsMaterial) => void;
  /** They have changed and cannot be used; called once for each such change. */
  readonly onBad: (failure: Failure) => void;
}

/**
 * Watches the files: written in place, renamed into place, or swapped by Kubernetes through the `..data` link of a
 * mounted secret.
 * @param current what was read of them before
 * @returns ends it
 */
export function watchTls(
  files: TlsFiles,
  current: TlsMaterial,
  { onChange, onBad }: TlsWatcher,
  { settle = SETTLE_MS, poll = POLL_MS } = {},
): () => void {
  let last = digest(current);
  let settling: NodeJS.Timeout | undefined;
  const look = (): void => {
    try {
      const material = readTls(files);
      if (digest(material) === last) return;
      last = digest(material);
      onChange(material);
    } catch (error) {
      const failure = asFailure(error);
      if (last === failure.message) return;
      last = failure.message;
      onBad(failure);
    }
  };
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, settle).unref();
  };
  const folders = new Set([files.ca, files.cert, files.key].map((file) => path.dirname(file)));
  const watchers = [...folders].flatMap((folder) => watched(folder, soon));
  const timer = setInterval(look, poll).unref();
  return () => {
    clearTimeout(settling);
    clearInterval(timer);
    watchers.forEach((watcher) => watcher.close());
  };
}

/** No watcher where the system has none left, or the folder is gone: polling goes on. */
function watched(folder: string, onEvent: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent);
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return [];
  }
}

function digest({ ca, cert, key }: TlsMaterial): string {
  return Buffer.concat([ca, cert, key]).toString('latin1');
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(file, code === 'ENOENT' ? 'the file is missing' : `it cannot be read (${code})`, error);
  }
}

function certificate(file: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw unusable(file, 'it has no certificate in PEM form', error);
  }
}

function privateKey(file: string, pem: Buffer): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(file, 'it has no unencrypted private key in PEM form', error);
  }
}

function unusable(file: string, reason: string, cause?: unknown): Failure {
  return new Failure('TLS_FILE', { path: file, reason }, { cause });
}
