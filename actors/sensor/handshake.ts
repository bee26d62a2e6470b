/** What everybody has in common here who secures a connection in order to find out why it fails. */
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { certificatesIn, distrust } from './certificate.js';
import { codeOf } from './printable.js';

/**
 * Options for a handshake with a server that has to be `serverName`. It is not refused at once, so that there is a
 * certificate to talk about: ask `mistrust` before anything is said to it.
 * @param protocol for ALPN
 */
export function handshake(serverName: string, protocol: string): ConnectionOptions {
  return {
    // An address is no server name to a server (RFC 6066 §3), but still what its certificate is checked for.
    servername: isIP(serverName) === 0 ? serverName : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
  };
}

/**
 * What is wrong with the certificate of a server that is not trusted, and what to do about it; undefined: it showed
 * none.
 * @param ca PEM of those to trust; undefined: those that Node does
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

/** What OpenSSL says is in the code, such as `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, or, of a write, in the message. */
export function openssl(error: unknown): string {
  return error instanceof Error ? `${codeOf(error)}:${error.message}`.toUpperCase().replaceAll(' ', '_') : '';
}

/** What the other side said of our certificate in a TLS alert (RFC 8446 §6.2), if it is that. */
export function clientRefusal(error: unknown): string | undefined {
  const [, alert] =
    /ALERT_((?:NO_|BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA|ACCESS_DENIED)/.exec(openssl(error)) ??
    [];
  return alert?.toLowerCase().replaceAll('_', ' ');
}
