import { isObject } from './parser.js';

/**
 * Flattens a COLLECTOR_CONFIG object to texts for parsers by key, an inner key as `outer.inner`. Null counts as not
 * given, since templates leave it behind. A list or an object as the value of a known key keeps its JSON as text, for
 * its parser to refuse.
 * @param known the keys of settings
 * @returns the values of known keys, and the unknown keys
 */
export function flattenConfig(
  config: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
): { readonly values: ReadonlyMap<string, string>; readonly unknown: readonly string[] } {
  const values = new Map<string, string>();
  const unknown: string[] = [];
  const outer = new Set(
    [...known].flatMap((key) => (key.includes('.') ? [key.slice(0, key.lastIndexOf('.'))] : [])),
  );

  const visit = (object: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, value] of Object.entries(object)) {
      const key = prefix + name;
      if (outer.has(key) && isObject(value)) visit(value, `${key}.`);
      else if (!known.has(key)) unknown.push(key);
      else if (value !== null) values.set(key, typeof value === 'string' ? value : JSON.stringify(value));
    }
  };
  visit(config, '');
  return { values, unknown };
}
