import {
  PROTOCOL,
  type ActorMessage,
  type HelloMessage,
  type Message,
  type Plain,
  type ReplayMessage,
  type SnapshotMessage,
  type SnapshotView,
  type TransitionMessage,
} from '../protocol.js';
import { isRecord } from './plain.js';

/** An actor as it is now. */
export interface ActorView extends Omit<ActorMessage, 'type'> {
  /** Ids from the root to it, such as `collector/collecting/signals`: an address beyond a run. */
  readonly path: string;
  readonly depth: number;
}

/** A transition in the list of its actor. */
export interface Step extends Omit<TransitionMessage, 'type'> {
  /** Equal transitions in a row shown as one, such as an event repeated every second; of the latest are the fields. */
  readonly times: number;
}

/** The counts of a part at a time. */
export interface Sample {
  readonly time: number;
  readonly counts: Plain;
}

/** Transitions kept, of all actors together. */
const MOST_STEPS = 2000;
/** Samples kept of each part: a minute. */
const MOST_SAMPLES = 61;
/** Unknown transitions from before a reconnection wait for the first repeated one. */
type Earlier = readonly Step[] | undefined;

/**
 * The state shown by the page: a fold over messages. `hello` begins anew, yet keeps known transitions and samples of
 * the same run, since a stream is reopened for the events of the kernel too.
 */
export class Model {
  hello: HelloMessage | undefined;
  replay: ReplayMessage | undefined;
  /** Grows with each change. */
  version = 0;
  readonly #actors = new Map<string, ActorView>();
  #steps: Step[] = [];
  #earlier: Earlier;
  readonly #samples = new Map<string, Sample[]>();

  /** All actors, each below its parent, in the order of their start. */
  get actors(): readonly ActorView[] {
    const all = [...this.#actors.values()];
    const below = (parent: string | undefined): ActorView[] =>
      all.filter((actor) => actor.parent === parent).flatMap((actor) => [actor, ...below(actor.actor)]);
    return below(undefined);
  }

  /** The root of the tree; undefined in recordings without a lifecycle, which have parts alone. */
  get root(): ActorView | undefined {
    return this.actors.find(({ parent, chart }) => parent === undefined && chart !== undefined);
  }

  /** The page is older or newer than Collector. */
  get isOtherProtocol(): boolean {
    return this.hello !== undefined && this.hello.protocol !== PROTOCOL;
  }

  actor(path: string): ActorView | undefined {
    return this.actors.find((actor) => actor.path === path);
  }

  /** The actor of an id closest to the root. */
  actorOf(id: string): ActorView | undefined {
    return this.actors.filter((actor) => actor.id === id).sort((a, b) => a.depth - b.depth)[0];
  }

  /** Some actor was seen, though it may have ended. */
  get hasHistory(): boolean {
    return this.#steps.length > 0;
  }

  /** Transitions of an actor, oldest first. */
  steps(actor: string): readonly Step[] {
    return this.#steps.filter((step) => step.actor === actor);
  }

  /** Samples of a part, oldest first, each with its counts. */
  samples(path: string): readonly Sample[] {
    return this.#samples.get(path) ?? [];
  }

  fold(message: Message): void {
    this.version++;
    switch (message.type) {
      case 'hello':
        this.#begin(message);
        break;
      case 'actor':
        this.#announce(message);
        break;
      case 'snapshot':
        this.#renew(message);
        break;
      case 'transition':
        this.#take(message);
        break;
      case 'replay':
        this.replay = message;
        break;
      case 'event':
      case 'events':
        break;
    }
  }

  #begin(hello: HelloMessage): void {
    this.hello = hello;
    if (hello.mode === 'live') this.replay = undefined;
    this.#earlier = [...(this.#earlier ?? []), ...this.#steps];
    this.#steps = [];
    this.#actors.clear();
  }

  #announce({ type: _, ...message }: ActorMessage): void {
    const parent = message.parent === undefined ? undefined : this.#actors.get(message.parent);
    // A stream opened anew, for example, stands in the place of the one before.
    for (const other of this.#actors.values())
      if (other.id === message.id && other.parent === message.parent && other.actor !== message.actor)
        this.#actors.delete(other.actor);
    // XState numbers a root: its machine has a name.
    const id = parent === undefined ? (message.chart ?? message.id) : message.id;
    const path = parent === undefined ? id : `${parent.path}/${id}`;
    const actor = { ...message, id, path, depth: parent === undefined ? 0 : parent.depth + 1 };
    this.#actors.set(message.actor, actor);
    this.#sample(actor, message.time, message.snapshot);
  }

  #renew({ actor: id, time, snapshot }: SnapshotMessage): void {
    const actor = this.#actors.get(id);
    if (actor === undefined) return;
    this.#actors.set(id, { ...actor, snapshot });
    this.#sample(actor, time, snapshot);
  }

  /** Keeps the counts of a part for its rates; they begin anew when time or a count went back. */
  #sample({ chart, path }: ActorView, time: number, { context }: SnapshotView): void {
    // A part has no counts before the first sample.
    if (chart !== undefined || !isRecord(context) || Object.keys(context).length === 0) return;
    const known = this.#samples.get(path) ?? [];
    const last = known.at(-1);
    if (last?.time === time) known.pop();
    const samples = last === undefined || last.time <= time ? known : [];
    samples.push({ time, counts: context });
    this.#samples.set(path, samples.slice(-MOST_SAMPLES));
  }

  #take({ type: _, ...message }: TransitionMessage): void {
    this.#recall(message);
    const actor = this.#actors.get(message.actor);
    if (actor !== undefined) this.#actors.set(message.actor, { ...actor, snapshot: message.snapshot });
    const last = this.#steps.findLastIndex((step) => step.actor === message.actor);
    const before = this.#steps[last];
    if (before !== undefined && isRepeated(before, message)) {
      this.#steps.splice(last, 1);
      this.#steps.push({ ...message, times: before.times + 1 });
    } else {
      this.#steps.push({ ...message, times: 1 });
      if (this.#steps.length > MOST_STEPS) this.#steps.shift();
    }
  }

  /** Takes over the transitions before a reconnection if the first announced one is among them: the run is the same. */
  #recall({ actor, time, event }: Omit<TransitionMessage, 'type'>): void {
    const earlier = this.#earlier;
    if (earlier === undefined) return;
    this.#earlier = undefined;
    const known = earlier.findIndex(
      (step) => step.actor === actor && step.time === time && step.event.type === event.type,
    );
    if (known > 0) this.#steps = earlier.slice(0, known);
  }
}

/** Equal edges and states, with nothing new to see but the context. */
function isRepeated(before: Step, { event, edges, snapshot }: Omit<TransitionMessage, 'type'>): boolean {
  return (
    before.event.type === event.type &&
    isSame(before.edges, edges) &&
    isSame(before.snapshot.active, snapshot.active)
  );
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}
