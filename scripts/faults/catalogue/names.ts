/** Faults of the name service. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { underLoad, type Fault, type Happening } from '../fault.js';
import type { Scene, StartOptions } from '../scene.js';

const NAME = 'sensor.faults.test';

/** Names as one Collector alone sees them, by files mounted over the node's own. */
class Names {
  readonly start: StartOptions;
  readonly #hosts: string;

  constructor({ folder, sensor }: Scene) {
    this.#hosts = path.join(folder, 'hosts');
    const resolver = path.join(folder, 'resolv.conf');
    this.set(true);
    // Nobody answers there.
    writeFileSync(resolver, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
    const script = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
    this.start = {
      server: `${NAME}:${sensor.address.split(':')[1]}`,
      through: ['unshare', '--mount', 'sh', '-c', script, this.#hosts, resolver],
    };
  }

  /** Whether Sensor's name has an address. In place, since the file is mounted. */
  set(isKnown: boolean): void {
    writeFileSync(this.#hosts, `127.0.0.1 localhost\n${isKnown ? `127.0.0.1 ${NAME}\n` : ''}`);
  }
}

const unknown = {
  what: 'cause and remedy',
  line: new RegExp(`${NAME} does not resolve.*Check that the service exists`),
};

export const nameFaults: readonly Fault[] = [
  underLoad({
    name: 'dns-gone-at-start',
    title: 'DNS is gone at the start',
    seconds: { long: 15, short: 4 },
    unwatched: 1,
    expects: [unknown],
    prepare: (scene) => gone(scene, true),
  }),
  underLoad({
    name: 'dns-gone',
    title: 'DNS goes, and Sensor’s pod moves',
    seconds: { long: 30, short: 4 },
    expects: [unknown],
    prepare: (scene) => gone(scene, false),
  }),
];

function gone(scene: Scene, isEarly: boolean): Happening {
  const names = new Names(scene);
  if (isEarly) names.set(false);
  return {
    start: names.start,
    isEarly,
    happen: async (last) => {
      names.set(false);
      if (!isEarly) await scene.sensor.refuse();
      await last();
      names.set(true);
      await scene.sensor.accept();
    },
  };
}
