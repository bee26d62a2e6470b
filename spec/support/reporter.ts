import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/**
 * Mocha's Spec reporter that also keeps `<passed> <failed> <skipped>` in the file named by TEST_COUNTS, for `.ci/run`.
 * The file is written after every test and counts one failure more until the run ends, so that a mocha that dies, or
 * that a test ends with status 0, leaves what had passed and a failure.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const file = process.env['TEST_COUNTS'];
    if (!file) return;

    const write = (unfinished: number): void => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(file, `${passes} ${failures + unfinished} ${pending}\n`);
    };
    const { EVENT_TEST_END, EVENT_RUN_END } = Mocha.Runner.constants;
    runner.on(EVENT_TEST_END, () => write(1));
    runner.on(EVENT_RUN_END, () => write(0));
  }
}
