/** The phases of a run, and the steps that the event loop does in one of them: `''` is none of these. */
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
export type Step = (typeof steps)[number];

/** What the event loop is doing now, in memory that a watchdog's thread can read while the loop stands still. */
export class Activity {
  /** Numbers of the phase and of the step. */
  readonly cell = new Uint8Array(2);

  set phase(name: ActivityPhase) {
    this.cell[0] = phases.indexOf(name);
  }

  set step(name: Step) {
    this.cell[1] = steps.indexOf(name);
  }
}
