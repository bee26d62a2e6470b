import type { LifecycleMessage } from '../capture/facts.js';
import type { ActorMessage, HelloMessage, Message, TransitionMessage } from './protocol.js';

/** Actors and transitions kept, at most: a recording could have any number. */
const MOST_ACTORS = 1024;
const MOST_TRANSITIONS = 2000;

/** The actors of a recorded run at a replayed time: a fold over the messages of its lifecycle. */
export class RecordedActors {
  hello: HelloMessage | undefined;
  /** By session id, parents first. */
  readonly #actors = new Map<string, ActorMessage>();
  readonly #transitions: TransitionMessage[] = [];

  take(message: LifecycleMessage): void {
    switch (message.type) {
      case 'hello':
        this.hello = message;
        break;
      case 'actor':
        this.#actors.set(message.actor, message);
        if (this.#actors.size > MOST_ACTORS) this.#actors.delete(this.#actors.keys().next().value!);
        break;
      case 'transition':
        this.#transitions.push(message);
        if (this.#transitions.length > MOST_TRANSITIONS) this.#transitions.shift();
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
    return [...this.#actors.values()];
  }

  /** Everything about the actors for a new watcher: the living ones, then the latest transitions, oldest first. */
  present(): readonly Message[] {
    return [...this.actors, ...this.#transitions];
  }

  #renew({ actor: id, snapshot }: Pick<ActorMessage, 'actor' | 'snapshot'>): void {
    const actor = this.#actors.get(id);
    if (actor === undefined) return;
    if (snapshot.status === 'active') this.#actors.set(id, { ...actor, snapshot });
    else this.#actors.delete(id);
  }
}
