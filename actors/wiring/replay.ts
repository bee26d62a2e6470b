import { concat, from, lastValueFrom, of } from 'rxjs';
import type { Fact } from '../capture/facts.js';
import { openRecording } from '../capture/replayer.js';
import { Slices } from '../capture/slices.js';
import { Printer } from '../output/actor.js';
import type { StandardOutput } from '../output/standard-output.js';
import type { RunContext } from './context.js';
import { Pipeline } from './pipeline.js';

/** Folds a recording to the output of its run, and warns if it has no end. @throws Failure */
export async function replay(file: string, { settings, log, output }: RunContext): Promise<void> {
  const recording = openRecording(file);
  const { start, facts } = recording;
  const state = { ...start.settings, format: settings.format ?? start.settings.format };
  const slices = new Slices();
  const all = concat(of(start), from(paced(facts, slices, output)));
  const printer = new Printer(output, state.format, log);
  const run = new Pipeline(state, slices, log).run(all, (updates) => printer.deliver(updates));
  await lastValueFrom(run, { defaultValue: undefined });
  if (!recording.hasEnd && !output.isBroken)
    log.warning(
      `The recording ${file} has no end: its run failed or was killed, its copy was cut, or an earlier version of Collector wrote ` +
        'it. All that it has is printed.',
    );
}

/** The facts, no faster than their output is read. Ends when nobody reads it any more. */
async function* paced(facts: Iterable<Fact>, slices: Slices, output: StandardOutput): AsyncGenerator<Fact> {
  for (const fact of facts) {
    yield fact;
    const work = slices.run();
    do {
      await output.room();
      if (output.isBroken) return;
    } while (work.next().done !== true);
  }
}
