import type { LifecycleMessage } from '../capture/facts.js';
import type { ActorMessage, HelloMessage, Message, TransitionMessage } from './protocol.js';

/** Actors and transitions kept, at most, and characters of either: a recording could have any number. */
const MOST_ACTORS = 1024;
const MOST_TRANSITIONS = 2000;
const MOST_TEXT = 1024 * 1024;

/** The latest messages within a bound of their number and their size, by key, oldest first. */
class Kept<Kind extends Message> {
  readonly #most: number;
  readonly #messages = new Map<string | number, { readonly message: Kind; readonly size: number }>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get all(): readonly Kind[] {
    return Array.from(this.#messages.values(), ({ message }) => message);
  }

  get(key: string | number): Kind | undefined {
    return this.#messages.get(key)?.message;
  }

  /** Keeps the place of a known key. */
  set(key: string | number, message: Kind): void {
    const size = JSON.stringify(message).length;
    this.#size += size - (this.#messages.get(key)?.size ?? 0);
    this.#messages.set(key, { message, size });
    while (this.#messages.size > this.#most || this.#size > MOST_TEXT)
      this.delete(this.#messages.keys().next().value!);
  }

  delete(key: string | number): void {
    this.#size -= this.#messages.get(key)?.size ?? 0;
    this.#messages.delete(key);
  }
}

/** The actors of a recorded run at a replayed time: a fold over the messages of its lifecycle. */
export class RecordedActors {
  hello: HelloMessage | undefined;
  /** By session id, parents first. */
  readonly #actors = new Kept<ActorMessage>(MOST_ACTORS);
  /** By their number. */
  readonly #transitions = new Kept<TransitionMessage>(MOST_TRANSITIONS);
  #transitionCount = 0;

  take(message: LifecycleMessage): void {
    switch (message.type) {
      case 'hello':
        this.hello = message;
        break;
      case 'actor':
        this.#actors.set(message.actor, message);
        break;
      case 'transition':
        this.#transitions.set(this.#transitionCount++, message);
        this.#renew(message);
        break;
      case 'snapshot':
        this.#renew(message);
        break;
      case 'event':
    }
  }

  /** The living actors, parents first. */
  get actors(): readonly ActorMessage[] {
    return this.#actors.all;
  }

  /** Everything about the actors for a new watcher: the living ones, then the latest transitions, oldest first. */
  present(): readonly Message[] {
    return [...this.actors, ...this.#transitions.all];
  }

  #renew({ actor: id, snapshot }: Pick<ActorMessage, 'actor' | 'snapshot'>): void {
    const actor = this.#actors.get(id);
    if (actor === undefined) return;
    if (snapshot.status === 'active') this.#actors.set(id, { ...actor, snapshot });
    else this.#actors.delete(id);
  }
}
