import type { LookupAddress } from 'node:dns';
import dns from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { splitHostPort } from '../settings/host-port.js';
import { Failure, type TlsRemedy } from '../telemetry/failures.js';
import { collectorsOwn } from './certificate.js';
import type { SensorAddress } from './channel.js';
import { clientRefusal, handshake, mistrust, openssl } from './handshake.js';
import { codeOf, printable } from './printable.js';
import { NO_TLS, type TlsMaterial } from './tls.js';

/** The client's start of an HTTP/2 connection (RFC 9113 §3.4): the preface and an empty SETTINGS frame. */
const HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
/** A frame's type is its fourth byte; the server has to start with its own SETTINGS. */
const FRAME_TYPE = 3;
const SETTINGS = 4;
const SILENCE = 'nothing at all';
/** Most addresses tried of one name. */
const MOST_ADDRESSES = 4;

export interface DiagnoseOptions {
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Default: as the system does, /etc/hosts included. */
  readonly lookup?: (host: string) => Promise<readonly LookupAddress[]>;
}

/** The bounds of an attempt: ms for each step, and the signal to give it up. */
interface Attempt {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Finds out why Sensor cannot be reached, by an attempt of its own, step by step: name, TCP, TLS, HTTP/2.
 * @param tls undefined: plain text
 * @param timeout for each step, ms
 * @returns one reason: the first obstacle met
 * @throws the reason `signal` was aborted with
 */
export async function diagnose(
  { address, serverName }: SensorAddress,
  tls: TlsMaterial | undefined,
  timeout: number,
  { signal, lookup = systemLookup }: DiagnoseOptions = {},
): Promise<Failure> {
  const { host, port } = splitHostPort(address);
  const attempt = { timeout, signal };
  let socket: Socket | undefined;
  try {
    signal?.throwIfAborted();
    const ips = isIP(host) === 0 ? await resolvedAddresses(address, host, lookup, attempt) : [host];
    socket = await connectedSocket(address, ips, port, attempt);
    const ip = socket.remoteAddress!;
    if (tls !== undefined) socket = await securedSocket(address, serverName, socket, tls, attempt);
    const answer = await greeting(socket, attempt);
    if (Buffer.isBuffer(answer) && answer[0] === 0 && answer[FRAME_TYPE] === SETTINGS)
      return new Failure('SENSOR_UNREADY', { address });
    if (tls === undefined && (await speaksTls(ip, port, attempt)))
      return new Failure('SENSOR_WANTS_TLS', { address });
    return otherAnswer(address, answer, tls);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Failure) return error as Failure;
    return new Failure('SENSOR_BROKEN', { address, reason: codeOf(error) }, { cause: error });
  } finally {
    socket?.destroy();
  }
}

/** Lookups in progress. Without an answer each blocks a thread long after it was given up. */
const lookups = new Map<string, Promise<LookupAddress[]>>();

/** Resolves like the system. Two requests for a name at the same time share a lookup. */
async function systemLookup(host: string): Promise<LookupAddress[]> {
  let lookup = lookups.get(host);
  if (lookup === undefined) {
    lookup = dns.lookup(host, { all: true }).finally(() => lookups.delete(host));
    lookups.set(host, lookup);
  }
  return lookup;
}

async function resolvedAddresses(
  address: string,
  host: string,
  lookup: (host: string) => Promise<readonly LookupAddress[]>,
  attempt: Attempt,
): Promise<string[]> {
  const failure = (reason: string, cause?: unknown) =>
    new Failure('SENSOR_DNS', { address, host, reason }, { cause });
  try {
    const late = () => failure(`no answer within ${attempt.timeout / 1000} s`);
    const found = await inTime(lookup(host), attempt, late);
    return found.slice(0, MOST_ADDRESSES).map(({ address }) => address);
  } catch (error) {
    throw error instanceof Failure ? error : failure(codeOf(error), error);
  }
}

/** A connection to the first address that takes one, as gRPC would; all are asked at once. */
async function connectedSocket(
  address: string,
  ips: readonly string[],
  port: number,
  attempt: Attempt,
): Promise<Socket> {
  const { timeout } = attempt;
  const sockets: Socket[] = [];
  let taken: Socket | undefined;
  const connect = async (ip: string): Promise<Socket> => {
    const socket = tolerant(connectTcp({ host: ip, port }));
    sockets.push(socket);
    try {
      await firstEvent(
        socket,
        'connect',
        attempt,
        () => new Failure('SENSOR_TIMEOUT', { address, ip, timeout }),
      );
      return socket;
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('SENSOR_REFUSED', { address, ip, reason: codeOf(error) }, { cause: error });
    }
  };
  try {
    taken = await Promise.any(ips.map(connect));
    return taken;
  } catch (error) {
    throw (error as AggregateError).errors[0];
  } finally {
    for (const socket of sockets) if (socket !== taken) socket.destroy();
  }
}

