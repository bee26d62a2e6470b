import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { collectorsOwn } from '../sensor/certificate.js';
import { clientRefusal, handshake, mistrust } from '../sensor/handshake.js';
import { NO_TLS, type TlsMaterial } from '../sensor/tls.js';
import { codeOf } from '../sensor/printable.js';
import { DriverProblem, type DriverProblemKind } from './problem.js';

/** A server to connect to, and how. */
export interface Peer {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** undefined: plain text. */
  readonly tls?: {
    /** The name its certificate has to carry. */
    readonly serverName: string;
    /** Authorities to trust and certificate to show; without it, Node's own authorities and no certificate. */
    readonly material?: TlsMaterial;
  };
}

/**
 * Connects, and verifies the server's identity.
 * @param timeout for all of it, ms
 * @throws DriverProblem; an AbortError
 */
export async function connectTo(peer: Peer, timeout: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket =
    peer.tls === undefined ? connectTcp(tcpOptions(peer, timeout)) : connectSecurely(peer, timeout);
  // It may break once more when it has been given up.
  socket.on('error', () => undefined);
  let isResolved = isIP(peer.host) !== 0;
  socket.once('lookup', () => (isResolved = true));
  const tooLate = (kind: DriverProblemKind, what: string) =>
    new DriverProblem(kind, `${what} within ${timeout / 1000} s`);
  const timer = setTimeout(() => {
    if (!isResolved) socket.destroy(tooLate('dns', `the name ${peer.host} does not resolve`));
    else if (socket.connecting)
      socket.destroy(tooLate('timeout', `no connection to ${peer.host}:${peer.port}`));
    else socket.destroy(tooLate('timeout', 'no answer to the TLS handshake'));
  }, timeout);
  try {
    await once(socket, peer.tls === undefined ? 'connect' : 'secureConnect', { signal });
    if ('authorized' in socket) assertTrusted(socket, peer.tls!);
    return socket;
  } catch (error) {
    const problem = signal.aborted ? error : connectProblem(error, peer);
    socket.destroy();
    throw problem;
  } finally {
    clearTimeout(timer);
  }
}

/** The problem behind a connection broken after it was made, before an answer. */
export function answerProblem(error: unknown, peer: Peer): DriverProblem {
  if (error instanceof DriverProblem) return error;
  const code = codeOf(error);
  const problem = (kind: DriverProblemKind, reason: string) =>
    new DriverProblem(kind, reason, { cause: error });
  const alert = clientRefusal(error);
  if (alert !== undefined) return problem('client', `it refused ${ourselves(peer)}: ${alert}`);
  if (code.startsWith('HPE_')) return problem('answer', `it does not answer in HTTP (${code})`);
  if (peer.tls?.material === undefined)
    return problem('broken', `the connection broke before an answer came (${code})`);
  // With TLS 1.3 the server looks at our certificate when the handshake is over for us.
  return problem('client', hungUp(`without an answer (${code})`, peer));
}

/** A name with several addresses gives each of them a share of the time, where Node's own share is 250 ms. */
function tcpOptions({ host, port }: Peer, timeout: number) {
  return { host, port, autoSelectFamilyAttemptTimeout: Math.max(Math.floor(timeout / 2), 10) };
}

function connectSecurely(peer: Peer, timeout: number): TLSSocket {
  const { serverName, material } = peer.tls!;
  return connectTls({
    ...tcpOptions(peer, timeout),
    ...material,
    // `assertTrusted` comes right after it.
    ...handshake(serverName, 'http/1.1'),
  });
}

/** @throws DriverProblem unless the certificate is for the name, valid today and signed by a trusted authority */
function assertTrusted(socket: TLSSocket, { serverName, material }: NonNullable<Peer['tls']>): void {
  if (socket.authorized) return;
  const code = String(socket.authorizationError);
  const distrusted = mistrust(socket, serverName, material?.ca);
  if (distrusted === undefined) throw new DriverProblem('server', `it showed no certificate (${code})`);
  const { reason, remedy } = distrusted;
  const isUnknown = remedy === 'authority' && material === undefined;
  throw new DriverProblem(
    remedy,
    isUnknown ? `its certificate is not signed by anybody that Node knows (${code})` : reason,
  );
}

function connectProblem(error: unknown, peer: Peer): DriverProblem {
  if (error instanceof DriverProblem) return error;
  const code = codeOf(error);
  const at = `${peer.host}:${peer.port}`;
  const problem = (kind: DriverProblemKind, reason: string) =>
    new DriverProblem(kind, reason, { cause: error });
  if (isLookup(error)) return problem('dns', `the name ${peer.host} does not resolve (${code})`);
  if (code === 'ECONNREFUSED') return problem('unreachable', `${at} refuses connections (${code})`);
  if (code === 'ETIMEDOUT') return problem('timeout', `no connection to ${at} (${code})`);
  if (/^(EHOST|ENET|EADDR|EACCES|EPERM)/.test(code))
    return problem('unreachable', `there is no way to ${at} (${code})`);
  if (NO_TLS.test(code)) return problem('plain', `${at} does not speak TLS`);
  const alert = clientRefusal(error);
  if (alert !== undefined) return problem('client', `it refused ${ourselves(peer)}: ${alert}`);
  if (peer.tls === undefined) return problem('broken', `the connection to ${at} broke (${code})`);
  if (code === 'ECONNRESET' && peer.tls.material !== undefined)
    return problem('client', hungUp(`in the TLS handshake (${code})`, peer));
  return problem('server', `the TLS handshake failed (${code})`);
}

function isLookup(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'getaddrinfo';
}

/** Describes the hang-up of a server refusing a certificate without a word. */
function hungUp(when: string, peer: Peer): string {
  return `it hung up ${when}, as a server does that refuses ${ourselves(peer)}`;
}

/** Collector as seen by a refusing server. */
function ourselves({ tls }: Peer): string {
  if (tls?.material === undefined) return 'a client without certificate';
  return collectorsOwn(tls.material.cert);
}
