import { Client, credentials, type ChannelCredentials, type ClientOptions } from '@grpc/grpc-js';
import type { TlsMaterial } from './tls.js';

const KEEPALIVE_MS = 10_000;
/** A list of 100,000 IPv6 networks has 1.7 MB. */
const LARGEST_MESSAGE = 16 * 1024 * 1024;

/** Bounds of the wait before a lost connection is tried again, ms. */
export const RECONNECT = { first: 1000, most: 10_000 } as const;

/** Where Sensor is. */
export interface SensorAddress {
  /** host:port */
  readonly address: string;
  /** The name Sensor's certificate has to carry. */
  readonly serverName: string;
}

/**
 * Opens a channel to Sensor. It connects by itself on first use, and again after the connection is lost.
 * @param tls undefined: plain text
 */
export function openChannel({ address, serverName }: SensorAddress, tls: TlsMaterial | undefined): Client {
  const options: ClientOptions = {
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT.first,
    'grpc.min_reconnect_backoff_ms': RECONNECT.first,
    'grpc.max_reconnect_backoff_ms': RECONNECT.most,
    'grpc.max_receive_message_length': LARGEST_MESSAGE,
    // There is no second attempt of a call to keep messages for. With a buffer, grpc-js would report the first MiB of
    // writes as done at once, whatever becomes of them, and flow control would be lost too.
    'grpc.per_rpc_retry_buffer_size': 0,
    // Sensor is in the cluster: no proxy of the environment, no service configuration from DNS.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A connection for each channel: one opened for new certificates must not share the old channel's.
    'grpc.use_local_subchannel_pool': 1,
    ...(tls && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
  return new Client(address, channelCredentials(tls), options);
}

function channelCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
}
