import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import { Authority, writeIdentity } from './certificates.js';
import type { TlsIdentity } from './door.js';

/** The names of Sensor in a cluster, and of where the double listens. */
const SERVER_NAMES = ['sensor.stackrox', 'sensor.stackrox.svc', 'localhost', '127.0.0.1'];

/** Folders with ca.pem, cert.pem and key.pem. */
export interface IdentityFolders {
  readonly server: string;
  readonly client: string;
}

/** Makes an authority, and from it identities of Sensor and of Collector in `<folder>/server` and `<folder>/client`. */
export async function makeIdentities(folder: string): Promise<IdentityFolders> {
  const folders = { server: path.join(folder, 'server'), client: path.join(folder, 'client') };
  const authority = await Authority.create('Sensor double');
  const server = await authority.issue({ commonName: 'sensor.stackrox', names: SERVER_NAMES });
  writeIdentity(folders.server, authority, server);
  writeIdentity(folders.client, authority, await authority.issue({ commonName: 'collector' }));
  return folders;
}

/** @throws Error that names the file that cannot be read, or says what is wrong with what the files hold */
export function readIdentity(folder: string): TlsIdentity {
  const identity = {
    ca: readFileSync(path.join(folder, 'ca.pem')),
    cert: readFileSync(path.join(folder, 'cert.pem')),
    key: readFileSync(path.join(folder, 'key.pem')),
  };
  createSecureContext(identity);
  return identity;
}
