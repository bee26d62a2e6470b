import type { Command } from 'commander';
import { addExamples } from './options.js';

/** Settings that keep a second Collector on a node from speaking for the first one. */
const STANDALONE = '--grpc-server=';

/**
 * Adds `check`, `record` and `replay`: runs of the daemon's own code, by other words for its arguments.
 * @param run takes the daemon's arguments
 */
export function addRuns(program: Command, run: (words: readonly string[]) => void): void {
  const settings = 'arguments of the daemon, such as --format=compact';
  const check = program
    .command('check')
    .summary('whether Collector could run here: Sensor, driver, host')
    .description(
      'Connects to Sensor, finds the driver, checks the host and loads the driver, as --check does.',
    )
    .argument('[settings...]', settings)
    .passThroughOptions()
    .allowUnknownOption()
    .action((words: readonly string[]) => run(['--check', ...words]));
  addExamples(check, [
    ['check', 'with the settings of the environment, as the daemon beside it has them'],
    ['check --grpc-server=sensor.stackrox.svc:443', 'with another Sensor'],
  ]);
  const record = program
    .command('record')
    .summary('a run that writes all it sees to a file, for replay')
    .description(
      'Runs a Collector that writes everything that enters to a file, as --record does; without a Sensor.',
    )
    .argument('<file>', 'the recording to write')
    .argument('[settings...]', settings)
    .passThroughOptions()
    .allowUnknownOption()
    .action((file: string, words: readonly string[]) => run([STANDALONE, `--record=${file}`, ...words]));
  addExamples(record, [
    ['record /tmp/run.collector --format=compact', 'until Ctrl-C, with its events on the terminal'],
    ['record /tmp/run.collector >/dev/null', 'the recording alone'],
  ]);
  const replay = program
    .command('replay')
    .summary('what a recorded run gave, again')
    .description('Reads a recording instead of the kernel, as --replay does.')
    .argument('<file>', 'the recording')
    .argument('[settings...]', settings)
    .passThroughOptions()
    .allowUnknownOption()
    .action((file: string, words: readonly string[]) => run([STANDALONE, `--replay=${file}`, ...words]));
  addExamples(replay, [
    ['replay run.collector --format=compact', 'a line an event, for people'],
    ['replay run.collector >run.jsonl', 'the messages that Sensor would have got'],
  ]);
}
