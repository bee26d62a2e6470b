import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../sensor/tls.js';
import { codeOf, shown, Trouble, type TroubleKind } from './trouble.js';

/** A server to connect to, and how. */
export interface Peer {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** undefined: plain text. */
  readonly tls?: {
    /** The name that its certificate has to carry. */
    readonly serverName: string;
    /** Whom to trust and what to show; without it, the authorities that Node trusts, and no certificate is shown. */
    readonly material?: TlsMaterial;
  };
}

/**
 * Connects, and makes sure who it is connected to.
 * @param timeout for all of it, ms
 * @throws Trouble; an AbortError
 */
export async function connectTo(peer: Peer, timeout: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = peer.tls === undefined ? connectTcp(tcpOptions(peer, timeout)) : secured(peer, timeout);
  // It may break once more when it has been given up.
  socket.on('error', () => undefined);
  const late = () => {
    const what = socket.connecting ? 'no connection to it' : 'no answer to the TLS handshake';
    socket.destroy(new Trouble('timeout', `${what} within ${timeout / 1000} s`));
  };
  const timer = setTimeout(late, timeout);
  try {
    await once(socket, peer.tls === undefined ? 'connect' : 'secureConnect', { signal });
    if ('authorized' in socket) assertTrusted(socket, peer);
    return socket;
  } catch (error) {
    const trouble = signal.aborted ? error : connectTrouble(error, peer);
    socket.destroy();
    throw trouble;
  } finally {
    clearTimeout(timer);
  }
}

/** What broke a connection that had been made, before it gave an answer. */
export function askTrouble(error: unknown, peer: Peer): Trouble {
  if (error instanceof Trouble) return error;
  const code = codeOf(error);
  const material = peer.tls?.material;
  const alert = clientAlert(error);
  const own = material === undefined ? 'a client without certificate' : describe(material);
  if (alert !== undefined) return new Trouble('client', `it refused ${own}: ${alert}`, { cause: error });
  if (code.startsWith('HPE_'))
    return new Trouble('answer', `it does not answer in HTTP (${code})`, { cause: error });
  // With TLS 1.3 the server looks at our certificate when the handshake is over for us.
  return material === undefined
    ? new Trouble('broken', `the connection broke before an answer came (${code})`, { cause: error })
    : new Trouble('client', `it hung up without an answer (${code}), as a server does that refuses ${own}`, {
        cause: error,
      });
}

/** A name with several addresses gives each of them a share of the time, where Node's own share is 250 ms. */
function tcpOptions({ host, port }: Peer, timeout: number) {
  return { host, port, autoSelectFamilyAttemptTimeout: Math.max(Math.floor(timeout / 2), 10) };
}

function secured(peer: Peer, timeout: number): TLSSocket {
  const { serverName, material } = peer.tls!;
  return connectTls({
    ...tcpOptions(peer, timeout),
    ...material,
    // An address is no server name to a server (RFC 6066 §3), but still what its certificate is checked for.
    servername: isIP(serverName) === 0 ? serverName : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    ALPNProtocols: ['http/1.1'],
    // `assertTrusted` refuses it right after the handshake, when there is a certificate to talk about.
    rejectUnauthorized: false,
  });
}

/** @throws Trouble unless the certificate is for the name, valid today and signed by whom we trust */
function assertTrusted(socket: TLSSocket, { tls }: Peer): void {
  if (socket.authorized) return;
  const code = String(socket.authorizationError);
  const certificate = socket.getPeerX509Certificate();
  const trouble = (kind: TroubleKind, reason: string) => new Trouble(kind, `its certificate ${reason}`);
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = shown(certificate?.subjectAltName ?? 'no name');
      throw trouble('name', `is for ${names}, not for ${tls!.serverName}`);
    }
    case 'CERT_HAS_EXPIRED':
      throw trouble('validity', `or that of its authority has expired (valid to ${certificate?.validTo})`);
    case 'CERT_NOT_YET_VALID':
      throw trouble('validity', `or that of its authority is not valid yet (from ${certificate?.validFrom})`);
    default: {
      const issuer = shown((certificate?.issuer ?? 'nobody').replaceAll('\n', ', '));
      throw trouble('authority', `is signed by '${issuer}', who is not trusted (${code})`);
    }
  }
}

function connectTrouble(error: unknown, { host, port, tls }: Peer): Trouble {
  if (error instanceof Trouble) return error;
  const code = codeOf(error);
  const because = (kind: TroubleKind, reason: string) => new Trouble(kind, reason, { cause: error });
  if (isLookup(error)) return because('dns', `the name ${host} does not resolve (${code})`);
  if (code === 'ECONNREFUSED') return because('unreachable', `port ${port} of ${host} is refused (${code})`);
  if (code === 'ETIMEDOUT') return because('timeout', `no connection to ${host}:${port} (${code})`);
  if (/^(EHOST|ENET|EADDR|EACCES|EPERM)/.test(code))
    return because('unreachable', `there is no way to ${host}:${port} (${code})`);
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code))
    return because('plain', `${host}:${port} does not speak TLS`);
  const alert = clientAlert(error);
  if (alert !== undefined) {
    const own = tls?.material === undefined ? 'a client without certificate' : describe(tls.material);
    return because('client', `it refused ${own}: ${alert}`);
  }
  return tls === undefined
    ? because('broken', `the connection to ${host}:${port} broke (${code})`)
    : because('server', `the TLS handshake failed (${code})`);
}

function isLookup(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'getaddrinfo';
}

/** What the other side said of our certificate in a TLS alert (RFC 8446 §6.2), if it is that. */
function clientAlert(error: unknown): string | undefined {
  const [, alert] =
    /ALERT_((?:NO_|BAD_|UNSUPPORTED_)?CERTIFICATE(?:_\w+)?|UNKNOWN_CA|ACCESS_DENIED)/.exec(codeOf(error)) ??
    [];
  return alert?.toLowerCase().replaceAll('_', ' ');
}

/** Our own certificate. */
function describe({ cert }: TlsMaterial): string {
  const { subject, validTo } = new X509Certificate(cert);
  return `Collector's certificate (${shown(subject.replaceAll('\n', ', '))}, valid to ${validTo})`;
}
