import { statSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { parseArgs } from 'node:util';
import { cidr } from '../../actors/settings/cidr.js';
import { closest } from '../../actors/settings/closest.js';
import { listOf, type Parser } from '../../actors/settings/parser.js';
import { controlMessage } from './control.js';
import type { TlsIdentity } from './listener.js';
import { readIdentity } from './identity.js';

/** The arguments of the double. */
export interface Arguments {
  readonly help: boolean;
  readonly makeCerts: string | undefined;
  readonly address: string;
  readonly tls: TlsIdentity | undefined;
  readonly networks: readonly string[];
  readonly publicIps: readonly string[];
  readonly kernelObjects: string | undefined;
}

interface ArgumentDeclaration<T> {
  /** The text behind the `=`; a switch has none. */
  readonly form?: string;
  readonly parser: Parser<T>;
  readonly help: string;
}

const address: Parser<string> = {
  allowed: 'host:port, an IPv6 address in brackets, such as 127.0.0.1:0 or [::1]:9998',
  parse: (text) => {
    const [, bracketed, host, port] = /^(?:\[([^%]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
    const isGood = Number(port) <= 65_535 && (host !== undefined || isIPv6(bracketed ?? ''));
    return isGood ? { value: text } : { bad: text };
  },
};

const publicIp: Parser<string> = {
  allowed: 'IP addresses, such as 203.0.113.7 or 2001:db8::7',
  parse: (text) =>
    tried(text, () => {
      controlMessage({ publicIps: [text] });
      return text;
    }),
};

const folder: Parser<string> = {
  allowed: 'a folder that exists',
  parse: (text) =>
    statSync(text, { throwIfNoEntry: false })?.isDirectory() === true ? { value: text } : { bad: text },
};

const newFolder: Parser<string> = {
  allowed: 'a folder, which is made if it does not exist',
  parse: (text) => (text === '' ? { bad: text } : { value: text }),
};

const identity: Parser<TlsIdentity> = {
  allowed: 'a folder with ca.pem, cert.pem and key.pem, such as --make-certs makes',
  parse: (text) => tried(text, () => readIdentity(text)),
};

const isOn: Parser<boolean> = {
  allowed: 'nothing behind it',
  parse: (text) => (text === '' ? { value: true } : { bad: text }),
};

const table = {
  address: {
    form: '<host:port>',
    parser: address,
    help: 'Where to listen; port 0 is any that is free. Default: 127.0.0.1:0.',
  },
  certs: {
    form: '<folder>',
    parser: identity,
    help: 'Mutual TLS with the ca.pem, cert.pem and key.pem in it. Without it: plaintext.',
  },
  'make-certs': {
    form: '<folder>',
    parser: newFolder,
    help: 'Makes <folder>/server for --certs and <folder>/client for ROX_COLLECTOR_TLS_CERTS, valid for a day, and ends. Done again, it rotates them: the authority in <folder>/authority stays.',
  },
  network: {
    form: '<cidr>,…',
    parser: listOf(cidr),
    help: 'Networks that collectors are told of when they connect; can be given again.',
  },
  'public-ip': {
    form: '<address>,…',
    parser: listOf(publicIp),
    help: 'Public addresses that collectors are told of when they connect; can be given again.',
  },
  'kernel-objects': {
    form: '<folder>',
    parser: folder,
    help: 'Serves <folder>/<version>/<file> as /kernel-objects/<version>/<file>, over HTTP at the same port.',
  },
  help: { parser: isOn, help: 'Prints this text and ends.' },
} satisfies Record<string, ArgumentDeclaration<unknown>>;

type Name = keyof typeof table;

/** @throws Error with a line for each wrong argument: its value, its name and the allowed values */
export function readArguments(argv: readonly string[]): Arguments {
  const texts = new Map<Name, string[]>();
  const errors: string[] = [];
  const options = Object.fromEntries(
    Object.entries<ArgumentDeclaration<unknown>>(table).map(([name, { form }]) => [
      name,
      { type: form === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  for (const token of parseArgs({ args: [...argv], options, strict: false, tokens: true }).tokens) {
    if (token.kind === 'option' && Object.hasOwn(table, token.name)) {
      const name = token.name as Name;
      texts.set(name, [...(texts.get(name) ?? []), token.value ?? '']);
    } else if (token.kind !== 'option-terminator') {
      errors.push(unknownArgumentError(token.kind === 'option' ? token.rawName : token.value));
    }
  }
  const values = <T>(name: Name, { parser }: ArgumentDeclaration<T>): T[] =>
    (texts.get(name) ?? []).flatMap((text) => {
      const parsed = parser.parse(text);
      if ('value' in parsed) return [parsed.value];
      const why = parsed.why === undefined ? '' : `: ${parsed.why}`;
      errors.push(`Bad value '${parsed.bad}' for argument --${name}${why} (allowed: ${parser.allowed})`);
      return [];
    });
  const read = {
    help: values('help', table.help).length > 0,
    makeCerts: values('make-certs', table['make-certs']).at(-1),
    address: values('address', table.address).at(-1) ?? '127.0.0.1:0',
    tls: values('certs', table.certs).at(-1),
    networks: values('network', table.network).flat(),
    publicIps: values('public-ip', table['public-ip']).flat(),
    kernelObjects: values('kernel-objects', table['kernel-objects']).at(-1),
  };
  if (errors.length > 0) throw new Error(errors.join('\n'));
  return read;
}

/** The arguments' part of the help. */
export function argumentsHelp(): string {
  return Object.entries<ArgumentDeclaration<unknown>>(table)
    .map(([name, { form, help }]) => `  --${name}${form === undefined ? '' : `=${form}`}\n      ${help}`)
    .join('\n');
}

function unknownArgumentError(name: string): string {
  const names = Object.keys(table).map((one) => `--${one}`);
  const meant = closest(name, names);
  return `Unknown argument '${name}'${meant === undefined ? '' : `: did you mean ${meant}?`} (allowed: ${names.join(', ')})`;
}

function tried<T>(text: string, read: () => T): ReturnType<Parser<T>['parse']> {
  try {
    return { value: read() };
  } catch (error) {
    return { bad: text, why: (error as Error).message };
  }
}
