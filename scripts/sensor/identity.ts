import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import { Authority, writeIdentity } from './certificates.js';
import type { TlsIdentity } from './listener.js';

/** The names of Sensor in a cluster, and of the addresses the double listens on. */
const SERVER_NAMES = ['sensor.stackrox', 'sensor.stackrox.svc', 'localhost', '127.0.0.1'];

const YEAR_MS = 365 * 86_400_000;

/** Folders with ca.pem, cert.pem and key.pem. */
export interface IdentityFolders {
  readonly server: string;
  readonly client: string;
}

/**
 * Makes identities of Sensor and of Collector, for a day, in `<folder>/server` and `<folder>/client`. They come from
 * the authority in `<folder>/authority`, made if there is none: another call rotates the certificates.
 */
export async function makeIdentities(folder: string): Promise<IdentityFolders> {
  const folders = { server: path.join(folder, 'server'), client: path.join(folder, 'client') };
  const authority = await authorityIn(path.join(folder, 'authority'));
  const server = await authority.issue({ commonName: 'sensor.stackrox', names: SERVER_NAMES });
  writeIdentity(folders.server, authority, server);
  writeIdentity(folders.client, authority, await authority.issue({ commonName: 'collector' }));
  return folders;
}

async function authorityIn(folder: string): Promise<Authority> {
  const file = path.join(folder, 'key.pem');
  if (existsSync(file)) {
    const certificate = readFileSync(path.join(folder, 'ca.pem'), 'utf8');
    return Authority.restore({ certificate, key: readFileSync(file, 'utf8') });
  }
  const authority = await Authority.create('Sensor double', { notAfter: new Date(Date.now() + YEAR_MS) });
  writeIdentity(folder, authority, await authority.secret());
  return authority;
}

/** @throws Error with the name of an unreadable file, or the fault of the contents */
export function readIdentity(folder: string): TlsIdentity {
  const identity = {
    ca: readFileSync(path.join(folder, 'ca.pem')),
    cert: readFileSync(path.join(folder, 'cert.pem')),
    key: readFileSync(path.join(folder, 'key.pem')),
  };
  createSecureContext(identity);
  return identity;
}
