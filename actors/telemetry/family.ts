import type { Metric, MetricType, Registry } from 'prom-client';

/** One value of a family, at the moment of a scrape. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  /** Of a summary: `count` or `sum` instead of a quantile. */
  readonly part?: 'count' | 'sum';
}

/** A metric with values kept elsewhere: each scrape reads them. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'summary';
  readonly read: () => readonly Sample[];
}

/** Adds families to a registry, through the one method of prom-client's metrics it needs: `get`. */
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
