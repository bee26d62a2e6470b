import type { Delta } from '../../actors/connections/report.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { containerNumber } from './records.js';

/** A container's id. */
export const ID = '4f2a91bc03de';
/** 2023-11-14T22:13:20Z and 7 µs */
export const TIME = 1_700_000_000_000_007;
const NOTHING = new Uint8Array(0);

/** A process with everything one can have. */
export const signal: ProcessSignal = {
  record: 0,
  id: 'abcdef01-2345-8678-8000-000000000000',
  container: containerNumber(ID),
  sharer: containerNumber(ID),
  time: TIME,
  name: 'ls',
  path: '/bin/ls',
  args: '-l "ü"\n',
  pid: 10,
  uid: 1000,
  gid: 100,
  scraped: true,
  lineage: [
    { pid: 5, uid: 0, path: '/bin/sh' },
    { pid: 1, uid: 1000, path: '/init' },
  ],
};
/** A client, a server of IPv6, and an endpoint of each family; one of each has ended. */
export const delta: Delta = {
  connections: [
    {
      container: containerNumber(ID),
      protocol: 6,
      role: 2,
      local: undefined,
      remote: { address: Uint8Array.of(10, 0, 0, 2), port: 80, network: Uint8Array.of(10, 0, 0, 0, 8) },
      closedAt: TIME,
    },
    {
      container: containerNumber(ID),
      protocol: 17,
      role: 1,
      local: { address: NOTHING, port: 53, network: NOTHING },
      remote: { address: new Uint8Array(16).fill(255), port: 0, network: NOTHING },
      closedAt: undefined,
    },
  ],
  endpoints: [
    {
      container: containerNumber(ID),
      protocol: 6,
      family: 10,
      listen: { address: new Uint8Array(16), port: 80, network: Uint8Array.of(...new Uint8Array(16), 128) },
      originator: 3,
      closedAt: TIME,
    },
    {
      container: containerNumber(ID),
      protocol: 6,
      family: 2,
      listen: { address: new Uint8Array(4), port: 81, network: Uint8Array.of(0, 0, 0, 0, 32) },
      originator: 0,
      closedAt: undefined,
    },
  ],
};
