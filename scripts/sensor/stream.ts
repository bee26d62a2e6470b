import { Metadata, status, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Json } from './codec.js';
import type { CallEvent } from './events.js';

/** A call as gRPC hands it over, its messages as bytes. */
export type IncomingCall = ServerDuplexStream<Buffer, Buffer>;

export interface IncomingStreamOptions {
  /** @throws Error if the bytes are no message of this stream */
  readonly read: (bytes: Buffer) => Json;
  /** Takes an event. While its promise is pending, nothing more is read from this stream. */
  readonly onEvent: (event: CallEvent) => void | Promise<void>;
  /** Nothing more can be done with it. */
  readonly onEnd: () => void;
}

/** One stream of a collector's, from its opening to its end. */
export class IncomingStream {
  readonly #call: IncomingCall;
  readonly #options: IncomingStreamOptions;
  #isStalled = false;
  /** Events with a pending promise. */
  #pending = 0;
  #isOver = false;

  constructor(call: IncomingCall, options: IncomingStreamOptions) {
    this.#call = call;
    this.#options = options;
    call.on('data', (bytes: Buffer) => this.#receive(bytes));
    // A stream on a broken connection ends as well, and shows as cancelled only after that.
    call.on('end', () => setImmediate(() => this.#finish()));
    call.on('cancelled', () => this.#end(status.CANCELLED));
    const metadata = Object.entries(call.metadata.getMap());
    this.#report({
      event: 'open',
      metadata: Object.fromEntries(metadata.map(([name, value]) => [name, value.toString()])),
    });
    // As Sensor does: the collector sees at once that the stream is accepted.
    call.sendMetadata(new Metadata());
  }

  /** `address:port` of the collector. */
  get peer(): string {
    return this.#call.getPeer();
  }

  send(message: Buffer): void {
    if (!this.#isOver) this.#call.write(message);
  }

  /** Stops reading: bytes on their way fill the windows of HTTP/2, and then the collector has to wait. */
  stall(): void {
    this.#isStalled = true;
    this.#flow();
  }

  resume(): void {
    this.#isStalled = false;
    this.#flow();
  }

  /** Ends the stream with a status. */
  hangUp(code: status, details: string): void {
    if (this.#isOver) return;
    this.#end(code);
    this.#call.emit('error', Object.assign(new Error(details), { code, details }));
  }

  #receive(bytes: Buffer): void {
    if (this.#isOver) return;
    let message: Json;
    try {
      message = this.#options.read(bytes);
    } catch (error) {
      this.#report({ event: 'malformed', error: String(error), bytes: bytes.toString('base64') });
      this.hangUp(status.INTERNAL, 'malformed message');
      return;
    }
    this.#report({ message });
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#end(status.OK);
    this.#call.end();
  }

  #end(code: status): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd();
    this.#report({ event: 'end', status: status[code] });
  }

  #report(event: CallEvent): void {
    const taken = this.#options.onEvent(event);
    if (taken === undefined) return;
    this.#pending++;
    this.#flow();
    void taken.then(() => {
      this.#pending--;
      this.#flow();
    });
  }

  #flow(): void {
    if (this.#isStalled || this.#pending > 0) this.#call.pause();
    else this.#call.resume();
  }
}
