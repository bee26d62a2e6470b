/**
 * The arguments of the daemon. A first word without dashes is a command's: it runs here, before the code of the daemon,
 * imported after this file, takes its time. Most commands end the process.
 */
export const daemonArguments = await argumentsOf(process.argv.slice(2));

async function argumentsOf(words: readonly string[]): Promise<readonly string[]> {
  if (words[0] === undefined || words[0].startsWith('-')) return words;
  const { command } = await import('./main.js');
  const outcome = await command(words);
  return 'daemon' in outcome ? outcome.daemon : process.exit(outcome.exit);
}
