import type { LifecycleMessage, StartFact } from '../capture/facts.js';
import type { Recorder } from '../capture/recorder.js';
import type { Message } from '../inspection/protocol.js';

const NS_PER_MS = 1e6;
/** Messages kept until the recording begins, at most: a wait for Sensor can take days, with a message an attempt. */
const MOST_EARLY = 512;

/**
 * Brings the lifecycle of a run into its recording. The actors start before the recording does: what they did until
 * then follows its start fact, with the times of then.
 */
export class LifecycleRecording {
  #early: LifecycleMessage[] = [];
  #write: ((message: LifecycleMessage) => void) | undefined;

  take(message: Message): void {
    if (message.type === 'events' || message.type === 'replay') return;
    if (this.#write !== undefined) {
      this.#write(message);
      return;
    }
    this.#early.push(message);
    if (this.#early.length <= MOST_EARLY) return;
    const oldest = this.#early.findIndex(({ type }) => type !== 'hello' && type !== 'actor');
    this.#early.splice(Math.max(oldest, 0), 1);
  }

  /** @param start the last fact written @param now time of a fact made now */
  begin(recorder: Recorder, { epoch, time: startTime }: StartFact, now: () => number): void {
    const write = (time: number, message: LifecycleMessage) => {
      recorder.write({ kind: 'lifecycle', time, messages: [message] });
    };
    for (const message of this.#early) write(Math.min(message.time * NS_PER_MS - epoch, startTime), message);
    this.#early = [];
    this.#write = (message) => write(now(), message);
  }

  /** Nothing is written from here on. */
  end(): void {
    this.#write = () => undefined;
  }
}
