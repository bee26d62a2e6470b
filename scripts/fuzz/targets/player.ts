import { parseCommand } from '../../../actors/inspection/player.js';
import { ensureRefusal } from '../checks.js';
import { mutateBytes } from '../mutate-bytes.js';
import { mutateJson } from '../mutate-json.js';
import { ensure, type Target } from '../target.js';

/** A body has no more, bytes. */
const MOST_BODY = 1024;
const SEEDS = [
  '{"action":"play"}',
  '{"action":"seek","value":1700000000000}',
  '{"action":"speed","value":10}',
];

/** What the page of --inspect wishes for: any page may ask, if its reader lets it. */
export const playerTarget: Target = {
  holds: 'a wish is one of those known, or is refused with what is allowed',
  seeds: () => SEEDS.map((text) => Buffer.from(text)),
  mutate: (input, random, other) => {
    const text = input.toString();
    const made = random.oneIn(4) ? mutateBytes(input, random, other) : Buffer.from(mutateJson(text, random));
    return made.subarray(0, MOST_BODY);
  },
  open: () => ({
    run: (input) => {
      const command = parseCommand(input.toString());
      if ('error' in command) ensureRefusal(command.error, /allowed: /, 'a refusal');
      else ensure(!('value' in command) || Number.isFinite(command.value), () => 'a value is no number');
    },
  }),
};
