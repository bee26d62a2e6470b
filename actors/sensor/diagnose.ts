import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { Failure, type FailureParameters } from '../telemetry/failures.js';
import type { SensorAddress } from './channel.js';
import type { TlsMaterial } from './tls.js';

type TlsRemedy = FailureParameters<'SENSOR_TLS'>['remedy'];

/** The client's half of how an HTTP/2 connection starts (RFC 9113 §3.4): the preface and an empty SETTINGS frame. */
const HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
/** A frame's type is its fourth byte; the server has to start with its own SETTINGS. */
const FRAME_TYPE = 3;
const SETTINGS = 4;
const SILENCE = 'nothing at all';
const LONGEST_SHOWN = 80;

/**
 * Finds out why Sensor cannot be reached, by an attempt of its own, step by step: name, TCP, TLS, HTTP/2.
 * @param tls undefined: plain text
 * @param timeout for each step, ms
 * @returns never more than one reason, the first that stands in the way
 */
export async function diagnose(
  { address, serverName }: SensorAddress,
  tls: TlsMaterial | undefined,
  timeout: number,
): Promise<Failure> {
  const { host, port } = parts(address);
  let socket: Socket | undefined;
  try {
    const ip = await resolved(address, host);
    socket = await connected(address, ip, port, timeout);
    if (tls !== undefined) socket = await secured(address, serverName, socket, tls, timeout);
    const answer = await greeting(socket, timeout);
    if (Buffer.isBuffer(answer) && answer[0] === 0 && answer[FRAME_TYPE] === SETTINGS)
      return new Failure('SENSOR_UNREADY', { address });
    if (tls === undefined && (await speaksTls(ip, port, timeout)))
      return new Failure('SENSOR_WANTS_TLS', { address });
    return otherAnswer(address, answer, tls);
  } catch (error) {
    if (error instanceof Failure) return error as Failure;
    return new Failure('SENSOR_BROKEN', { address, reason: codeOf(error) });
  } finally {
    socket?.destroy();
  }
}

/** @param address host:port, an IPv6 host in brackets; the settings have checked it */
function parts(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

async function resolved(address: string, host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new Failure('SENSOR_DNS', { address, host, reason: codeOf(error) }, { cause: error });
  }
}

async function connected(address: string, ip: string, port: number, timeout: number): Promise<Socket> {
  const socket = connectTcp({ host: ip, port });
  try {
    await settled(socket, 'connect', timeout, () => new Failure('SENSOR_TIMEOUT', { address, ip, timeout }));
    return socket;
  } catch (error) {
    socket.destroy();
    if (error instanceof Failure) throw error;
    throw new Failure('SENSOR_REFUSED', { address, ip, reason: codeOf(error) }, { cause: error });
  }
}

async function secured(
  address: string,
  serverName: string,
  socket: Socket,
  { ca, cert, key }: TlsMaterial,
  timeout: number,
): Promise<TLSSocket> {
  // Not refused at once, so that there is a certificate to talk about; nothing is said to a server that is not Sensor.
  const secure = connectTls({
    socket,
    ca,
    cert,
    key,
    servername: serverName,
    ALPNProtocols: ['h2'],
    checkServerIdentity: (_, peer) => checkServerIdentity(serverName, peer),
    rejectUnauthorized: false,
  });
  const failure = (reason: string, remedy: TlsRemedy, cause?: unknown) =>
    new Failure('SENSOR_TLS', { address, reason, remedy }, { cause });
  try {
    const late = () => failure('the TLS handshake was not answered', 'server');
    await settled(secure, 'secureConnect', timeout, late);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { message } = error as Error;
    if (/wrong version number|packet length too long/i.test(message))
      throw failure('it does not speak TLS', 'plain', error);
    const refusal = clientRefusal(error as Error);
    if (refusal !== undefined)
      throw failure(`it refused Collector's certificate: ${refusal}`, 'client', error);
    throw failure(`the TLS handshake failed (${codeOf(error)}: ${shown(message)})`, 'server', error);
  }
  if (!secure.authorized) {
    const code = String(secure.authorizationError);
    throw failure(...untrusted(code, secure.getPeerCertificate(), serverName));
  }
  return secure;
}

