import {
  SensorDouble,
  type DoubleOptions,
  type SensorStreamEvent,
  type StreamName,
} from '../../scripts/sensor/double.js';
import { eventually } from './eventually.js';
import type { Connection, Endpoint, Message, ProcessSignal } from './messages.js';
import type { Resource } from './resources.js';

/** A collector tries again within 10 s, or while its channel backs off. */
const OPENING_MS = 30_000;

/** The Sensor double, and all it received. */
export class TestSensor implements Resource {
  readonly double: SensorDouble;

  private constructor(double: SensorDouble) {
    this.double = double;
  }

  static async start(options: DoubleOptions = {}): Promise<TestSensor> {
    return new TestSensor(await SensorDouble.start(options));
  }

  get address(): string {
    return this.double.address;
  }

  /** The events of streams. */
  get events(): SensorStreamEvent[] {
    return this.double.events.filter((event) => 'stream' in event);
  }

  /** Answered requests for kernel objects: paths and HTTP statuses. */
  get requests(): { readonly path: string; readonly status: number }[] {
    return this.double.events.flatMap((event) =>
      'event' in event && event.event === 'request' ? [{ path: event.path, status: event.status }] : [],
    );
  }

  /** The messages of one kind of stream, or of one stream. */
  messages(stream: StreamName, connection?: number): Message[] {
    return this.events.flatMap((event) => {
      const isOurs = event.stream === stream && (connection ?? event.connection) === event.connection;
      return isOurs && 'message' in event ? [event.message] : [];
    });
  }

  get signals(): ProcessSignal[] {
    return this.messages('signals').flatMap(({ signal }) => signal?.processSignal ?? []);
  }

  get connections(): Connection[] {
    return this.messages('network').flatMap(({ info }) => info?.updatedConnections ?? []);
  }

  get endpoints(): Endpoint[] {
    return this.messages('network').flatMap(({ info }) => info?.updatedEndpoints ?? []);
  }

  /** Numbers of the streams opened so far. */
  opened(stream: StreamName): number[] {
    return this.events.flatMap((event) =>
      event.stream === stream && 'event' in event && event.event === 'open' ? [event.connection] : [],
    );
  }

  /** Waits until `count` streams of this kind have opened. */
  async opens(stream: StreamName, count = 1): Promise<void> {
    await eventually(
      () => this.opened(stream).length >= count,
      `${count} streams of ${stream} have opened`,
      OPENING_MS,
    );
  }

  /** Waits until `look` finds something in the messages; `what` is asked only after waiting in vain. */
  async shows<T>(what: () => string, look: () => T | undefined | false): Promise<T> {
    return eventually(look, () => {
      const latest = this.double.events.slice(-5).map((event) => JSON.stringify(event));
      return `${what()}; the latest events:\n${latest.join('\n')}`;
    });
  }

  async remove(): Promise<void> {
    await this.double.stop();
  }
}
