/** A certificate authority for the Sensor double and for specs, in place of a cluster's own. */
import { randomBytes, webcrypto } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
// @peculiar/x509 finds its parts by it.
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  X509Certificate,
} from '@peculiar/x509';
import { makeFolder } from '../../actors/drivers/make-folder.js';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const crypto = webcrypto as unknown as Crypto;

/** A certificate and its key, both PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface Validity {
  /** Default: since yesterday. */
  readonly notBefore?: Date;
  /** Default: until tomorrow. */
  readonly notAfter?: Date;
}

export interface CertificateRequest extends Validity {
  readonly commonName: string;
  /** Names and IP addresses to certify; default: the common name. */
  readonly names?: readonly string[];
}

export class Authority {
  readonly #key: CryptoKey;
  readonly #certificate: X509Certificate;

  private constructor(key: CryptoKey, certificate: X509Certificate) {
    this.#key = key;
    this.#certificate = certificate;
  }

  static async create(name = 'Test authority', validity: Validity = {}): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: serialNumber(),
        name: `CN=${name}`,
        keys,
        signingAlgorithm: ALGORITHM,
        ...validityDates(validity),
        extensions: [
          new BasicConstraintsExtension(true, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        ],
      },
      crypto,
    );
    return new Authority(keys.privateKey, certificate);
  }

  /** Restores an authority created before. @throws Error if the PEM texts are not of one */
  static async restore({ certificate, key }: Identity): Promise<Authority> {
    const bytes = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const imported = await crypto.subtle.importKey('pkcs8', bytes, ALGORITHM, true, ['sign']);
    return new Authority(imported, new X509Certificate(certificate));
  }

  /** The argument of `restore`. */
  async secret(): Promise<Identity> {
    return { certificate: this.certificate, key: await pem(this.#key) };
  }

  /** PEM. */
  get certificate(): string {
    return this.#certificate.toString('pem');
  }

  async issue({ commonName, names = [commonName], ...validity }: CertificateRequest): Promise<Identity> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create(
      {
        serialNumber: serialNumber(),
        subject: `CN=${commonName}`,
        issuer: this.#certificate.subject,
        publicKey: keys.publicKey,
        signingKey: this.#key,
        signingAlgorithm: ALGORITHM,
        ...validityDates(validity),
        extensions: [
          new SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
          ),
        ],
      },
      crypto,
    );
    return { certificate: certificate.toString('pem'), key: await pem(keys.privateKey) };
  }
}

async function pem(key: CryptoKey): Promise<string> {
  const text = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${text.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

/** Writes ca.pem, cert.pem and key.pem into a folder, which is made; each is there whole or not at all. */
export function writeIdentity(folder: string, authority: Authority, { certificate, key }: Identity): void {
  makeFolder(folder);
  const write = (name: string, text: string, mode: number): void => {
    const file = path.join(folder, name);
    writeFileSync(`${file}.new`, text, { mode });
    renameSync(`${file}.new`, file);
  };
  write('key.pem', key, 0o600);
  write('cert.pem', certificate, 0o644);
  write('ca.pem', authority.certificate, 0o644);
}

function validityDates({ notBefore, notAfter }: Validity): Required<Validity> {
  return {
    notBefore: notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: notAfter ?? new Date(Date.now() + DAY_MS),
  };
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function serialNumber(): string {
  return `01${randomBytes(8).toString('hex')}`; // the first digit keeps the number positive
}
