/**
 * What the existing product can be told and this one cannot yet: setting one of these is answered with a warning.
 * Whoever adds such a setting to the table takes it out here.
 */
export const unsupported: {
  readonly environment: readonly string[];
  /** Keys of COLLECTOR_CONFIG, the inner ones after a dot. */
  readonly keys: readonly string[];
} = {
  environment: [
    'ROX_COLLECTOR_ENABLE_CONNECTION_STATS',
    'ROX_COLLECTOR_CONNECTION_STATS_QUANTILES',
    'ROX_COLLECTOR_CONNECTION_STATS_ERROR',
    'ROX_COLLECTOR_CONNECTION_STATS_WINDOW',
    'ROX_COLLECTOR_ENABLE_DETAILED_METRICS',
    'ROX_COLLECTOR_INTROSPECTION_ENABLE',
    'ROX_COLLECTOR_HTTP_ADDRESS',
    'ROX_COLLECTOR_METRICS_ADDRESS',
    'ENABLE_CORE_DUMP',
  ],
  keys: [],
};
