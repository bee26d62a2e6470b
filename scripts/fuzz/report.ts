import type { CampaignResult } from './campaign.js';

/** One line about a target: what held, how often and how fast it was tried, and how much of the code ran. */
export function summaryLine(target: string, holds: string, result: CampaignResult): string {
  const { executions, milliseconds, kept, coverage } = result;
  const rate = Math.round(executions / Math.max(milliseconds / 1000, 0.001));
  const ran =
    coverage === undefined
      ? ''
      : `, ${Math.round((coverage.ran / coverage.of) * 100)} % of the code in ${Object.keys(coverage.files).length} files`;
  return `${target.padEnd(15)} ${executions} inputs, ${rate}/s, ${kept} kept${ran}: ${holds}`;
}

/** Coverage of each file that ran, the least covered first. */
export function coverageLines({ coverage }: CampaignResult): string[] {
  return Object.entries(coverage?.files ?? {})
    .map(([file, [ran, of]]) => ({ file, part: ran / of }))
    .sort((one, other) => one.part - other.part)
    .map(({ file, part }) => `  ${(part * 100).toFixed(0).padStart(3)} % ${file}`);
}
