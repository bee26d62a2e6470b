import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';

const CONTAINER = /"containerId":"([\da-f]{12})"/;

/** Counts the process signals of a Collector's standard output (JSON, a message a line), by container. */
export class SignalCounts {
  readonly containers = new Map<string, number>();
  signals = 0;

  /** @param isOurs whether a container's signals count */
  constructor(output: Readable, isOurs: (container: string) => boolean) {
    createInterface(output).on('line', (line) => {
      const [, container = ''] = (line.startsWith('{"signal"') && CONTAINER.exec(line)) || [];
      if (!isOurs(container)) return;
      this.containers.set(container, (this.containers.get(container) ?? 0) + 1);
      this.signals++;
    });
  }
}
