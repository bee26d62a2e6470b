import { certificateFaults } from './catalogue/certificates.js';
import { clockFaults } from './catalogue/clocks.js';
import { lifeFaults } from './catalogue/lives.js';
import { nameFaults } from './catalogue/names.js';
import { nodeFaults } from './catalogue/node.js';
import { runtimeFaults } from './catalogue/runtimes.js';
import { sensorFaults } from './catalogue/sensor.js';
import type { Fault } from './fault.js';

/** Every fault, in the order of the table. */
export const faults: readonly Fault[] = [
  ...sensorFaults,
  ...nameFaults,
  ...certificateFaults,
  ...nodeFaults,
  ...runtimeFaults,
  ...clockFaults,
  ...lifeFaults,
];
