import type { ContainerMetadata } from '../capture/facts.js';
import type { Refusal } from '../shares/refusals.js';
import { containerId } from './id.js';

/** The line of the log about a container that was refused more than its fair share. */
export function refusalLine({ of, container, count }: Refusal, metadata?: ContainerMetadata): string {
  return (
    `${containerLabel(container, metadata)} held more than its fair share of the room for ${of}, which got tight: ` +
    `${count} of its entries were refused so far, and those of others go on. This is said once.`
  );
}

function containerLabel(container: number, metadata: ContainerMetadata | undefined): string {
  if (container === 0) return 'The host';
  const id = containerId(container);
  if (metadata === undefined) return `Container ${id}`;
  const { namespace, pod, name } = metadata;
  return `Container ${id} (${[namespace, pod, name].filter(Boolean).join('/')})`;
}
