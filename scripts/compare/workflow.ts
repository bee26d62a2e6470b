/**
 * Runs the steps of .github/workflows/benchmark.yml at a desk: `npx tsx scripts/compare/workflow.ts <job>
 * [--set=<expression>=<value>]…`. Needs root, as the steps do.
 *
 * Commands run as they stand there, in bash. Expressions of GitHub get the given values. Ready-made actions are left
 * out, and said to be: this machine has the checkout, Node and no place for artefacts. COMPARE_ARGUMENTS shortens the
 * measurement, COMPARE_REMOTE has the branch of the baseline, and a `gh` in PATH takes the comment.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { BadUsage, command } from '../command.js';
import { root } from '../checkout.js';

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Workflow {
  readonly env?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>>;
}

const file = path.join(root, '.github/workflows/benchmark.yml');

await command((words) => {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { set: { type: 'string', multiple: true } },
    allowPositionals: true,
  });
  const { env = {}, jobs } = parse(readFileSync(file, 'utf8')) as Workflow;
  const [name = ''] = positionals;
  const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined;
  if (job === undefined) throw new BadUsage(`Bad job '${name}' (allowed: ${Object.keys(jobs).join(', ')})`);
  const given = new Map(
    (values.set ?? []).map((text) => {
      const [, expression, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (expression === undefined || value === undefined)
        throw new BadUsage(`Bad value '${text}' for argument --set (allowed: <expression>=<value>)`);
      return [expression.trim(), value] as const;
    }),
  );
  return Promise.resolve(job.steps.every((step) => runStep(step, env, given)));
});

/** @returns whether it succeeded, or had nothing to run */
function runStep(
  { name, uses, run, env }: Step,
  common: Readonly<Record<string, string>>,
  given: ReadonlyMap<string, string>,
): boolean {
  if (run === undefined) {
    console.error(`left out: ${uses ?? name ?? 'a step without a command'}`);
    return true;
  }
  console.error(`step: ${name ?? run}`);
  const variables = Object.entries({ ...common, ...env }).map(([key, text]) => [key, filledIn(text, given)]);
  const { status } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run], {
    cwd: root,
    env: { ...process.env, ...(Object.fromEntries(variables) as Record<string, string>) },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) console.error(`This step ended with ${status}.`);
  return status === 0;
}

function filledIn(text: string, given: ReadonlyMap<string, string>): string {
  return text.replace(/\$\{\{\s*(.+?)\s*\}\}/g, (_, expression: string) => {
    const value = given.get(expression);
    if (value === undefined)
      throw new BadUsage(`Expression '${expression}' has no value: --set='${expression}=…'`);
    return value;
  });
}