/** What is wrong with a server's certificate, by the codes of OpenSSL's verification and of Node's check of names. */
function untrusted(code: string, peer: PeerCertificate, serverName: string): [string, TlsRemedy] {
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return [
        `its certificate is for ${shown(peer.subjectaltname ?? 'no name')}, not for ${serverName}`,
        'name',
      ];
    case 'CERT_HAS_EXPIRED':
      return [`its certificate expired on ${new Date(peer.valid_to).toISOString()}`, 'validity'];
    case 'CERT_NOT_YET_VALID':
      return [`its certificate is not valid before ${new Date(peer.valid_from).toISOString()}`, 'validity'];
    default: {
      const issuer = shown(String(peer.issuer.CN ?? 'nobody'));
      return [`its certificate, signed by '${issuer}', is not trusted by the CA file (${code})`, 'authority'];
    }
  }
}

/** What the other side said of our certificate in a TLS alert (RFC 8446 §6.2), if it is that. */
function clientRefusal(error: Error): string | undefined {
  const text = `${'code' in error ? String(error.code) : ''} ${error.message}`
    .toLowerCase()
    .replaceAll('_', ' ');
  return [
    'certificate required',
    'certificate expired',
    'certificate revoked',
    'certificate unknown',
    'bad certificate',
    'unknown ca',
    'unsupported certificate',
    'access denied',
  ].find((alert) => text.includes(alert));
}

/** How the other side answers a client of HTTP/2: its first bytes, or why there are none. */
async function greeting(socket: Socket, timeout: number): Promise<Buffer | Error> {
  socket.write(HELLO);
  try {
    return await settled<Buffer>(socket, 'data', timeout, () => new Error(SILENCE));
  } catch (error) {
    return error as Error;
  }
}

function otherAnswer(address: string, answer: Buffer | Error, tls: TlsMaterial | undefined): Failure {
  if (Buffer.isBuffer(answer)) {
    const line = answer.toString('latin1').split('\r\n')[0] ?? '';
    return new Failure('SENSOR_WRONG_SERVICE', { address, answer: `'${shown(line)}'` });
  }
  if (answer.message === SILENCE) return new Failure('SENSOR_WRONG_SERVICE', { address, answer: SILENCE });
  if (tls === undefined) return new Failure('SENSOR_BROKEN', { address, reason: codeOf(answer) });
  // With TLS 1.3 the server looks at our certificate when the handshake is over for us.
  const { subject, validTo } = new X509Certificate(tls.cert);
  const own = `Collector's certificate (${shown(subject)}, valid until ${new Date(validTo).toISOString()})`;
  const refusal = clientRefusal(answer);
  const reason =
    refusal === undefined
      ? `it hung up right after the handshake (${codeOf(answer)}), as a server does that refuses ${own}`
      : `it refused ${own}: ${refusal}`;
  return new Failure('SENSOR_TLS', { address, reason, remedy: 'client' }, { cause: answer });
}

/** Whether a TLS handshake gets any answer in TLS. */
async function speaksTls(ip: string, port: number, timeout: number): Promise<boolean> {
  const socket = connectTls({ host: ip, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  try {
    await settled(socket, 'secureConnect', timeout, () => new Error(SILENCE));
    return true;
  } catch (error) {
    return clientRefusal(error as Error) !== undefined;
  } finally {
    socket.destroy();
  }
}

/**
 * The first `event` of a socket.
 * @throws what `late` makes after `timeout` ms; the socket's error; ECONNRESET if it ends without one
 */
async function settled<T>(socket: Socket, event: string, timeout: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeout);
    const done = <V>(settle: (value: V) => void) => {
      return (value: V): void => {
        clearTimeout(timer);
        settle(value);
      };
    };
    socket.once(event, done(resolve));
    socket.once('error', done(reject));
    socket.once(
      'close',
      done(() => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))),
    );
  });
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : shown(error.message);
}

/** What others wrote, in a line of ours. */
function shown(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length <= LONGEST_SHOWN ? plain : `${plain.slice(0, LONGEST_SHOWN)}…`;
}
