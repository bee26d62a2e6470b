import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** Suites to name at the end, with their times. */
const SLOWEST = 15;

/**
 * Extends Mocha's Spec reporter: names the slowest suites at the end, hooks included, and keeps
 * `<passed> <failed> <skipped>` in the file named by TEST_COUNTS, for `.ci/run`. The file is written after every test,
 * and counts one failure more until the run ends: a dead mocha, or one ended by a test with status 0, leaves the passed
 * tests and a failure.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    reportSlowest(runner);
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

function reportSlowest(runner: Mocha.Runner): void {
  const { EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_RUN_END } = Mocha.Runner.constants;
  const starts = new Map<Mocha.Suite, number>();
  const times: { readonly title: string; readonly seconds: number }[] = [];
  runner.on(EVENT_SUITE_BEGIN, (suite) => {
    if (suite.parent?.root === true) starts.set(suite, performance.now());
  });
  runner.on(EVENT_SUITE_END, (suite) => {
    const start = starts.get(suite);
    if (start === undefined) return;
    times.push({ title: suite.title, seconds: Math.round((performance.now() - start) / 1000) });
  });
  runner.on(EVENT_RUN_END, () => {
    Mocha.reporters.Base.consoleLog('  Slowest suites:');
    const slowest = times.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
    for (const { title, seconds } of slowest)
      Mocha.reporters.Base.consoleLog(`  ${String(seconds).padStart(5)} s  ${title}`);
  });
}
