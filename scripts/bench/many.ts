/** Connections by the million, for benchmarks of parts with so many of them. */
import type { StateSettings } from '../../actors/capture/facts.js';
import { record_header, SocketRole } from '../../actors/capture/layout.js';
import { AF_INET, IPPROTO_TCP } from '../../actors/capture/linux.js';
import { RecordWriter } from '../../actors/capture/record-writer.js';
import type { Records } from '../../actors/capture/records.js';
import { readSettings } from '../../actors/settings/read.js';
import { stateSettings } from '../../actors/settings/state-settings.js';

/** Of a batch, as the daemon reads them at a time. */
const BATCH_RECORDS = 500;

export const SEED = 0x5eed;
export const SECOND = 1e9;
export const TICK = 30 * SECOND;
const CONTAINER = 2 ** 48 + 1;

/** Each connection is reported as itself (the worst case), and no limit holds any back. */
export const settings: StateSettings = {
  ...stateSettings(readSettings([], {}).settings),
  format: 'json',
  scrapeInterval: TICK / SECOND,
  ignoredNetworks: [],
  maxConnectionsPerMinute: 1e9,
};

/** Events of connections numbered from `first` on, in batches; each has a peer of its own. */
export function* batches(type: number, first: number, count: number, time: number): Generator<Records> {
  for (let done = 0; done < count; done += BATCH_RECORDS)
    yield eventBatch(type, first + done, Math.min(BATCH_RECORDS, count - done), time);
}

function eventBatch(type: number, first: number, count: number, time: number): Records {
  const writer = new RecordWriter();
  const local = Uint32Array.of(0x0100_000a, 0, 0, 0);
  for (let number = first; number < first + count; number++) {
    const host = number >>> 8;
    const remote = Uint32Array.of(
      10 | (((host >> 8) & 0xff) << 16) | ((host & 0xff) << 24) | (1 << 8),
      0,
      0,
      0,
    );
    writer.socket({
      time,
      container: CONTAINER,
      pid: 1,
      comm: 'bench',
      cookieLow: number,
      cookieHigh: 0,
      local,
      remote,
      localPort: 40_000,
      remotePort: 1 + (number & 0xff),
      family: AF_INET,
      protocol: IPPROTO_TCP,
      role: SocketRole.client,
      state: 1,
    });
  }
  const records = writer.records();
  for (let at = 0; at < records.length; at += records.size(at)) records.u8[at + record_header.type] = type;
  return records;
}
