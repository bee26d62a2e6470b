import type { AnyActorRef, AnyEventObject, InspectionEvent } from 'xstate';
import { edgeId } from './edge.js';
import {
  PROTOCOL,
  type ActorMessage,
  type EventView,
  type HelloMessage,
  type Message,
  type SnapshotView,
  type TransitionMessage,
} from './protocol.js';
import { sanitise } from './sanitise.js';
import { isAlive, machineOf, snapshotOf, type AnySnapshot } from './tree.js';

/** Latest transitions kept for a late watcher, and bytes of them. */
const MOST_TRANSITIONS = 256;
const MOST_BYTES = 1024 * 1024;
/** From one sample of the parts' counts to the next, ms. */
const SAMPLE_MS = 1000;
/** Takes the messages of an inspection as they come; it neither waits nor throws. */
export type Watcher = (message: Message) => void;
/** The same of XState's own events. */
export type Observer = (event: InspectionEvent) => void;

type SnapshotEvent = Extract<InspectionEvent, { type: '@xstate.snapshot' }>;
type MicrostepEvent = Extract<InspectionEvent, { type: '@xstate.microstep' }>;
type EventEvent = Extract<InspectionEvent, { type: '@xstate.event' }>;

/**
 * The tree of actors for watchers: give `inspect` to the root. It keeps the living actors and the latest transitions,
 * since events of machines are rare; everything else is done only while somebody watches. Then the parts are sampled
 * once a second.
 */
export class Inspection {
  readonly #hello: Omit<HelloMessage, 'type' | 'time' | 'protocol'>;
  readonly #onError: (error: unknown) => void;
  /** By session id, parents first. */
  readonly #actors = new Map<string, AnyActorRef>();
  readonly #transitions: { readonly message: TransitionMessage; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #watchers = new Set<Watcher>();
  readonly #observers = new Set<Observer>();
  #samplers = 0;
  /** Snapshots that watchers know already, as part of a transition. */
  readonly #shown = new WeakMap<AnyActorRef, unknown>();
  #sampling: NodeJS.Timeout | undefined;

  /** @param hello what introduces the run @param onError a message could not be made */
  constructor(
    hello: Omit<HelloMessage, 'type' | 'time' | 'protocol'>,
    onError: (error: unknown) => void = () => undefined,
  ) {
    this.#hello = hello;
    this.#onError = onError;
  }

  /** For `createActor`. What goes wrong here stays here: the machines know nothing of it. */
  readonly inspect = (event: InspectionEvent): void => this.#attempt(() => this.#take(event));

