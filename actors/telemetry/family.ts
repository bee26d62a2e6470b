import type { Metric, MetricType, Registry } from 'prom-client';

/** One value of a family, at the moment of a scrape. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  /** Of a summary: `count` or `sum` instead of a quantile. */
  readonly part?: 'count' | 'sum';
}

/** Values that somebody else keeps: they are asked for at each scrape. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'summary';
  readonly read: () => readonly Sample[];
}

/** Adds families to what a registry shows; it asks them for no more than prom-client's own metrics offer in `get`. */
export function register(registry: Registry, families: readonly Family[]): void {
  for (const { name, help, type, read } of families) {
    const get = () => ({
      name,
      help,
      type: type as unknown as MetricType,
      aggregator: 'sum',
      values: read().map(({ value, labels = {}, part }) => ({
        value,
        labels,
        ...(part !== undefined && { metricName: `${name}_${part}` }),
      })),
    });
    registry.registerMetric({ name, get } as unknown as Metric);
  }
}
