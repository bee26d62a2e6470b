import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ContainersFact } from '../../../actors/capture/facts.js';
import { RecordType } from '../../../actors/capture/layout.js';
import { RuntimeClient } from '../../../actors/containers/cri/client.js';
import { containerId } from '../../../actors/containers/id.js';
import { runtime } from '../../../proto/generated/messages.js';
import { ensureRefusal, ensureUnicode } from '../checks.js';
import { mutateProtobuf } from '../mutate-protobuf.js';
import { FuzzedNode } from '../node.js';
import { joined, partsOf } from '../parts.js';
import { recordBatches, recordsOf, someStart } from '../recordings.js';
import { RuntimeDouble } from '../runtime-double.js';
import { ensure, type Target } from '../target.js';

const ANSWER_MS = 20_000;
const LONGEST_TEXT = 512;
const MOST_LABELS = 64;
const NS_PER_SECOND = 1e9;
const { v1 } = runtime;

/** A container runtime, whose answers have texts of pods, images and labels: users choose them. */
export const criTarget: Target = {
  holds: "a runtime's answers are bounded names, or one line with the reason",
  seeds: () => [seed()],
  mutate: (input, random, other) => {
    const [answers, others] = [partsOf(input), partsOf(other)];
    const at = random.below(answers.length);
    if (answers[at] !== undefined) answers[at] = mutateProtobuf(answers[at], random, others[at] ?? input);
    return joined(answers);
  },
  open: async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'collector-fuzz-cri-'));
    const socket = path.join(folder, 'runtime.sock');
    const double = await RuntimeDouble.start(socket);
    const start = someStart();
    const { bytes } = containerBatch();
    let node = new FuzzedNode(start);
    let runs = 0;
    return {
      run: async (input) => {
        if (++runs % 64 === 0) node = new FuzzedNode(start);
        double.answers = partsOf(input);
        const updated = await ask(socket);
        if (updated === undefined) return;
        const time = start.time + runs * NS_PER_SECOND;
        node.fold({ kind: 'containers', time, updated, removed: [] });
        node.fold({ kind: 'records', time, records: recordsOf(bytes) });
        node.ensureViews();
      },
      close: () => {
        double.stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

/** @returns undefined if the runtime's answers are no messages */
async function ask(socket: string): Promise<ContainersFact['updated'] | undefined> {
  // Images are remembered by the client: each input has its own.
  const client = new RuntimeClient(socket, ANSWER_MS);
  try {
    const { name, version } = await client.version();
    ensure(typeof name === 'string' && typeof version === 'string', () => 'no texts');
    const list = await client.list();
    for (const [id, metadata] of list) {
      ensure(/^[0-9a-f]{12}$/.test(id) && metadata.id === id, () => `the id ${id}`);
      const { labels, ...texts } = metadata;
      ensure(Object.keys(labels).length <= MOST_LABELS, () => 'too many labels');
      for (const text of [...Object.values(texts), ...Object.entries(labels).flat()]) {
        ensure(typeof text === 'string' && text.length <= LONGEST_TEXT, () => 'a text is not bounded');
        ensureUnicode(text, 'a text');
      }
    }
    return [...list.values()];
  } catch (error) {
    const { message } = error as Error;
    ensureRefusal(message, /^(RuntimeService|ImageService)\/\w+: ./, `a reason of ${(error as Error).name}`);
    return undefined;
  } finally {
    client.close();
  }
}

/** Records of containers: their names come from the input. */
function containerBatch() {
  return recordBatches().find(({ of, bytes }) => {
    const records = recordsOf(bytes);
    return of.kind === 'records' && records.type(0) === RecordType.exec && records.container(0) !== 0;
  })!;
}

function seed(): Buffer {
  const records = recordsOf(containerBatch().bytes);
  const id = containerId(records.container(0)).padEnd(64, '0');
  const podSandboxId = id.replace(/^./, 'f');
  const imageRef = `sha256:${'a'.repeat(64)}`;
  const digest = `registry.example/web@sha256:${'b'.repeat(64)}`;
  return joined(
    [
      v1.VersionResponse.encode({ runtimeName: 'containerd', runtimeVersion: 'v2.0.1' }),
      v1.ListContainersResponse.encode({
        containers: [
          {
            id,
            podSandboxId,
            metadata: { name: 'main' },
            image: { image: imageRef, userSpecifiedImage: 'registry.example/web:1' },
            imageRef,
            labels: { 'io.kubernetes.container.name': 'main', app: 'web' },
          },
        ],
      }),
      v1.ListPodSandboxResponse.encode({
        items: [
          {
            id: podSandboxId,
            metadata: { name: 'web-0', namespace: 'shop', uid: 'u' },
            labels: { app: 'web' },
          },
        ],
      }),
      v1.ListImagesResponse.encode({
        images: [{ id: imageRef, repoTags: ['registry.example/web:1'], repoDigests: [digest] }],
      }),
    ].map((message) => Buffer.from(message.finish())),
  );
}
