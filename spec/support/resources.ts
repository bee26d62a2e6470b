import type { Resource } from '../../scripts/lab/resource.js';

export type { Resource } from '../../scripts/lab/resource.js';

/**
 * A keeper for the block of specs that calls this: what it is given is removed after the block's last test, the latest
 * first, whether tests failed or not.
 *
 *     const keep = resources();
 *     before(async () => { container = await keep(Container.create()); });
 */
export function resources(): <T extends Resource>(made: T | Promise<T>) => Promise<T> {
  const kept: Resource[] = [];
  after(async function () {
    this.timeout(60_000);
    const errors: unknown[] = [];
    for (const resource of kept.reverse()) {
      try {
        await resource.remove();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `Not removed: ${errors.map(String).join('; ')}`);
  });
  return async (made) => {
    const resource = await made;
    kept.push(resource);
    return resource;
  };
}