async function securedSocket(
  address: string,
  serverName: string,
  socket: Socket,
  { ca, cert, key }: TlsMaterial,
  attempt: Attempt,
): Promise<TLSSocket> {
  const secure = tolerant(connectTls({ socket, ca, cert, key, ...handshake(serverName, 'h2') }));
  const failure = (reason: string, remedy: TlsRemedy, cause?: unknown) =>
    new Failure('SENSOR_TLS', { address, reason, remedy }, { cause });
  try {
    const late = () =>
      failure(`the TLS handshake was not answered within ${attempt.timeout / 1000} s`, 'server');
    await firstEvent(secure, 'secureConnect', attempt, late);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const [code, text] = [codeOf(error), openssl(error)];
    if (NO_TLS.test(text)) throw failure('it does not speak TLS', 'plain', error);
    if (text.includes('ALERT_NO_APPLICATION_PROTOCOL'))
      throw new Failure('SENSOR_WRONG_SERVICE', { address, answer: 'that it does not speak HTTP/2' });
    const refusal = clientRefusal(error);
    if (refusal !== undefined)
      throw failure(`it refused ${collectorsOwn(cert)}: ${refusal}`, 'client', error);
    if (code === 'ECONNRESET' || code === 'EPIPE')
      throw failure(`it hung up during the TLS handshake (${code})`, 'server', error);
    throw failure(`the TLS handshake failed (${code})`, 'server', error);
  }
  if (!secure.authorized) {
    // Node completes no handshake with a server without a certificate.
    const { reason, remedy } = mistrust(secure, serverName, ca)!;
    throw failure(reason, remedy);
  }
  return secure;
}

/** Greets a server as an HTTP/2 client. Returns its first bytes, or the reason for their absence. */
async function greeting(socket: Socket, attempt: Attempt): Promise<Buffer | Error> {
  socket.write(HELLO);
  try {
    return await firstEvent<Buffer>(socket, 'data', attempt, () => new Error(SILENCE));
  } catch (error) {
    attempt.signal?.throwIfAborted();
    return error as Error;
  }
}

function otherAnswer(address: string, answer: Buffer | Error, tls: TlsMaterial | undefined): Failure {
  if (Buffer.isBuffer(answer)) {
    const line = answer.toString('latin1').split('\r\n')[0] ?? '';
    return new Failure('SENSOR_WRONG_SERVICE', { address, answer: `'${printable(line)}'` });
  }
  if (answer.message === SILENCE) return new Failure('SENSOR_WRONG_SERVICE', { address, answer: SILENCE });
  if (tls === undefined) return new Failure('SENSOR_BROKEN', { address, reason: codeOf(answer) });
  // With TLS 1.3 the server checks our certificate after the handshake is over on our side.
  const own = collectorsOwn(tls.cert);
  const refusal = clientRefusal(answer);
  const reason =
    refusal === undefined
      ? `it hung up right after the handshake (${codeOf(answer)}), as a server does that refuses ${own}`
      : `it refused ${own}: ${refusal}`;
  return new Failure('SENSOR_TLS', { address, reason, remedy: 'client' }, { cause: answer });
}

/** Whether a TLS handshake gets an answer in TLS: its completion, or an alert. */
async function speaksTls(ip: string, port: number, attempt: Attempt): Promise<boolean> {
  const socket = tolerant(connectTls({ host: ip, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }));
  try {
    await firstEvent(socket, 'secureConnect', attempt, () => new Error(SILENCE));
    return true;
  } catch (error) {
    attempt.signal?.throwIfAborted();
    return openssl(error).includes('_ALERT_');
  } finally {
    socket.destroy();
  }
}

/** Makes a socket ignore errors: it may break once more after it was given up. */
function tolerant<S extends Socket>(socket: S): S {
  return socket.on('error', () => undefined);
}

/**
 * Waits for the first `event` of a socket.
 * @throws the error of `late` after the timeout; the socket's error; ECONNRESET if it ends without one
 */
async function firstEvent<T>(socket: Socket, event: string, attempt: Attempt, late: () => Error): Promise<T> {
  const happened = new Promise<T>((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
  return inTime(happened, attempt, late);
}

/** @throws the error of `late` after the timeout; the reason the attempt was aborted with */
async function inTime<T>(work: Promise<T>, { timeout, signal }: Attempt, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeout);
    const abort = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', abort);
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    work.then(resolve, reject).finally(over);
  });
}
