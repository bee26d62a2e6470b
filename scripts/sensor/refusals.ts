import type { TLSSocket } from 'node:tls';
import { setTimer, throttle, type Throttle } from '../../actors/telemetry/throttle.js';

/** Time between two lines about refusals for the same reason, seconds. */
const WINDOW = 10;

/** Reasons of refusals, and of clients leaving, by OpenSSL's codes. */
const words: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the client does not speak TLS, as one does that was told of no certificates',
  ERR_SSL_HTTP_REQUEST: 'the client speaks HTTP without TLS: use https://',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the client did not return a certificate',
  ERR_SSL_EVP_LIB: 'the certificate of the client is signed by another authority of the same name',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the client speaks no version of TLS from 1.2 on',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'the client speaks neither HTTP/2 nor HTTP/1.1',
  ECONNRESET:
    'the client hung up in the TLS handshake: it speaks no TLS, or does not trust the certificate of the double',
};

/** The reason of a refusal in words. */
export function refusalReason(
  error: Error,
  { authorizationError }: Pick<TLSSocket, 'authorizationError'>,
): string {
  // Node has checked the certificate after the handshake, and reports the result nowhere else.
  const distrust = authorizationError as unknown;
  if (typeof distrust === 'string') return `the certificate of the client is no good (${distrust})`;
  const code = 'code' in error ? String(error.code) : error.message;
  return words[code] ?? `the TLS handshake failed (${code})`;
}

/** Reports refusals once in a while for each reason: a client trying again causes one every second. */
export class TlsRefusals {
  readonly #report: (text: string) => void;
  /** By the reason; OpenSSL knows a few. */
  readonly #throttles = new Map<string, Throttle>();

  constructor(report: (text: string) => void) {
    this.#report = report;
  }

  add(reason: string): void {
    let made = this.#throttles.get(reason);
    if (made === undefined) {
      made = throttle(WINDOW, { write: this.#report, setTimer });
      this.#throttles.set(reason, made);
    }
    made.write(reason);
  }

  /** Reports the refusals held back. */
  flush(): void {
    for (const made of this.#throttles.values()) made.flush();
  }
}
