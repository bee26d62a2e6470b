/** What others on the node pay, with and without Collector: `npm run overhead -- --help`. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { command } from './command.js';
import type { Agent } from './overhead/agent.js';
import { installableAgent } from './overhead/agents.js';
import { CollectorAgent } from './overhead/agents/collector.js';
import { CommandAgent } from './overhead/agents/command.js';
import { HELP, readPlan, type Plan } from './overhead/arguments.js';
import { measureBill } from './overhead/bill.js';
import { Journal } from './overhead/journal.js';
import { render } from './overhead/report.js';
import { ownMachine, saveResult } from './results/result.js';

const dist = path.resolve(import.meta.dirname, '../dist');
const build = ['collector.js', 'collector.node'].map((file) => path.join(dist, file));
/** A change there may change the bill. */
const DESCRIBES = [
  'collector.ts',
  'native/bpf',
  'actors/capture',
  'actors/processes',
  'actors/connections',
  'actors/sensor',
  'scripts/overhead',
  'scripts/bench/load.c',
  'scripts/bench/pair.c',
];

await command(async (words) => {
  const plan = readPlan(words);
  if (plan.help) process.stdout.write(HELP);
  else await run(plan);
  return true;
});

async function run(plan: Plan): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('It loads BPF programs and makes cgroups: run it as root.');
  for (const file of build) if (!existsSync(file)) throw new Error(`${file} is missing: npm run build.`);
  const { seconds, warmUp } = plan;
  const { kernel, cpus, model, node } = ownMachine();
  const machine = { kernel, cpus, model, node };
  const journal = new Journal(plan.journal, { ...machine, build: digest(), seconds, warmUp });
  const stop = new AbortController();
  const interrupted = () => stop.abort(new Error('Interrupted.'));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const bill = await measureBill(plan, agentsOf(plan), journal, stop.signal);
  if (plan.save) saveResult('overhead', bill, DESCRIBES);
  console.log(plan.json ? JSON.stringify({ machine, ...bill }, null, 2) : render(bill));
}

function agentsOf({ agents, peers }: Plan): Agent[] {
  return [
    ...agents.map((name) => (name === 'collector' ? new CollectorAgent(build[0]!) : installableAgent(name))),
    ...peers.map((peer) => new CommandAgent({ ...peer, task: peer.command })),
  ];
}

function digest(): string {
  const hash = createHash('sha256');
  for (const file of build) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}
