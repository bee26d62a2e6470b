/**
 * The command to simulate a fleet of nodes and its Sensor: `npm run scale -- --fleet [--nodes=5000] [--seconds=60]
 * [--clients=40] [--larger=50000] [--quick] [--json] [--save]`. Takes some minutes; needs neither root nor a kernel.
 *
 * - Recordings are played on every node, shifted in time and addresses, through the real pipeline, encoder and queues.
 * - Sensor restarts, and the real machines of the streams come back, with jitter and without.
 * - Real clients come back to a real Sensor double, over TCP.
 *
 * `--save` writes docs/results/fleet.json and docs/images/fleet.svg.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { BadUsage, parseWords } from '../command.js';
import { fleet, type FleetOptions } from './fleet.js';
import { picture } from './picture.js';
import { render } from './report.js';
import { Progress } from '../progress.js';
import { root, saveResult } from '../results/result.js';

const DEFAULTS = { nodes: 5000, seconds: 60, clients: 40, larger: 50_000 };
/** Of a try: all kinds of nodes, and a report or two of each. */
const QUICK = { nodes: 100, seconds: 60, clients: 10, larger: 1000 };
const LEAST = { nodes: 100, seconds: 60, clients: 2, larger: 100 };
const MEASURED_CODE = [
  'actors/capture',
  'actors/connections',
  'actors/processes',
  'actors/sensor',
  'machines',
  'scripts/fleet',
];
const PROGRESS_MS = 5000;

/** Runs the command. @throws BadUsage */
export async function runFleet(words: readonly string[]): Promise<boolean> {
  const { sizes, isJson, isSaved } = readWords(words);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('Interrupted.')));
  const { seconds: measured, ...counts } = sizes;
  const data = await fleet({ ...counts, measured, signal: stop.signal, onProgress: progress() });
  if (isSaved) {
    saveResult('fleet', data, MEASURED_CODE);
    writeFileSync(path.join(root, 'docs/images/fleet.svg'), picture(data));
  }
  console.log(isJson ? JSON.stringify(data, null, 2) : render(data));
  return true;
}

/** @throws BadUsage */
function readWords(words: readonly string[]) {
  const { values } = parse(words);
  const defaults = values.quick === true ? QUICK : DEFAULTS;
  const read = (name: keyof typeof DEFAULTS): number => {
    const text = values[name];
    if (text === undefined) return defaults[name];
    const value = Number(text);
    if (Number.isInteger(value) && value >= LEAST[name]) return value;
    throw new BadUsage(`Bad value '${text}' of --${name} (allowed: whole numbers from ${LEAST[name]} on)`);
  };
  const sizes = {
    nodes: read('nodes'),
    seconds: read('seconds'),
    clients: read('clients'),
    larger: read('larger'),
  };
  return { sizes, isJson: values.json === true, isSaved: values.save === true };
}

function parse(words: readonly string[]) {
  return parseWords({
    args: [...words],
    options: {
      nodes: { type: 'string' },
      seconds: { type: 'string' },
      clients: { type: 'string' },
      larger: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      save: { type: 'boolean' },
    },
  });
}

/** Says on standard error how far the simulation is, and how long it will take. */
function progress(): FleetOptions['onProgress'] {
  const all = new Progress(1);
  let [before, shown] = [0, performance.now()];
  return (done) => {
    if (performance.now() - shown < PROGRESS_MS) return;
    all.done(done - before);
    [before, shown] = [done, performance.now()];
    all.begin(`${(done * 100).toFixed(0)} % of all nodes`);
  };
}
