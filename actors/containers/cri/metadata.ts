/** Turns a runtime's answers into metadata of ours: bounded, and nothing taken for granted. */
import type { runtime } from '../../../proto/generated/messages.js';
import type { ContainerMetadata } from '../../capture/facts.js';
import { startOf } from '../../telemetry/plain-text.js';

type Pod = runtime.v1.PodSandbox.$Properties;
type Container = runtime.v1.Container.$Properties;
type Image = runtime.v1.Image.$Properties;
type Labels = Record<string, string> | null | undefined;

const SHORT_ID = 12;
/** Longer than any name, tag or label in Kubernetes can be. */
const LONGEST_TEXT = 512;
const MOST_LABELS = 64;

/** The id in Collector's form, if it is a container's: 64 hexadecimal digits. */
export function shortId(id: string | null | undefined): string | undefined {
  return /^[0-9a-f]{64}$/.test(id ?? '') ? id!.slice(0, SHORT_ID) : undefined;
}

/** @param id the short one */
export function sandboxMetadata(id: string, { metadata, labels }: Pod): ContainerMetadata {
  return {
    id,
    namespace: boundedText(metadata?.namespace),
    pod: boundedText(metadata?.name),
    podUid: boundedText(metadata?.uid),
    name: '',
    image: '',
    imageDigest: '',
    labels: boundedLabels(labels),
  };
}

/**
 * @param id the short one
 * @param pod its sandbox; undefined if the runtime no longer has it
 */
export function containerMetadata(
  id: string,
  { metadata, image, imageRef, labels }: Container,
  pod: Pod | undefined,
  images: ImageNames,
): ContainerMetadata {
  const known = images.get(imageRef);
  const given = boundedText(image?.userSpecifiedImage) || boundedText(image?.image);
  // A kubelet asks for an image by its id, of no use to a person.
  const isName = given !== '' && !given.startsWith('sha256:') && !/^[0-9a-f]{64}$/.test(given);
  return {
    ...sandboxMetadata(id, pod ?? {}),
    name: boundedText(metadata?.name),
    image: isName ? given : (known?.name ?? given),
    imageDigest: known?.digest || digestIn(boundedText(imageRef)) || digestIn(given),
    labels: boundedLabels({ ...pod?.labels, ...labels }),
  };
}

/** Names of a runtime's images, by the references of containers. */
export class ImageNames {
  #names: ReadonlyMap<string, { readonly name: string; readonly digest: string }> = new Map();

  /** Whether one of these containers has an image missing when images were last learned. */
  lacksAny(containers: readonly Container[]): boolean {
    return containers.some(({ imageRef }) => !this.#names.has(imageRef ?? ''));
  }

  /** Takes the runtime's images, and keeps the names of images in use. A removed image has no name. */
  learn(images: readonly Image[], containers: readonly Container[]): void {
    const all = new Map<string, Image>();
    for (const image of images) {
      for (const key of [image.id, ...(image.repoDigests ?? [])]) if (key) all.set(key, image);
    }
    this.#names = new Map(
      containers.map(({ imageRef }) => {
        const { repoTags, repoDigests } = all.get(imageRef ?? '') ?? {};
        const [digest = ''] = repoDigests ?? [];
        return [
          imageRef ?? '',
          { name: boundedText(repoTags?.[0] ?? digest), digest: digestIn(boundedText(digest)) },
        ];
      }),
    );
  }

  get(imageRef: string | null | undefined): { readonly name: string; readonly digest: string } | undefined {
    return this.#names.get(imageRef ?? '');
  }
}

/** Of `name@digest`. */
function digestIn(reference: string): string {
  return /@(sha256:[0-9a-f]{64})$/.exec(reference)?.[1] ?? '';
}

function boundedText(value: string | null | undefined): string {
  return startOf(value ?? '', LONGEST_TEXT);
}

function boundedLabels(labels: Labels): Record<string, string> {
  const some = Object.entries(labels ?? {}).slice(0, MOST_LABELS);
  return Object.fromEntries(some.map(([key, value]) => [boundedText(key), boundedText(value)]));
}
