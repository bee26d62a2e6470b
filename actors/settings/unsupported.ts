/**
 * What the existing product can be told and this one cannot yet: setting one of these is answered with a warning.
 * Whoever adds such a setting to the table takes it out here.
 */
export const unsupported: {
  readonly environment: readonly string[];
  /** Keys of COLLECTOR_CONFIG, the inner ones after a dot. */
  readonly keys: readonly string[];
} = {
  environment: ['ENABLE_CORE_DUMP'],
  keys: [],
};
