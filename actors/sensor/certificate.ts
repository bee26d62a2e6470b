import { X509Certificate } from 'node:crypto';
import type { FailureParameters } from '../telemetry/failures.js';
import { printable } from './printable.js';

const BEGIN = '-----BEGIN CERTIFICATE-----';
/** More than this many certificates between a server's own and the authority is nothing that anybody sets up. */
const LONGEST_CHAIN = 10;

/** A certificate in the PEM file that cannot be read. */
export class DamagedCertificate extends Error {}

/**
 * The certificates of a PEM file, in their order; none if it has none.
 * @throws DamagedCertificate that says which
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

/** Why a certificate is not valid at the time `now`, in words that follow its name; undefined if it is. */
export function untimely({ validFrom, validTo }: X509Certificate, now: Date): string | undefined {
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  if (now > to) return `expired on ${to.toISOString()}`;
  return now < from ? `is not valid before ${from.toISOString()}` : undefined;
}

/** Whose a certificate is, all parts of the name in one line. */
export function subjectOf({ subject }: X509Certificate): string {
  return printable(subject.replaceAll('\n', ', '));
}

/** Collector's own certificate, as those are told of it who look for why it is refused. @param cert PEM */
export function collectorsOwn(cert: Buffer): string {
  const own = new X509Certificate(cert);
  return `Collector's certificate (${subjectOf(own)}, valid until ${new Date(own.validTo).toISOString()})`;
}

/** What the verification of a server's certificate looked at. */
export interface Verified {
  /** What OpenSSL or, for the name, Node says, such as `CERT_HAS_EXPIRED`. */
  readonly code: string;
  /** The server's certificate. */
  readonly certificate: X509Certificate;
  /** The name that it has to carry. */
  readonly serverName: string;
  /** The certificates of the CA file. */
  readonly authorities: readonly X509Certificate[];
  readonly now: Date;
}

/** Why a server's certificate is not trusted, and which remedy for TLS helps. */
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

/** A server's certificate and those that the server sent with it, each signed by the next. */
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

/** The part of a name that people know it by; all of it, if it has none. */
function commonName(name: string): string {
  return printable(/^CN=(.+)$/m.exec(name)?.[1] ?? name.replaceAll('\n', ', '));
}
