/** A message to Sensor takes more than its bytes: 5 of gRPC, 9 of each HTTP/2 frame of up to 16 KiB. */
const GRPC_BYTES = 5;
const FRAME_BYTES = 9;
const FRAME_CAPACITY = 16_384;

export const STREAMS = ['signals', 'network'] as const;
export type StreamName = (typeof STREAMS)[number];

/** Messages and their bytes. */
export interface Traffic {
  messages: number;
  bytes: number;
}

/** Bytes of a message in HTTP/2, without TLS and TCP. */
export function wireBytes(length: number): number {
  const all = length + GRPC_BYTES;
  return all + FRAME_BYTES * Math.ceil(all / FRAME_CAPACITY);
}

/** By second of the simulated time. */
export interface CurveData {
  readonly messages: Readonly<Record<StreamName, Float64Array>>;
  readonly bytes: Readonly<Record<StreamName, Float64Array>>;
}

/** What came from one or many nodes, by second of the simulated time. */
export class TrafficCurve {
  readonly data: CurveData;

  constructor(seconds: number) {
    const empty = () => ({ signals: new Float64Array(seconds), network: new Float64Array(seconds) });
    this.data = { messages: empty(), bytes: empty() };
  }

  /** @param seconds since the start */
  add(stream: StreamName, seconds: number, length: number): void {
    const second = Math.floor(seconds);
    this.data.messages[stream][second]! += 1;
    this.data.bytes[stream][second]! += wireBytes(length);
  }

  addAll({ messages, bytes }: CurveData): void {
    for (const stream of STREAMS) {
      addTo(this.data.messages[stream], messages[stream]);
      addTo(this.data.bytes[stream], bytes[stream]);
    }
  }

  /** The sum over the seconds in `[from, to)`, of one stream or of both. */
  sum(from: number, to: number, streams: readonly StreamName[] = STREAMS): Traffic {
    const traffic = { messages: 0, bytes: 0 };
    for (const stream of streams) {
      for (let second = from; second < to; second++) {
        traffic.messages += this.data.messages[stream][second]!;
        traffic.bytes += this.data.bytes[stream][second]!;
      }
    }
    return traffic;
  }

  /** By second in `[from, to)`, both streams together. */
  perSecond(from: number, to: number): Traffic[] {
    return Array.from({ length: to - from }, (_, at) => this.sum(from + at, from + at + 1));
  }
}

function addTo(sum: Float64Array, other: Float64Array): void {
  for (const [at, value] of other.entries()) sum[at]! += value;
}
