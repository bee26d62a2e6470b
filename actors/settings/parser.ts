/** The value of a text, or its bad part and, if the allowed values do not explain it, the reason. */
export type Parsed<T> = { readonly value: T } | { readonly bad: string; readonly why?: string };

/** Reads one setting's text. `allowed` completes the phrase "allowed: …" in errors and in the help. */
export interface Parser<T> {
  readonly allowed: string;
  readonly parse: (text: string) => Parsed<T>;
}

/** `true` or `false`, in any case. */
export const boolean: Parser<boolean> = {
  allowed: 'true or false',
  parse: (text) => {
    const lower = text.toLowerCase();
    return lower === 'true' || lower === 'false' ? { value: lower === 'true' } : { bad: text };
  },
};

/** The same, or another word. */
export function booleanOr<const W extends string>(word: W): Parser<boolean | W> {
  return {
    allowed: `true, false or ${word}`,
    parse: (text) => (text.toLowerCase() === word ? { value: word } : boolean.parse(text)),
  };
}

/** One of a few words, in any case, with `-` and `_` taken as the same; the value is the word as in `words`. */
export function oneOf<const W extends string>(...words: readonly W[]): Parser<W> {
  const plain = (text: string): string => text.toLowerCase().replaceAll('-', '_');
  return {
    allowed: `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`,
    parse: (text) => {
      const value = words.find((word) => plain(word) === plain(text));
      return value === undefined ? { bad: text } : { value };
    },
  };
}

/** A whole number in decimal digits, from `least` to `most` and accepted by `fits`; `what` describes it. */
export function wholeNumber(
  least: number,
  most: number,
  what = 'a whole number',
  fits: (value: number) => boolean = () => true,
): Parser<number> {
  return {
    allowed: `${what}, ${least} to ${most}`,
    parse: (text) => {
      const value = /^\d+$/.test(text) ? Number(text) : NaN;
      return value >= least && value <= most && fits(value) ? { value } : { bad: text };
    },
  };
}

/** A number in decimal notation between two others, both excluded; `what` says so. */
export function decimal(above: number, below: number, what: string): Parser<number> {
  return {
    allowed: `a number ${what}`,
    parse: (text) => {
      const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
      return value > above && value < below ? { value } : { bad: text };
    },
  };
}

/** Seconds, with a fraction if wanted, never negative. */
export const seconds: Parser<number> = {
  allowed: 'a number of seconds, 0 or more',
  parse: (text) => (/^\d+(\.\d+)?$/.test(text) ? { value: Number(text) } : { bad: text }),
};

/** Items separated by commas (or spaces), spaces around them ignored. An empty text is the empty list. */
export function listOf<T>(item: Parser<T>, separator: ',' | ' ' = ','): Parser<readonly T[]> {
  return {
    allowed: `${item.allowed}; separated by ${separator === ',' ? 'commas' : 'spaces'}`,
    parse: (text) => {
      const values: T[] = [];
      for (const part of text.split(separator)) {
        if (part.trim() === '') continue;
        const parsed = item.parse(part.trim());
        if ('bad' in parsed) return parsed;
        values.push(parsed.value);
      }
      return { value: values };
    },
  };
}

/** The same, but at least one, and each counts once. */
export function someOf<T>(item: Parser<T>): Parser<readonly T[]> {
  const { allowed, parse } = listOf(item);
  return {
    allowed,
    parse: (text) => {
      const parsed = parse(text);
      if ('bad' in parsed) return parsed;
      return parsed.value.length === 0 ? { bad: text } : { value: [...new Set(parsed.value)] };
    },
  };
}

/** The path of a file, absolute or relative to the working directory. */
export const filePath: Parser<string> = {
  allowed: 'the path of a file',
  parse: (text) => (text === '' || text.includes('\0') ? { bad: text } : { value: text }),
};

/** An absolute path, returned without the slashes at its end; so the root folder is the empty string. */
export const absolutePath: Parser<string> = {
  allowed: 'an absolute path',
  parse: (text) => (/^\/[^\0]*$/.test(text) ? { value: text.replace(/\/+$/, '') } : { bad: text }),
};

/** An absolute path, or empty text for none. */
export const absolutePathOrNone: Parser<string> = {
  allowed: `${absolutePath.allowed}, or nothing`,
  parse: (text) => (text === '' ? { value: '' } : absolutePath.parse(text)),
};

/** The release of a kernel as part of a driver's name: never a way out of the driver's folder. */
export const kernelName: Parser<string> = {
  allowed: 'the release of a kernel of letters, digits, ".", "_", "+", "~" and "-", at most 128 characters',
  parse: (text) => (/^\w[\w.+~-]{0,127}$/.test(text) ? { value: text } : { bad: text }),
};

/** A web address without its trailing slashes. */
export const httpUrl: Parser<string> = {
  allowed: 'an address that starts with https:// or http://',
  parse: (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
    return isHttp && url.search === '' && url.hash === ''
      ? { value: text.replace(/\/+$/, '') }
      : { bad: text };
  },
};

/** The name of a node: what Kubernetes and the kernel allow in a host name. */
export const hostName: Parser<string> = {
  allowed: 'a host name of letters, digits, ".", "_" and "-", at most 253 characters',
  parse: (text) => (/^[\w.-]{1,253}$/.test(text) ? { value: text } : { bad: text }),
};

/** The address of a WebSocket. */
export const webSocketUrl: Parser<string> = {
  allowed: 'an address that starts with ws:// or wss://',
  parse: (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isWebSocket = url?.protocol === 'ws:' || url?.protocol === 'wss:';
    return isWebSocket && url.hash === '' ? { value: text } : { bad: text };
  },
};

/** Levels of a JSON object: settings have two. What JSON.parse takes can be too deep for JSON.stringify. */
const MOST_LEVELS = 16;

/** A JSON object, not looked into any further than for its depth. */
export const jsonObject: Parser<Readonly<Record<string, unknown>>> = {
  allowed: 'a JSON object',
  parse: (text) => {
    try {
      const value: unknown = JSON.parse(text);
      if (!isWithin(value, MOST_LEVELS)) return { bad: text, why: `it has more than ${MOST_LEVELS} levels` };
      return isObject(value) ? { value } : { bad: text };
    } catch (error) {
      return { bad: text, why: error instanceof Error ? error.message : String(error) };
    }
  },
};

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => isWithin(member, levels - 1));
}

/** Whether a JSON value is an object, and neither a list nor null. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
