/** The phases of a run, and the steps of the event loop in a phase; `''`: between steps. */
export const phases = [
  'start',
  'connect-sensor',
  'find-driver',
  'download',
  'load',
  'collect',
  'end',
] as const;
export const steps = [
  '',
  'scan of processes',
  'scan of sockets',
  'start',
  'records',
  'scan',
  'control',
  'config',
  'containers',
  'clock',
  'tick',
] as const;

export type ActivityPhase = (typeof phases)[number];
export type LoopStep = (typeof steps)[number];

/** The phase and step of the event loop, in memory for a watchdog's thread to read while the loop stands still. */
export class Activity {
  /** Numbers of the phase and of the step. */
  readonly cell = new Uint8Array(2);

  set phase(name: ActivityPhase) {
    this.cell[0] = phases.indexOf(name);
  }

  set step(name: LoopStep) {
    this.cell[1] = steps.indexOf(name);
  }
}
