import type { ControlFact } from '../../../actors/capture/facts.js';
import { decodeFrame, decodeHeader, encodeFrame } from '../../../actors/capture/journal.js';
import { allAtOnce } from '../../../actors/capture/slices.js';
import { readControl } from '../../../actors/sensor/control.js';
import { decodeControlMessage } from '../../../actors/sensor/messages.js';
import { sensor } from '../../../proto/generated/messages.js';
import { mutateProtobuf } from '../mutate-protobuf.js';
import { FuzzedNode } from '../node.js';
import { recordBatches, recordsOf, someStart } from '../recordings.js';
import { ensure, type Target } from '../target.js';

const NS_PER_SECOND = 1e9;
const { NetworkFlowsControlMessage } = sensor;

const SEEDS: readonly sensor.NetworkFlowsControlMessage.$Properties[] = [
  {
    publicIpAddresses: { ipv4Addresses: [0x08080808, 0xffffffff], ipv6Addresses: [0x20010db8, 1, 0, 7] },
    ipNetworks: {
      ipv4Networks: Buffer.from([10, 0, 0, 0, 8, 0, 0, 0, 0, 0, 192, 168, 0, 0, 16]),
      ipv6Networks: Buffer.from([0xfd, ...Buffer.alloc(15), 8, ...Buffer.alloc(16), 128]),
    },
  },
  { publicIpAddresses: {} },
  { ipNetworks: {} },
];

/** Sensor, or whoever is in its place. */
export const controlTarget: Target = {
  holds: "a message of Sensor's is taken, or ignored with a reason, and reports go on",
  seeds: () => SEEDS.map((message) => Buffer.from(NetworkFlowsControlMessage.encode(message).finish())),
  mutate: (input, random, other) => mutateProtobuf(input, random, other),
  open: () => {
    const start = someStart();
    const batches = recordBatches().filter(({ of }) => of.kind === 'records');
    let node = new FuzzedNode(start);
    let runs = 0;
    return {
      run: (input) => {
        if (++runs % 128 === 0) node = new FuzzedNode(start);
        const time = start.time + runs * NS_PER_SECOND;
        const lists = listsOf(input);
        if (lists !== undefined) {
          const fact: ControlFact = { kind: 'control', time, ...lists };
          node.fold(fact);
          // What is in force is also what a recording gives back.
          const [header, payload] = encodeFrame(fact);
          decodeFrame(decodeHeader(Buffer.from(header)), new Uint8Array(payload));
        }
        const { bytes } = batches[runs % batches.length]!;
        node.fold({ kind: 'records', time, records: recordsOf(bytes) });
        node.fold({ kind: 'tick', time, epoch: start.epoch, audience: runs % 4 === 0 ? 'fresh' : 'same' });
      },
    };
  },
};

/** @returns undefined if the bytes are no message: Collector logs that, and goes on */
function listsOf(input: Buffer) {
  let message;
  try {
    message = decodeControlMessage(input);
  } catch (error) {
    ensure(error instanceof Error && error.message !== '', () => 'it is ignored without a reason');
    return undefined;
  }
  const { lists, warnings } = allAtOnce(readControl(message));
  for (const warning of warnings)
    ensure(/^Ignored Sensor's list of .+: .+/.test(warning), () => `a warning says: ${warning}`);
  return lists;
}
