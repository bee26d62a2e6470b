import { isAlias, isMap, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { closest } from './closest.js';
import { oneOf, wholeNumber, type Parser } from './parser.js';
import { shorten } from './shorten.js';
import type { Settings } from './table.js';

/** The settings changeable while Collector runs. */
export interface RuntimeConfig {
  /** Directions of connections with external peers reported by address: into containers, out of them, or both. */
  readonly externalIps: (typeof EXTERNAL_IPS)[number];
  /** New connections of one container reported in a minute, at most. */
  readonly maxConnectionsPerMinute: number;
}

export const EXTERNAL_IPS = ['none', 'ingress', 'egress', 'both'] as const;

/** The largest int32 of protobuf, the type it has in the C++ collector. */
export const MOST_CONNECTIONS_PER_MINUTE = 2_147_483_647;
/** The default of the C++ collector. */
const CONNECTIONS_PER_MINUTE = 2048;

/** Most unknown keys named in warnings, so that a file of something else fills no log. */
const MOST_NAMED = 10;

/**
 * Bounds for the nesting of a text, far beyond any need. The parser calls itself for each level, and on an exhausted
 * stack V8 can end the process (a regular expression it cannot compile) instead of throwing.
 */
const MOST_BRACKETS = 100;
const LONGEST_LINE = 500;

/** The keys of the file with their parsers. An object is a mapping. */
const keys = {
  networking: {
    externalIps: {
      enabled: oneOf('ENABLED', 'DISABLED'),
      direction: oneOf('INGRESS', 'EGRESS', 'BOTH'),
    },
    maxConnectionsPerMinute: wholeNumber(0, MOST_CONNECTIONS_PER_MINUTE),
  },
} as const;

type ValueParser = Parser<string | number>;

interface KeyTree {
  readonly [key: string]: ValueParser | KeyTree;
}

/** The configuration in force without a file: from the environment, and defaults. */
export function withoutFile({ externalIps }: Pick<Settings, 'externalIps'>): RuntimeConfig {
  return {
    externalIps: externalIps ? 'both' : 'none',
    maxConnectionsPerMinute: CONNECTIONS_PER_MINUTE,
  };
}

/** An unusable file; the message names the value, its position in the file and the allowed values. */
export class RuntimeConfigError extends Error {}

/**
 * Reads the text of a runtime configuration file.
 * @param without the configuration for keys missing or empty in the file
 * @returns the configuration, and a warning for each unknown key
 * @throws RuntimeConfigError
 */
export function parseRuntimeConfig(
  text: string,
  without: RuntimeConfig,
): { readonly config: RuntimeConfig; readonly warnings: readonly string[] } {
  const { values, unknown } = valuesIn(text);
  const enabled = values.get('networking.externalIps.enabled');
  const direction = values.get('networking.externalIps.direction') ?? 'BOTH';
  const limit = values.get('networking.maxConnectionsPerMinute');
  // A direction alone narrows external IPs turned on by the environment.
  const isEnabled = enabled === undefined ? without.externalIps !== 'none' : enabled === 'ENABLED';
  const externalIps = EXTERNAL_IPS.find((name) => name === String(direction).toLowerCase());
  const more = unknown.length - MOST_NAMED;
  return {
    config: {
      externalIps: isEnabled && externalIps !== undefined ? externalIps : 'none',
      maxConnectionsPerMinute: typeof limit === 'number' ? limit : without.maxConnectionsPerMinute,
    },
    warnings: [
      ...unknown.slice(0, MOST_NAMED),
      ...(more > 0 ? [`${more} more unknown keys are ignored`] : []),
    ],
  };
}

/** The values of the known keys by their paths, and a sentence for each unknown one. */
function valuesIn(text: string): { values: Map<string, string | number>; unknown: string[] } {
  const lines = new LineCounter();
  const document = parseYaml(text, lines);
  const values = new Map<string, string | number>();
  const unknown: string[] = [];
  const placeOf = (node: Node | null): string => {
    const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
    return `line ${line}, column ${col}`;
  };

  /** Follows an alias to its node; any other node is its own. */
  const target = (node: Node | null): Node | null => {
    if (!isAlias(node)) return node;
    const meant = node.resolve(document);
    if (meant === undefined)
      throw new RuntimeConfigError(`Nothing before *${node.source} at ${placeOf(node)} has that name`);
    return meant;
  };

  const visit = (node: Node | null, known: KeyTree, path: string): void => {
    const value = target(node);
    if (value === null || (isScalar(value) && value.value === null)) return;
    const of = path === '' ? '' : ` of ${path}`;
    if (!isMap<Node, Node | null>(value)) {
      throw new RuntimeConfigError(
        `Bad value '${sourceText(value)}'${of} at ${placeOf(node)} (allowed: a mapping with ${Object.keys(known).join(', ')})`,
      );
    }
    for (const { key, value: inner } of value.items) {
      const name = sourceText(target(key));
      const full = path === '' ? name : `${path}.${name}`;
      const reader = Object.hasOwn(known, name) ? known[name] : undefined;
      if (reader === undefined) {
        const meant = closest(name, Object.keys(known));
        const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
        unknown.push(`Unknown key '${full}' at ${placeOf(key)} is ignored${hint}`);
      } else if (!isParser(reader)) {
        visit(inner, reader, full);
      } else {
        const scalar = target(inner);
        if (scalar === null || (isScalar(scalar) && scalar.value === null)) continue;
        const result = isScalar(scalar) ? reader.parse(sourceText(scalar)) : { bad: sourceText(scalar) };
        if ('bad' in result) {
          throw new RuntimeConfigError(
            `Bad value '${result.bad}' of ${full} at ${placeOf(inner)} (allowed: ${reader.allowed})`,
          );
        }
        values.set(full, result.value);
      }
    }
  };
  visit(document.contents, keys, '');
  return { values, unknown };
}

/** @throws RuntimeConfigError if it may be nested too deep to parse safely */
function assertShallow(text: string): void {
  let brackets = 0;
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.length > LONGEST_LINE)
      throw new RuntimeConfigError(`Line ${index + 1} has more than ${LONGEST_LINE} characters`);
    if (/^\s*#/.test(line)) continue;
    brackets += line.replaceAll(/[^[{]/g, '').length;
    if (brackets > MOST_BRACKETS)
      throw new RuntimeConfigError(`Up to line ${index + 1} it has more than ${MOST_BRACKETS} brackets`);
  }
}

function parseYaml(text: string, lineCounter: LineCounter): Document.Parsed {
  assertShallow(text);
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter, prettyErrors: false });
  } catch (error) {
    // The parser is not ours, and a file must not end the run.
    throw new RuntimeConfigError(
      `It cannot be parsed: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const [error] = document.errors;
  if (error === undefined) return document;
  const { line, col } = lineCounter.linePos(error.pos[0]);
  throw new RuntimeConfigError(`It is not YAML at line ${line}, column ${col}: ${error.message}`);
}

/** Describes a node: the source text of a scalar, the type of anything else. */
function sourceText(node: Node | null): string {
  if (isScalar(node)) return shorten(node.source ?? String(node.value));
  return isMap(node) ? 'a mapping' : 'a list';
}

function isParser(reader: ValueParser | KeyTree): reader is ValueParser {
  return typeof reader['parse'] === 'function';
}
