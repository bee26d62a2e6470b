import { isIP, isIPv6 } from 'node:net';
import type { Parser } from './parser.js';

const LONGEST = 255;

/** The address of a server, `host:port`; an IPv6 address stands in brackets. Empty: no server. */
export const hostPort: Parser<string> = {
  allowed: `host:port, at most ${LONGEST} characters, such as sensor.stackrox.svc:443 or [fd00::1]:443`,
  parse: (text) => (text === '' || isHostPort(text) ? { value: text } : { bad: text }),
};

/** The address a server listens on: as above, but never empty, and port 0 stands for any free one. */
export const listenAddress: Parser<string> = {
  allowed: 'host:port, such as 0.0.0.0:8080, [::]:8080 or 127.0.0.1:0 for any port that is free',
  parse: (text) => (isHostPort(text.replace(/:0$/, ':1')) ? { value: text } : { bad: text }),
};

/** The address of an inspected replay: as above, or empty for one of Collector's choice. */
export const inspectAddress: Parser<string> = {
  allowed: 'host:port, such as 127.0.0.1:8080, or 127.0.0.1:0 for any port that is free',
  parse: (text) => (text === '' ? { value: text } : listenAddress.parse(text)),
};

/** Splits an address accepted by one of these; an IPv6 address loses its brackets. */
export function splitHostPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

function isHostPort(text: string): boolean {
  if (text.length > LONGEST) return false;
  const [, host, port] = /^(.+):([1-9]\d{0,4})$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65535) return false;
  const bracketed = /^\[([^%]+)\]$/.exec(host)?.[1];
  return bracketed === undefined ? isIPv4OrName(host) : isIPv6(bracketed);
}

/** A name whose last label is all digits can only be meant as an IPv4 address. */
function isIPv4OrName(host: string): boolean {
  return /(^|\.)\d+$/.test(host) ? isIP(host) === 4 : /^[\w-]+(\.[\w-]+)*\.?$/.test(host);
}
