import { HOSTILE } from './mutate-text.js';
import type { Random } from './random.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const NUMBERS = [0, -1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 32, 2 ** 53, 1e21, 8.64e21];
/** Too many levels for JSON.stringify and most recursive code. */
const DEEP = 20_000;

/** Changes members of a JSON text; any other text, and one too deep, begins with `{}`. */
export function mutateJson(text: string, random: Random): string {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
    JSON.stringify(value);
  } catch {
    value = {};
  }
  for (let left = random.size(3); left > 0; left--) value = changed(value, random);
  const made = JSON.stringify(value);
  // No serialiser writes these: a number beyond all, and nesting beyond all.
  if (random.oneIn(12)) return made.replace(/\d+/, '1e999');
  if (random.oneIn(24)) return made.replace(/:("[^"]*"|\d+)/, `:${'['.repeat(DEEP)}${']'.repeat(DEEP)}`);
  return made;
}

function changed(value: Json, random: Random): Json {
  if (typeof value !== 'object' || value === null || random.oneIn(12)) return some(random);
  if (Array.isArray(value)) {
    const list = [...value];
    const at = random.below(list.length);
    const action = random.below(4);
    if (action === 0) list.splice(at, 1);
    else if (action === 1) list.splice(at, 0, some(random));
    else if (action === 2 && list.length > 0) list.push(list[at]!);
    else if (list.length > 0) list[at] = changed(list[at]!, random);
    return list;
  }
  const members = Object.entries(value);
  const at = random.below(members.length);
  const action = random.below(6);
  if (action === 0) members.splice(at, 1);
  else if (action === 1) members.push([random.pick(HOSTILE), some(random)]);
  else if (action === 2 && members.length > 0) members[at] = [members[at]![0], some(random)];
  else if (members.length > 0) members[at] = [members[at]![0], changed(members[at]![1], random)];
  // Makes own members, `__proto__` among them.
  return Object.fromEntries(members);
}

function some(random: Random): Json {
  switch (random.below(8)) {
    case 0:
      return null;
    case 1:
      return random.oneIn(2);
    case 2:
      return random.pick(NUMBERS);
    case 3:
      return [];
    case 4:
      return {};
    case 5:
      return { [random.pick(HOSTILE)]: random.pick(HOSTILE) };
    default:
      return random.pick(HOSTILE);
  }
}
