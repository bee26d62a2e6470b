/** The process for trying inputs, watched by another one: see supervisor.ts. */
import { Campaign, type CampaignResult } from './campaign.js';
import { Coverage } from './coverage.js';
import { readCorpus } from './corpus.js';
import { CurrentInput } from './current-input.js';
import type { TargetName } from './targets.js';

/** The work of one process. */
export interface Job {
  readonly targets: readonly TargetName[];
  readonly seed: number;
  /** For each target. */
  readonly executions: number | undefined;
  readonly milliseconds: number | undefined;
  readonly coverage: boolean;
  /** The file of the current input. */
  readonly file: string;
}

export type ChildMessage =
  | {
      readonly is: 'broken';
      readonly target: TargetName;
      readonly key: string;
      readonly message: string;
      readonly input: string;
    }
  | { readonly is: 'done'; readonly target: TargetName; readonly result: CampaignResult }
  /** It may be ended: servers of targets would keep it. */
  | { readonly is: 'over' };

// Nobody watches it any more.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
const job = JSON.parse(process.argv[2]!) as Job;
const current = new CurrentInput(job.file);
// Before the product is loaded: only then its functions are known.
const coverage = job.coverage ? new Coverage() : undefined;
coverage?.start();
const { targets } = await import('./targets.js');

for (const [number, name] of job.targets.entries()) {
  current.target = number;
  coverage?.forget();
  const campaign = new Campaign(targets[name], {
    seed: job.seed,
    executions: job.executions ?? Infinity,
    milliseconds: job.milliseconds ?? Infinity,
    coverage,
    corpus: readCorpus(name).map(({ bytes }) => bytes),
    current,
    onBroken: ({ key, message, input }) =>
      tell({ is: 'broken', target: name, key, message, input: input.toString('base64') }),
  });
  tell({ is: 'done', target: name, result: await campaign.run() });
}
current.close();
coverage?.stop();
tell({ is: 'over' });

function tell(message: ChildMessage): void {
  process.send!(message);
}
