import WebSocket from 'ws';
import type { Log } from '../telemetry/log.js';
import type { Inspection } from './actor.js';
import { sanitiseText } from './sanitise.js';
import { statelyActor, statelyEvent, type StatelyEvent } from './stately.js';

/** Bytes that wait for the receiver at most, here or in the socket. */
const MOST_WAITING = 4 * 1024 * 1024;
/** Wait before another attempt, ms: doubled from the first to the longest, and between half of it and all of it. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const HANDSHAKE_MS = 5000;
/** Bytes of a message from the receiver: it has hardly anything to say. */
const MOST_RECEIVED = 64 * 1024;
/** Between two announcements asked for by the receiver, ms. */
const ANNOUNCE_MS = 1000;
/**
 * Messages from one announcement of all actors to the next. The bridge of @statelyai/inspect shows a late receiver its
 * latest 200 messages, so the actors have to be among them.
 */
const ANNOUNCE_EVERY = 100;
/** Sent by a viewer of @statelyai/inspect when it is ready. */
const CONNECTED = '@statelyai.connected';

export interface SenderOptions {
  /** ws: or wss: */
  readonly url: string;
  readonly log: Pick<Log, 'info' | 'throttled'>;
  readonly firstWait?: number;
}

/**
 * Sends the events of all machines to an XState inspector, in the form of @statelyai/inspect. Events of a time without
 * a connection wait, up to a bound; each connection begins with them and with all actors as they are then.
 */
export class InspectorSender {
  readonly #inspection: Inspection;
  readonly #options: SenderOptions;
  readonly #warn: (message: string) => void;
  #socket: WebSocket | undefined;
  #waiting: string[] = [];
  #bytes = 0;
  #sent = 0;
  #wait: number;
  #retry: NodeJS.Timeout | undefined;
  #requested: NodeJS.Timeout | undefined;
  #stopSampling: () => void = () => undefined;
  readonly #stopObserving: () => void;

  /** Starts at once. */
  constructor(inspection: Inspection, options: SenderOptions) {
    this.#inspection = inspection;
    this.#options = options;
    this.#warn = options.log.throttled('warning');
    this.#wait = options.firstWait ?? FIRST_WAIT_MS;
    this.#stopObserving = inspection.observe((event) => {
      const message = statelyEvent(event);
      if (message !== undefined) this.#send(message);
    });
    this.#connect();
  }

  /** Ends it at once; what waits is dropped. */
  stop(): void {
    this.#stopObserving();
    this.#stopSampling();
    clearTimeout(this.#retry);
    clearTimeout(this.#requested);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.terminate();
  }

  #connect(): void {
    const socket = new WebSocket(this.#options.url, {
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
      maxPayload: MOST_RECEIVED,
    });
    this.#socket = socket;
    let reason = 'it ended';
    let isOpen = false;
    socket.on('open', () => {
      if (socket !== this.#socket) return;
      isOpen = true;
      this.#wait = this.#options.firstWait ?? FIRST_WAIT_MS;
      this.#options.log.info(
        `An inspector at ${sanitiseText(this.#options.url)} is shown the state machines`,
      );
      this.#flush(socket);
      this.#stopSampling = this.#inspection.sample();
    });
    socket.on('message', (data, isBinary) => {
      if (!isBinary && (data as Buffer).includes(CONNECTED)) this.#announceOnRequest();
    });
    socket.on('error', ({ message, code }: NodeJS.ErrnoException) => (reason = code ?? message));
    socket.on('close', () => {
      if (isOpen) this.#stopSampling();
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      const wait = this.#wait * (0.5 + Math.random() / 2);
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
      this.#retry = setTimeout(() => this.#connect(), wait).unref();
      this.#warn(
        `No inspector at ${sanitiseText(this.#options.url)} (${sanitiseText(reason)}); it is tried again and again`,
      );
    });
  }

  #flush(socket: WebSocket): void {
    for (const text of this.#waiting.splice(0)) socket.send(text);
    this.#bytes = 0;
    this.#announce();
  }

  #announceOnRequest(): void {
    this.#requested ??= setTimeout(() => {
      this.#requested = undefined;
      this.#announce();
    }, ANNOUNCE_MS).unref();
  }

  #announce(): void {
    this.#sent = 0;
    for (const actor of this.#inspection.actors) this.#write(JSON.stringify(statelyActor(actor)));
  }

  #send(message: StatelyEvent): void {
    this.#write(JSON.stringify(message));
    if (++this.#sent >= ANNOUNCE_EVERY && this.#socket?.readyState === WebSocket.OPEN) this.#announce();
  }

  #write(text: string): void {
    const socket = this.#socket;
    if (socket?.readyState === WebSocket.OPEN) {
      if (socket.bufferedAmount + text.length <= MOST_WAITING) socket.send(text);
      else socket.terminate(); // the next connection begins with all actors
      return;
    }
    if (this.#bytes + text.length > MOST_WAITING) {
      // Later events say nothing without the ones before; all actors are announced anyway.
      this.#waiting = [];
      this.#bytes = 0;
    }
    this.#waiting.push(text);
    this.#bytes += text.length;
  }
}
