import type { StateSettings } from '../../actors/capture/facts.js';
import { allAtOnce } from '../../actors/capture/slices.js';
import { readControl } from '../../actors/sensor/control.js';
import { decodeControlMessage } from '../../actors/sensor/messages.js';
import { readSettings } from '../../actors/settings/read.js';
import { stateSettings } from '../../actors/settings/state-settings.js';
import { method } from '../sensor/codec.js';
import { controlMessage } from '../sensor/control.js';
import { saltOf, SLOT_SECONDS, type Play } from './play.js';
import { INGRESS, readPlayed, USUAL, type Played } from './recordings.js';
import { RECORDED, recordedResidents, type Residents } from './residents.js';
import { shifted } from './shift.js';

/** What runs on a node. */
export const KINDS = ['usual', 'ingress', 'scanned'] as const;
export type Kind = (typeof KINDS)[number];

/** Pods that stay on each node. */
export const PODS = 30;
/** Connections a minute of the scanning container on a scanned node, each to another peer. */
export const PROBES_PER_MINUTE = 6000;
/** The scrape interval, s, as nobody sets it. */
export const INTERVAL = 30;

const NS_PER_SECOND = 1e9;
/** The golden ratio's part: its multiples are spread evenly. */
const GOLDEN = 0.618_033_988_749_895;

/** One node in a hundred is scanned from inside, one in twenty serves the internet. */
export function kindOf(node: number): Kind {
  if (node % 100 === 50) return 'scanned';
  return node % 20 === 10 ? 'ingress' : 'usual';
}

const defaults: StateSettings = { ...stateSettings(readSettings([], {}).settings), format: 'json' };

/** What saves messages to Sensor, each switched off by its setting. */
export const SAVINGS = {
  afterglow: { setting: '`ROX_ENABLE_AFTERGLOW=false`', settings: { ...defaults, afterglowPeriod: 0 } },
  aggregation: {
    setting: '`ROX_COLLECTOR_EXTERNAL_IPS_ENABLE=true`',
    settings: { ...defaults, externalIps: 'both' },
  },
  'rate limit': {
    setting: '`networking.maxConnectionsPerMinute: 1000000`',
    settings: { ...defaults, maxConnectionsPerMinute: 1_000_000 },
  },
} as const satisfies Readonly<Record<string, { readonly setting: string; readonly settings: StateSettings }>>;

export { defaults as DEFAULTS };

/** Sensor's networks, as read from its message: the cluster's own one. */
export function sensorNetworks(): Uint32Array<ArrayBuffer> {
  const { write } = method('sensor.NetworkConnectionInfoService', 'PushNetworkConnectionInfo');
  const message = write(controlMessage({ networks: ['10.0.0.0/8'] }));
  return allAtOnce(readControl(decodeControlMessage(message))).lists.networks!;
}

/** The recordings of all kinds. */
export interface Recordings {
  readonly usual: readonly Played[];
  readonly ingress: readonly Played[];
  readonly residents: Residents;
}

export function readRecordings(): Recordings {
  return {
    usual: USUAL.map(readPlayed),
    ingress: [readPlayed(INGRESS)],
    residents: recordedResidents(PODS),
  };
}

/** A node's facts. @param seconds of the simulation */
export function playOf(node: number, recordings: Recordings, seconds: number): Play {
  const kind = kindOf(node);
  // Nodes have been up for hours to weeks.
  const boot = Math.round((3600 + spread(node, 1_800_000)) * NS_PER_SECOND);
  const shift = { time: boot - RECORDED, salt: saltOf(node, 0), node, publicPorts: new Set<number>() };
  const { processes, sockets, calls } = recordings.residents;
  return {
    node,
    recordings: kind === 'ingress' ? recordings.ingress : recordings.usual,
    residents: { processes: shifted(processes, shift), sockets: shifted(sockets, shift), calls },
    boot,
    seconds,
    offset: 1 + spread(node, SLOT_SECONDS),
    isIngress: kind === 'ingress',
    probesPerMinute: kind === 'scanned' ? PROBES_PER_MINUTE : 0,
  };
}

/** A node's place in `[0, length)`: those of many nodes are even, and in no order. */
export function spread(node: number, length: number): number {
  return ((node * GOLDEN) % 1) * length;
}
