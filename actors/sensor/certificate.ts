import { X509Certificate } from 'node:crypto';
import type { FailureParameters } from '../telemetry/failures.js';
import { printable } from './printable.js';

const BEGIN = '-----BEGIN CERTIFICATE-----';
/** Longest chain from a server's certificate to the authority: nobody sets up a longer one. */
const LONGEST_CHAIN = 10;

/** An unreadable certificate in a PEM file. */
export class DamagedCertificate extends Error {}

/**
 * Reads the certificates of a PEM file in their order, possibly none.
 * @throws DamagedCertificate with the certificate's number
 */
export function certificatesIn(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').split(BEGIN).slice(1);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(BEGIN + block);
    } catch (cause) {
      throw new DamagedCertificate(`certificate ${index + 1} of ${blocks.length} in it is damaged`, {
        cause,
      });
    }
  });
}

/** Says why a certificate is not valid at the time `now`, in words to follow its name; undefined if it is valid. */
export function untimely({ validFrom, validTo }: X509Certificate, now: Date): string | undefined {
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  if (now > to) return `expired on ${to.toISOString()}`;
  return now < from ? `is not valid before ${from.toISOString()}` : undefined;
}

/** The subject of a certificate, all parts of the name in one line. */
export function subjectOf({ subject }: X509Certificate): string {
  return printable(subject.replaceAll('\n', ', '));
}

/** Describes Collector's own certificate to people looking for the reason of a refusal. @param cert PEM */
export function collectorsOwn(cert: Buffer, now = new Date()): string {
  const own = new X509Certificate(cert);
  const validity = untimely(own, now) ?? `valid until ${new Date(own.validTo).toISOString()}`;
  return `Collector's certificate (${subjectOf(own)}, ${validity})`;
}

/** The inputs and the result of verifying a server's certificate. */
export interface Verified {
  /** The code of OpenSSL or, for the name, of Node: `CERT_HAS_EXPIRED`, for example. */
  readonly code: string;
  /** The server's certificate. */
  readonly certificate: X509Certificate;
  /** The name the certificate has to carry. */
  readonly serverName: string;
  /** The certificates of the CA file. */
  readonly authorities: readonly X509Certificate[];
  readonly now: Date;
}

/** Says why a server's certificate is not trusted, and picks the remedy. */
export function distrust(verified: Verified): Pick<FailureParameters<'SENSOR_TLS'>, 'reason' | 'remedy'> {
  const { code, certificate, serverName, authorities, now } = verified;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = printable(certificate.subjectAltName ?? 'no name');
    return { reason: `its certificate is for ${names}, not for ${serverName}`, remedy: 'name' };
  }
  const chain = chainOf(certificate);
  const last = chain.at(-1)!;
  const signer = authorities.find((authority) => hasSigned(authority, last));
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    const links = signer === undefined ? chain : [...chain, signer];
    const culprit = links.find((link) => untimely(link, now) !== undefined) ?? certificate;
    const whose =
      culprit === certificate ? 'its certificate' : `the authority '${commonName(culprit.subject)}'`;
    const when = untimely(culprit, now) ?? `is not valid (${code})`;
    return {
      reason: `${whose} ${when}, and it is ${now.toISOString()} by the clock of this node`,
      remedy: culprit === certificate || code === 'CERT_NOT_YET_VALID' ? 'validity' : 'authority',
    };
  }
  const issuer = commonName(last.issuer);
  const has = authorities.map(({ subject }) => `'${commonName(subject)}'`).join(', ');
  const hint =
    signer !== undefined
      ? ''
      : authorities.some(({ subject }) => subject === last.issuer)
        ? ', which has an authority of this name, but with another key'
        : `, which has ${printable(has)}`;
  return {
    reason: `its certificate, signed by '${issuer}', is not trusted by the CA file${hint} (${code})`,
    remedy: 'authority',
  };
}

/** A server's certificate and the others sent with it, each signed by the next. */
function chainOf(certificate: X509Certificate): X509Certificate[] {
  const chain = [certificate];
  let last = certificate;
  while (chain.length < LONGEST_CHAIN) {
    const next = last.issuerCertificate;
    // Node looks for issuers by name alone, and the last one may have signed itself.
    if (next === undefined || next.fingerprint256 === last.fingerprint256 || !hasSigned(next, last)) break;
    chain.push(next);
    last = next;
  }
  return chain;
}

function hasSigned(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

/** The common name in a subject, else all of the subject. */
function commonName(name: string): string {
  return printable(/^CN=(.+)$/m.exec(name)?.[1] ?? name.replaceAll('\n', ', '));
}
