import { Client, credentials, type ChannelCredentials, type ClientOptions } from '@grpc/grpc-js';
import type { TlsMaterial } from './tls.js';

const KEEPALIVE_MS = 10_000;
/** A list of 100,000 IPv6 networks has 1.7 MB. */
const LARGEST_MESSAGE = 16 * 1024 * 1024;

/** Where Sensor is. */
export interface SensorAddress {
  /** host:port */
  readonly address: string;
  /** The name that its certificate has to carry. */
  readonly serverName: string;
}

/**
 * A channel to Sensor, which connects by itself as soon as it is used, and again when the connection is lost.
 * @param tls undefined: plain text
 */
export function openChannel({ address, serverName }: SensorAddress, tls: TlsMaterial | undefined): Client {
  const options: ClientOptions = {
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 1000,
    'grpc.min_reconnect_backoff_ms': 1000,
    'grpc.max_reconnect_backoff_ms': 10_000,
    'grpc.max_receive_message_length': LARGEST_MESSAGE,
    // A call's messages are never kept for another attempt, of which there is none: the end of a write would be said at
    // once for the first MiB of them, whatever becomes of it, and flow control with it.
    'grpc.per_rpc_retry_buffer_size': 0,
    // Sensor is in the cluster: no proxy of the environment, no service configuration from DNS.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // Each channel its own connection: a new one after new certificates must not share that of the old.
    'grpc.use_local_subchannel_pool': 1,
    ...(tls && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
  return new Client(address, channelCredentials(tls), options);
}

function channelCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
}
