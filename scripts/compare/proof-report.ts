import type { ErrorRate, Kind, ProofData } from './proof.js';
import { RULE, table } from './report.js';
import type { Noise } from './simulation.js';

const titles: Readonly<Record<Kind, string>> = {
  same: 'the same build twice: red',
  cpu: '5 % of a core more: not red',
  memory: '15 MiB more: not red',
};

/** The proof as Markdown: error rates, and the noise behind them. */
export function render({ plan, model, rates }: ProofData): string {
  return [
    ...table([
      ['wrong verdict', 'pairs', 'errors', 'error rate, 95 % interval', 'difference'],
      ...rates.map(row),
    ]),
    '',
    `A pair has one run of each build: ${plan.seconds} s after ${plan.warmUp} s of warm-up. ${RULE}`,
    '',
    `Simulated pairs have the noise of the real runs, or 2 or 4 times as much. CPU: ${noise(model.cpu, '% of a core')}. ` +
      `Memory: ${noise(model.memory, 'MiB')}.`,
  ].join('\n');
}

function row({ kind, source, pairs, errors, interval, range }: ErrorRate): string[] {
  const unit = kind === 'memory' ? 'MiB' : '%';
  const name = source === 'real' ? 'real' : source === 1 ? 'simulated' : `simulated, noise × ${source}`;
  const [low, high] = interval.map((rate) => (rate * 100).toFixed(1));
  const [least, most] = range.map((value) => value.toFixed(1));
  return [
    `${titles[kind]} (${name})`,
    String(pairs),
    String(errors),
    `${pairs === 0 ? '–' : ((errors / pairs) * 100).toFixed(1)} % (${low}–${high} %)`,
    pairs === 0 ? '' : `${least} … ${most} ${unit}`,
  ];
}

function noise({ mean, betweenRuns, withinRun, autocorrelation }: Noise, unit: string): string {
  return (
    `${mean.toFixed(2)} ${unit}, with a standard deviation of ${betweenRuns.toFixed(2)} between runs and ` +
    `${withinRun.toFixed(2)} between the seconds of a run (correlation ${autocorrelation.toFixed(2)})`
  );
}
