import {
  SensorDouble,
  type DoubleOptions,
  type Happening,
  type StreamName,
} from '../../scripts/sensor/double.js';
import { eventually } from './eventually.js';
import type { Connection, Endpoint, Message, ProcessSignal } from './messages.js';
import type { Resource } from './resources.js';

/** The Sensor double, and all that it heard. */
export class TestSensor implements Resource {
  readonly double: SensorDouble;
  readonly happenings: Happening[];

  private constructor(double: SensorDouble, happenings: Happening[]) {
    this.double = double;
    this.happenings = happenings;
  }

  static async start(options: DoubleOptions = {}): Promise<TestSensor> {
    const happenings: Happening[] = [];
    const onHappening = (happening: Happening): void => {
      happenings.push(happening);
      options.onHappening?.(happening);
    };
    return new TestSensor(await SensorDouble.start({ ...options, onHappening }), happenings);
  }

  get address(): string {
    return this.double.address;
  }

  /** The messages of one kind of stream, or of one stream. */
  messages(stream: StreamName, connection?: number): Message[] {
    return this.happenings.flatMap((happening) => {
      const isOurs =
        happening.stream === stream && (connection ?? happening.connection) === happening.connection;
      return isOurs && 'message' in happening ? [happening.message as Message] : [];
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

  /** Numbers of the streams that have opened so far. */
  opened(stream: StreamName): number[] {
    return this.happenings.flatMap((happening) =>
      happening.stream === stream && 'event' in happening && happening.event === 'open'
        ? [happening.connection]
        : [],
    );
  }

  /** Waits until as many streams of this kind as that have opened. */
  async opens(stream: StreamName, count = 1): Promise<void> {
    await eventually(() => this.opened(stream).length >= count, `${count} streams of ${stream} have opened`);
  }

  async remove(): Promise<void> {
    await this.double.stop();
  }
}
