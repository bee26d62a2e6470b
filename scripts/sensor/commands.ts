import type { ControlLists } from './control.js';
import type { SensorDouble, StreamName } from './double.js';

const streams: Readonly<Record<string, readonly StreamName[]>> = {
  signals: ['signals'],
  network: ['network'],
  both: ['signals', 'network'],
};

/** What each command does with its value. */
const commands: Readonly<Record<string, (double: SensorDouble, value: unknown) => void | Promise<void>>> = {
  control: (double, value) => double.control(value as ControlLists),
  raw: (double, value) => double.send(Buffer.from(String(value), 'base64')),
  stall: (double, value) => double.stall(...named(value)),
  resume: (double, value) => double.resume(...named(value)),
  hangup: (double, value) => double.hangUp(...named(value)),
  reset: (double) => double.reset(),
  refuse: (double, value) => (value === false ? double.accept() : double.refuse()),
  unimplemented: (double, value) => {
    double.unimplemented = value !== false;
  },
  exit: () => undefined,
};

/**
 * Obeys one command: a JSON object with one key, as the help lists them.
 * @returns whether the double goes on
 * @throws Error that names what is wrong and what is allowed
 */
export async function obey(double: SensorDouble, line: string): Promise<boolean> {
  const [name = '', value] = Object.entries(parsed(line))[0] ?? [];
  const command = commands[name];
  if (command === undefined)
    throw new Error(`Unknown command '${name}' (allowed: ${Object.keys(commands).join(', ')})`);
  await command(double, value);
  return name !== 'exit';
}

function parsed(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw new Error(`'${line.slice(0, 100)}' is no command (allowed: a JSON object with one key)`);
}

function named(value: unknown): readonly StreamName[] {
  const found = streams[String(value)];
  if (found === undefined)
    throw new Error(`Unknown streams '${String(value)}' (allowed: ${Object.keys(streams).join(', ')})`);
  return found;
}
