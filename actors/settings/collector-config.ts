import { isObject } from './parser.js';

/**
 * The values of a COLLECTOR_CONFIG object by key, an inner key as `outer.inner`, each as the text that a parser reads.
 * Null counts as not given, since that is what templates leave behind. A known key whose value is no plain one keeps
 * its JSON as text, which its parser then refuses.
 * @param known the keys that mean something
 * @returns the values of known keys, and the keys that mean nothing
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
