/** The Sensor double: `npm run sensor -- --help`. What it prints, one JSON object a line, is in sensor/events.ts. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { argumentsHelp, readArguments, type Arguments } from './sensor/arguments.js';
import { commandsHelp, runCommand } from './sensor/commands.js';
import { SensorDouble } from './sensor/double.js';
import { makeIdentities } from './sensor/identity.js';

const HELP = `Usage: npm run sensor -- [arguments]

A double of Sensor, which is no part of this project: it stands in for Sensor
when Collector is developed and tested, and is not for use in a cluster.
It takes the streams of collectors and prints one JSON line for each message,
and for each stream that opens or ends. The first line says where it listens:
{"listening":"127.0.0.1:43211"}. SIGTERM and SIGINT end it.

${argumentsHelp()}

Commands on standard input, one JSON object a line:
${commandsHelp()}
`;

try {
  const given = readArguments(process.argv.slice(2));
  if (given.help) process.stdout.write(HELP);
  else if (given.makeCerts !== undefined)
    await print({ certificates: await makeIdentities(given.makeCerts) });
  else await run(given);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function run({ address, tls, networks, publicIps, kernelObjects }: Arguments): Promise<void> {
  const stop = new AbortController();
  const exit = (): void => stop.abort();
  process.once('SIGTERM', exit).once('SIGINT', exit);
  // Nobody reads any more, as in `… | head`.
  process.stdout.on('error', exit);
  const lists = { ...(networks.length > 0 && { networks }), ...(publicIps.length > 0 && { publicIps }) };
  const double = await SensorDouble.start({
    address,
    ...(tls && { tls }),
    ...(Object.keys(lists).length > 0 && { control: lists }),
    ...(kernelObjects !== undefined && { kernelObjects }),
    // They have been printed.
    keep: 0,
    onEvent: print,
  });
  await print({ listening: double.address });
  // One after the other: refusing and accepting take a moment each.
  let obeyed = Promise.resolve();
  const commands = createInterface(process.stdin).on('line', (line) => {
    obeyed = obeyed
      .then(() => runCommand(line, { double, exit }))
      .catch((error: unknown) => console.error((error as Error).message));
  });
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  commands.close();
  process.stdin.destroy();
  await double.stop();
}

/** Resolves when there is room for more; undefined: there is. */
function print(line: object): Promise<void> | undefined {
  if (process.stdout.write(`${JSON.stringify(line)}\n`)) return undefined;
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}
