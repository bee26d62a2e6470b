/**
 * Compares Collector's cost and deliveries with another build or with earlier runs: `npm run compare -- --help`. Needs
 * root, gcc and the output of `npm run build`.
 *
 * Two containers work at a fixed rate: one starts 200 processes a second, the other listens at ports drawn from a Zipf
 * distribution, and connects to each. Collector runs beside them with a Sensor, and its processor time and memory are
 * read each second. A build may be cheaper since it sees less, so deliveries to Sensor are counted and compared too.
 */
import { table } from './bench/figures.js';
import { command } from './command.js';
import { HELP, readArguments, type Arguments } from './compare/arguments.js';
import { incomparable, readBaseline, updateBaseline } from './compare/baseline.js';
import { ownBuild, withBase } from './compare/builds.js';
import { comparePrograms } from './compare/programs.js';
import { proof, readRounds, realRounds } from './compare/proof.js';
import { render } from './compare/proof-report.js';
import { markdown, type Report } from './compare/report.js';
import { measureRounds } from './compare/rounds.js';
import { planOf, type Build, type Run } from './compare/run.js';
import { compareRuns } from './compare/verdict.js';
import { ownMachine, saveResult } from './results/result.js';

/** The code measured by the proof. */
const PROVED = ['scripts/compare', 'scripts/bench/steady.c'];

const stop = new AbortController();

await command(async (words) => {
  const given = readArguments(words);
  if (given.help) {
    process.stdout.write(HELP);
    return true;
  }
  if (process.getuid?.() !== 0) throw new Error('It loads BPF programs and makes cgroups: run it as root.');
  const interrupt = (): void => stop.abort(new Error('Interrupted.'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  if (given.prove) return prove(given);
  if (given.base === undefined) return print(await withBaseline(given), given);
  return withBase(given.base, stop.signal, async (base) =>
    given.programs ? programs(base) : print(await alternately(given, base), given),
  );
});

/** Measures this build alone, and compares it with the runs in a file. */
async function withBaseline(given: Arguments): Promise<Report> {
  const plan = planOf(given.seconds);
  const machine = ownMachine();
  const earlier = readBaseline(given.baseline);
  const build = ownBuild();
  const [runs = []] = await measureRounds([build], plan, given.rounds, stop.signal);
  const [comparable, strange] = [[] as Run[], new Map<string, number>()];
  for (const one of earlier) {
    const why = incomparable(one, machine, plan);
    if (why === undefined) comparable.push(one.run);
    else strange.set(why, (strange.get(why) ?? 0) + 1);
  }
  if (given.updateBaseline) {
    const date = new Date().toISOString();
    updateBaseline(
      given.baseline,
      runs.map((run) => ({ commit: build.name, date, machine, plan, run })),
    );
  }
  return {
    ...{ label: given.label, machine, plan },
    base: { name: 'baseline', runs: comparable },
    own: { name: build.name, runs },
    comparison: comparable.length === 0 ? undefined : compareRuns(comparable, runs),
    notes: [
      ...[...strange].map(([why, count]) => `Not compared: ${count} of the baseline's runs (${why}).`),
      ...(given.updateBaseline ? [`The baseline has ${runs.length} more of this build now.`] : []),
    ],
  };
}

/** Measures both builds in turn. */
async function alternately(given: Arguments, base: Build): Promise<Report> {
  const build = ownBuild();
  const plan = planOf(given.seconds);
  const [baseRuns = [], ownRuns = []] = await measureRounds([base, build], plan, given.rounds, stop.signal);
  return {
    ...{ label: given.label, machine: ownMachine(), plan },
    base: { name: base.name, runs: baseRuns },
    own: { name: build.name, runs: ownRuns },
    comparison: compareRuns(baseRuns, ownRuns),
    notes: [],
  };
}

/** Prints the result. @returns false if it is red and that is to fail */
function print(report: Report, { json, failOnRed }: Arguments): boolean {
  const text = markdown(report);
  console.log(json ? JSON.stringify({ ...report, markdown: text }) : text);
  return !failOnRed || report.comparison?.isRed !== true;
}

async function programs(base: Build): Promise<boolean> {
  console.log(table(await comparePrograms([base.bundle, ownBuild().bundle], stop.signal), ['base', 'this']));
  return true;
}

/** @returns whether no verdict about real pairs is wrong */
async function prove({ seconds, real, simulated, from, json, save }: Arguments): Promise<boolean> {
  const plan = planOf(seconds);
  const earlier = from.flatMap((file) => readRounds(file, plan));
  const rounds = [...earlier, ...(await realRounds(ownBuild(), plan, real, stop.signal))];
  if (rounds.length === 0)
    throw new Error('Without a real round there is no noise to simulate: --real=1 at least, or --from.');
  const data = proof(plan, rounds, simulated);
  if (save) saveResult('compare', data, PROVED);
  console.log(json ? JSON.stringify({ ...data, rounds }) : render(data));
  return data.rates.every(({ source, errors }) => source !== 'real' || errors === 0);
}
