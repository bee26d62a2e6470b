import { parseArgs, type ParseArgsConfig } from 'node:util';

/** A wrong argument of a script; the message names the value and its allowed forms. */
export class BadUsage extends Error {}

/**
 * Runs a script with its arguments. Its error is printed without a stack.
 * @param main returns whether all went well: the exit code is 0 then, else 1; BadUsage gives 2
 */
export async function command(main: (words: readonly string[]) => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = error instanceof BadUsage ? 2 : 1;
  }
}

/** As `parseArgs`. @throws BadUsage for words that are not allowed */
export function parseWords<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error });
  }
}
