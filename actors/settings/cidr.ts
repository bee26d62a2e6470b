import { isIP } from 'node:net';
import type { Parser } from './parser.js';

/** A network in CIDR form: an IPv4 or IPv6 address, a slash and the prefix length. The text is kept as it is. */
export const cidr: Parser<string> = {
  allowed: 'networks in CIDR form, such as 10.0.0.0/8 or fd00::/8',
  parse: (text) => (isCidr(text) ? { value: text } : { bad: text }),
};

function isCidr(text: string): boolean {
  const [, address, length] = /^([^/%]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  if (address === undefined || length === undefined) return false;
  const family = isIP(address);
  return family !== 0 && Number(length) <= (family === 4 ? 32 : 128);
}
