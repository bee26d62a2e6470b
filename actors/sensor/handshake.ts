/** TLS for diagnoses: connections secured to find out why they fail. */
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { certificatesIn, distrust } from './certificate.js';
import { codeOf } from './printable.js';

/**
 * Options for a handshake with the server named `serverName`. An untrusted server is not refused at once, so its
 * certificate can be examined: call `mistrust` before anything is sent.
 * @param protocol for ALPN
 */
export function handshake(serverName: string, protocol: string): ConnectionOptions {
  return {
    // An IP address must not be sent as server name (RFC 6066 §3); the certificate is checked for it all the same.
    servername: isIP(serverName) === 0 ? serverName : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
  };
}

/**
 * Says why the certificate of an untrusted server is bad, and picks the remedy; undefined: it showed none.
 * @param ca PEM of the trusted authorities; undefined: Node's
 */
export function mistrust(
  socket: TLSSocket,
  serverName: string,
  ca: Buffer | undefined,
): ReturnType<typeof distrust> | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const code = String(socket.authorizationError);
  const authorities = ca === undefined ? [] : certificatesIn(ca);
  return distrust({ code, certificate, serverName, authorities, now: new Date() });
}

/** The words of OpenSSL: from the code (`ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`) or, for a write, from the message. */
export function openssl(error: unknown): string {
  return error instanceof Error ? `${codeOf(error)}:${error.message}`.toUpperCase().replaceAll(' ', '_') : '';
}

/** The TLS alert about our certificate from the other side (RFC 8446 §6.2), if the error is one. */
export function clientRefusal(error: unknown): string | undefined {
  const [, alert] =
    /ALERT_((?:NO_|BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA|ACCESS_DENIED)/.exec(openssl(error)) ??
    [];
  return alert?.toLowerCase().replaceAll('_', ' ');
}