  /** The living actors with the machines they run, parents first. */
  get actors(): readonly AnyActorRef[] {
    for (const [id, actor] of this.#actors) if (!isAlive(actor)) this.#actors.delete(id);
    return [...this.#actors.values()];
  }

  /** Everything a new watcher has to know: the run, its actors, and the latest transitions, oldest first. */
  present(): readonly Message[] {
    const time = Date.now();
    return [
      { type: 'hello', time, protocol: PROTOCOL, ...this.#hello },
      ...this.actors.map((actor) => actorMessage(actor, time)),
      ...this.#transitions.map(({ message }) => message),
    ];
  }

  /** Begins to tell a watcher of everything new. @returns ends it */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    const stop = this.sample();
    return () => {
      this.#watchers.delete(watcher);
      stop();
    };
  }

  /** Begins to pass XState's own events on, without sampling. @returns ends it */
  observe(observer: Observer): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Samples the parts once a second, together with others who want it. @returns ends it */
  sample(): () => void {
    this.#samplers++;
    this.#sampling ??= setInterval(() => this.#sample(), SAMPLE_MS).unref();
    return () => {
      this.#samplers--;
      if (this.#samplers > 0) return;
      clearInterval(this.#sampling);
      this.#sampling = undefined;
    };
  }

  #take(event: InspectionEvent): void {
    if (isOfSampling(event)) return;
    for (const observer of this.#observers) observer(event);
    if (event.type === '@xstate.actor') this.#takeActor(event.actorRef as AnyActorRef);
    else if (event.type === '@xstate.event') this.#takeEvent(event);
    else if (event.type === '@xstate.microstep') this.#takeTransition(event);
    else if (event.type === '@xstate.snapshot') this.#takeSnapshot(event);
  }

  #sample(): void {
    for (const actor of this.#actors.values())
      if (machineOf(actor)?.id === 'collecting' && isAlive(actor)) actor.send({ type: 'sample' });
  }

  #takeActor(actor: AnyActorRef): void {
    this.#actors.set(actor.sessionId, actor);
    if (this.#watchers.size > 0) this.#tell(actorMessage(actor, Date.now()));
  }

  #takeEvent({ actorRef, sourceRef, event }: EventEvent): void {
    if (this.#watchers.size === 0) return;
    const source = (sourceRef as AnyActorRef | undefined)?.sessionId;
    this.#tell({
      type: 'event',
      time: Date.now(),
      actor: (actorRef as AnyActorRef).sessionId,
      ...(source !== undefined && { source }),
      event: eventView(event),
    });
  }

  #takeTransition({ actorRef, event, snapshot, _transitions }: MicrostepEvent): void {
    if (_transitions.length === 0) return;
    const actor = actorRef as AnyActorRef;
    this.#shown.set(actor, snapshot);
    const message: TransitionMessage = {
      type: 'transition',
      time: Date.now(),
      actor: actor.sessionId,
      event: eventView(event),
      edges: _transitions.map(edgeId),
      snapshot: snapshotView(snapshot),
    };
    this.#keep(message);
    this.#tell(message);
  }

  #takeSnapshot({ actorRef, snapshot }: SnapshotEvent): void {
    const actor = actorRef as AnyActorRef;
    if (snapshot.status !== 'active') this.#actors.delete(actor.sessionId);
    if (this.#watchers.size === 0 || this.#shown.get(actor) === snapshot) return;
    this.#tell({
      type: 'snapshot',
      time: Date.now(),
      actor: actor.sessionId,
      snapshot: snapshotView(snapshot),
    });
  }

  #keep(message: TransitionMessage): void {
    const bytes = JSON.stringify(message).length;
    this.#transitions.push({ message, bytes });
    this.#bytes += bytes;
    while (this.#transitions.length > MOST_TRANSITIONS || this.#bytes > MOST_BYTES)
      this.#bytes -= this.#transitions.shift()!.bytes;
  }

  #tell(message: Message): void {
    for (const watcher of this.#watchers) this.#attempt(() => watcher(message));
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onError(error);
    }
  }
}

/** An inspection does not show its own work: of a sample, only the counts it brings. */
function isOfSampling(event: InspectionEvent): boolean {
  if (event.type === '@xstate.actor' || event.type === '@xstate.action') return false;
  const { type } = event.event;
  return type === 'sample' || (type === 'sampled' && event.type === '@xstate.event');
}

function actorMessage(actor: AnyActorRef, time: number): ActorMessage {
  const parent = actor._parent?.sessionId;
  const chart = machineOf(actor)?.id;
  return {
    type: 'actor',
    time,
    actor: actor.sessionId,
    id: actor.id,
    ...(parent !== undefined && { parent }),
    ...(chart !== undefined && { chart }),
    snapshot: snapshotView(snapshotOf(actor)),
  };
}

function snapshotView(snapshot: AnySnapshot): SnapshotView {
  const { status, _nodes: nodes = [], context, output, error } = snapshot;
  const states = nodes.filter(({ parent }) => parent !== undefined);
  return {
    status,
    active: states.sort((one, other) => one.order - other.order).map(({ id }) => id),
    // A machine and a part have a context, a promise its outcome.
    context: sanitise(context ?? { output, error }),
  };
}

function eventView({ type, ...fields }: AnyEventObject): EventView {
  return { type, fields: sanitise(fields) ?? {} };
}
