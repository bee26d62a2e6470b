/** The command `collector` with a first word: it asks a running Collector. Without one, collector.ts is the daemon. */
import tab from '@bomb.sh/tab/commander';
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { printable } from '../telemetry/plain-text.js';
import { addBundle } from './bundle.js';
import { addFailures } from './failures.js';
import { addLists } from './lists.js';
import { addObserve } from './observe.js';
import { Problem } from './problem.js';
import { addRuns } from './runs.js';
import { addStatus } from './status.js';
import { Terminal } from './terminal.js';
import { addTop } from './top.js';

/** Could not be asked, or was asked wrongly. */
const NOT_ASKED = 2;

const OTHERS = 'Other commands:';

/** How the command ends: with an exit code, or as a run of the daemon with these arguments. */
export type Outcome = { readonly exit: number } | { readonly daemon: readonly string[] };

/** Runs the command. @param words the words after the program's name; the first one is a subcommand's */
export async function command(words: readonly string[]): Promise<Outcome> {
  const output = new Terminal(process.stdout);
  const errors = new Terminal(process.stderr);
  const notice = (text: string) => errors.line(`collector: ${printable(text)}`);
  let outcome: Outcome = { exit: 0 };
  const program = new Command('collector');
  program
    .description(
      'Asks the Collector that runs on this node. Without a command it is Collector itself: see --help.',
    )
    .version(manifest.version)
    .addHelpCommand(
      new Command('help').argument('[command]').description('help for a command').helpGroup(OTHERS),
    )
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ showGlobalOptions: false, helpWidth: output.width ?? 100 })
    .configureOutput({
      writeOut: (text) => output.write(text),
      outputError: (text) => errors.write(text.replace(/^error: /, 'collector: ')),
    });
  program.commandsGroup('Ask the node:');
  addObserve(program, output, notice);
  addLists(program, output);
  addTop(program, output);
  program.commandsGroup('Ask Collector about itself:');
  addStatus(program, output, (exit) => (outcome = { exit }));
  addFailures(program, output);
  addBundle(program, output, notice);
  program.commandsGroup('Runs of their own:');
  addRuns(program, (daemon) => (outcome = { daemon }));
  program.commandsGroup(OTHERS);
  program.addHelpText(
    'after',
    '\nExit codes: 0 asked and well, 1 not well, 2 not asked or asked wrongly.\n\nExamples:\n' +
      '  # What starts in a namespace now\n  $ collector observe --follow --namespace=shop --event=exec\n' +
      '  # Who listens on a port, and since when\n  $ collector listening --port=8080',
  );
  tab(program);
  try {
    await Promise.race([program.parseAsync(words, { from: 'user' }), output.broken]);
    return outcome;
  } catch (error) {
    if (error instanceof CommanderError) return { exit: error.exitCode === 0 ? 0 : NOT_ASKED };
    if (!(error instanceof Problem)) throw error;
    notice(error.message);
    return { exit: NOT_ASKED };
  }
}
