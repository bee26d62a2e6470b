import type { Command } from 'commander';
import { closest } from '../settings/closest.js';
import { wrap } from '../settings/help.js';
import { Failure, type FailureCode } from '../telemetry/failures.js';
import { failureExamples, places } from './failure-examples.js';
import { addExamples } from './options.js';
import type { Terminal } from './terminal.js';

const USUAL_WIDTH = 80;
const INDENT = '  ';
const LEAST_TEXT = 20;

/** Adds `failures`: the catalogue, without asking anybody. */
export function addFailures(program: Command, output: Terminal): void {
  const command: Command = program
    .command('failures')
    .summary('the catalogue of failures: cause, remedy, where each is said')
    .description('Shows every failure that Collector can stop with, or one by its code. It asks nobody.')
    .argument('[code]', 'such as SENSOR_TLS');
  addExamples(command, [
    ['failures', 'all codes, each with its cause'],
    ['failures SENSOR_TLS', 'one of them, with its remedy and where it is said'],
  ]);
  command.action((given: string | undefined) => {
    const width = Math.max(output.width ?? USUAL_WIDTH, LEAST_TEXT);
    const codes = Object.keys(failureExamples) as FailureCode[];
    if (given === undefined) {
      for (const code of codes)
        output.line([code, ...wrap(failureOf(code).message, INDENT, width)].join('\n'));
      return;
    }
    const code = codes.find((one) => one === given.toUpperCase().replaceAll('-', '_'));
    if (code === undefined) {
      const near = closest(given.toUpperCase(), codes);
      command.error(
        `error: there is no failure '${given}'${near === undefined ? "; 'collector failures' lists them" : ` (Did you mean ${near}?)`}`,
      );
    }
    const { message, remedy } = failureOf(code);
    const parts = { Cause: message, Remedy: remedy, 'Where it is said': places[failureExamples[code].said] };
    for (const [label, text] of Object.entries(parts))
      output.line([`${label}:`, ...wrap(text, INDENT, width)].join('\n'));
  });
}

function failureOf(code: FailureCode): Failure {
  return new Failure(code, failureExamples[code].parameters);
}
