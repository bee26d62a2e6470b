import type { Settings } from './table.js';

/** A line to log about settings good enough to start with. */
export interface Notice {
  readonly level: 'warning' | 'error';
  readonly message: string;
}

/** The bound of the C++ collector. */
const LONGEST_AFTERGLOW = 300;
/** The smallest ring with room for any record: the largest one has 24 KiB. */
const SMALLEST_USEFUL_BUFFER = 32 * 1024;

/** The files needed for TLS and named by no setting; none without any TLS setting. */
function missingTls({ tlsCerts, tlsCa, tlsClientCert, tlsClientKey }: Settings): string[] {
  const files = {
    'ROX_COLLECTOR_TLS_CA (tlsConfig.caCertPath)': tlsCa,
    'ROX_COLLECTOR_TLS_CLIENT_CERT (tlsConfig.clientCertPath)': tlsClientCert,
    'ROX_COLLECTOR_TLS_CLIENT_KEY (tlsConfig.clientKeyPath)': tlsClientKey,
  };
  const missing = Object.entries(files).flatMap(([name, file]) => (file === undefined ? [name] : []));
  return tlsCerts !== undefined || missing.length === 3 ? [] : missing;
}

/**
 * Applies the rules for several settings together, and the ones adjusting a value instead of refusing it.
 * @returns the settings with adjusted values, the lines to log about them, and the refused combinations
 */
export function applyRules(settings: Settings): {
  readonly settings: Settings;
  readonly notices: readonly Notice[];
  readonly errors: readonly string[];
} {
  const notices: Notice[] = [];
  const errors: string[] = [];
  const { afterglowPeriod, bufferSize, grpcServer, inspect, record, replay } = settings;

  if (settings.afterglow && afterglowPeriod > LONGEST_AFTERGLOW) {
    notices.push({
      level: 'warning',
      message: `ROX_AFTERGLOW_PERIOD is ${afterglowPeriod} s; the longest period, ${LONGEST_AFTERGLOW} s, is used instead`,
    });
  }
  if (settings.afterglow && afterglowPeriod === 0) {
    notices.push({
      level: 'error',
      message:
        'ROX_AFTERGLOW_PERIOD is 0: afterglow is disabled; set ROX_ENABLE_AFTERGLOW=false if that is intended',
    });
  }
  if (bufferSize < SMALLEST_USEFUL_BUFFER) {
    notices.push({
      level: 'warning',
      message:
        `ROX_COLLECTOR_SINSP_BUFFER_SIZE is ${bufferSize}: events with long arguments or paths will be dropped; ` +
        `use at least ${SMALLEST_USEFUL_BUFFER}`,
    });
  }
  if (grpcServer !== '' && settings.scope === 'all') {
    notices.push({
      level: 'warning',
      message:
        'ROX_COLLECTOR_SCOPE is all: it is for standalone output; Sensor only gets what happens in containers',
    });
  }
  const missing = missingTls(settings);
  if (missing.length > 0) {
    errors.push(
      `TLS to Sensor needs an authority, a certificate and its key, and ${missing.join(' and ')} ` +
        `${missing.length === 1 ? 'is' : 'are'} not given: set ${missing.length === 1 ? 'it' : 'them'}, or ` +
        'ROX_COLLECTOR_TLS_CERTS for all three',
    );
  }
  if (settings.check && replay !== undefined) {
    errors.push('Argument --check excludes --replay: a replay connects to nothing and loads nothing');
  }
  if (replay !== undefined && record !== undefined) {
    errors.push('Argument --replay excludes --record: a replay would only record itself');
  }
  if (inspect !== undefined && replay === undefined) {
    errors.push(
      'Argument --inspect goes with --replay only; to watch a live run, set ROX_COLLECTOR_INTROSPECTION_ENABLE=true ' +
        'and open /inspect at ROX_COLLECTOR_HTTP_ADDRESS',
    );
  }
  if (replay !== undefined && grpcServer !== '') {
    errors.push(
      `Argument --replay excludes a Sensor ('${grpcServer}'), which would take the past for the present: ` +
        'give --grpc-server= with an empty value',
    );
  }
  return {
    settings: {
      ...settings,
      scope: grpcServer === '' ? settings.scope : 'containers',
      afterglow: settings.afterglow && afterglowPeriod > 0,
      afterglowPeriod: Math.min(afterglowPeriod, LONGEST_AFTERGLOW),
    },
    notices,
    errors,
  };
}
