/** Faults of Collector's certificates. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { underLoad, type Expected, type Fault } from '../fault.js';

/** Life of a certificate to expire in the run, s: until Collector collects, and some more. */
const VALID_S = 20;
/** From its expiry to the next certificate, ms: a diagnosis takes up to 2 s. */
const EXPIRED_MS = 4000;

const renewed: Expected = {
  what: 'the new certificates',
  line: /TLS files have changed: connecting to Sensor with the new ones/,
};

export const certificateFaults: readonly Fault[] = [
  underLoad({
    name: 'certificates-rotated',
    title: 'certificates are rotated',
    seconds: { long: 30, short: 6 },
    expects: [renewed],
    prepare: (scene) => ({
      happen: async (last) => {
        await scene.certify();
        await last();
      },
    }),
  }),
  underLoad({
    name: 'certificates-expired',
    title: 'the certificate expires, streams break, and new ones come',
    seconds: { long: 40, short: 24 },
    scene: { validSeconds: VALID_S },
    expects: [
      {
        what: 'cause and remedy',
        line: /Sensor cannot be reached: TLS with Sensor .*expired on .*Issue the secret/,
      },
      renewed,
    ],
    prepare: (scene) => {
      const expiry = sleep(VALID_S * 1000);
      return {
        happen: async (last, life) => {
          const over = last();
          await expiry;
          scene.sensor.reset();
          await sleep(EXPIRED_MS);
          await scene.certify();
          await life.says(renewed.line);
          await over;
        },
      };
    },
  }),
  underLoad({
    name: 'certificates-unreadable',
    title: 'certificates get unreadable, and good again',
    seconds: { long: 20, short: 4 },
    expects: [
      { what: 'cause and remedy', line: /cannot be used: .*the files from before stay in use/ },
      renewed,
    ],
    prepare: (scene) => ({
      happen: async (last, life) => {
        writeFileSync(path.join(scene.certificates, 'key.pem'), 'no key');
        await life.says(/cannot be used/);
        await last();
        await scene.certify();
        await life.says(renewed.line);
      },
    }),
  }),
];
