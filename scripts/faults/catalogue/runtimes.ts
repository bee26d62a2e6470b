/** Faults of the container runtime. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { FakeRuntime, ForeignServer } from '../../lab/fake-runtime.js';
import type { Resource } from '../../lab/resource.js';
import { underLoad, type Expected, type Fault, type Happening } from '../fault.js';
import type { Scene } from '../scene.js';

const MANY = 10_000;

const mute: Expected = {
  what: 'the reason, and when it asks again',
  line: /Container runtime at .* does not tell the names of its containers \(.*asked again in/,
};

export const runtimeFaults: readonly Fault[] = [
  underLoad({
    name: 'cri-hangs',
    title: 'the container runtime hangs',
    seconds: { long: 30, short: 7 },
    expects: [mute],
    prepare: (scene) => asking(scene, (socket) => ForeignServer.start(socket, '')),
  }),
  underLoad({
    name: 'cri-garbage',
    title: 'the container runtime answers with garbage',
    seconds: { long: 20, short: 3 },
    expects: [mute],
    prepare: (scene) => asking(scene, (socket) => FakeRuntime.start(socket, { babbles: true })),
  }),
  underLoad({
    name: 'cri-10000',
    title: 'the container runtime has 10,000 containers',
    seconds: { long: 40, short: 3 },
    expects: [
      { what: 'the runtime', line: /Container runtime containerd .* tells the names of its containers/ },
    ],
    prepare: (scene) =>
      asking(scene, async (socket) => {
        const fake = await FakeRuntime.start(socket);
        for (let n = 0; n < MANY; n++) fake.add(`pod-${n}`, randomBytes(32).toString('hex'));
        return fake;
      }),
  }),
];

/** Lets Collector ask a runtime, there before it. */
async function asking(scene: Scene, start: (socket: string) => Promise<Resource>): Promise<Happening> {
  const socket = path.join(scene.folder, 'runtime.sock');
  scene.keep(await start(socket));
  const env = { ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true', ROX_COLLECTOR_RUNTIME_SOCKETS: socket };
  return { start: { env }, happen: (last) => last() };
}
