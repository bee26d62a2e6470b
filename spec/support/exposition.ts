/** Values of metrics, by name and labels as they are written. */
export type Samples = ReadonlyMap<string, number>;

/** Reads what `/metrics` shows. */
export function samplesIn(exposition: string): Samples {
  const samples = new Map<string, number>();
  for (const line of exposition.split('\n')) {
    const [, name, value] = /^([^#\s][^{\s]*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) samples.set(name, Number(value));
  }
  return samples;
}
