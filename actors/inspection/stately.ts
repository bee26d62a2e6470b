import type { AnyActorRef, AnyEventObject, InspectionEvent } from 'xstate';
import type { Plain } from './protocol.js';
import { sanitise } from './sanitise.js';
import { machineOf, snapshotOf, type AnySnapshot } from './tree.js';

/** The version of @statelyai/inspect that these events are of. */
const VERSION = '0.7.2';

/** The events of @statelyai/inspect, as its receivers get them. */
export type StatelyEvent = StatelyActor | StatelyMessage | StatelySnapshot;

interface StatelyBase {
  readonly rootId: string;
  readonly sessionId: string;
  /** Unix time in ms. */
  readonly createdAt: string;
  readonly id: null;
  readonly _version: string;
}

interface StatelyActor extends StatelyBase {
  readonly type: '@xstate.actor';
  readonly name: string;
  readonly parentId?: string;
  /** The machine's configuration as JSON; of another actor its name alone. */
  readonly definition: string;
  readonly snapshot: Plain;
}

interface StatelyMessage extends StatelyBase {
  readonly type: '@xstate.event';
  readonly sourceId?: string;
  readonly event: Plain;
}

interface StatelySnapshot extends StatelyBase {
  readonly type: '@xstate.snapshot';
  readonly event: Plain;
  readonly snapshot: Plain;
}

/** An actor, as it is now. */
export function statelyActor(actor: AnyActorRef): StatelyActor {
  const parent = actor._parent?.sessionId;
  const machine = machineOf(actor);
  return {
    type: '@xstate.actor',
    ...base(actor),
    name: actor.id,
    ...(parent !== undefined && { parentId: parent }),
    definition: JSON.stringify(machine?.config ?? { id: actor.id }, nameFunctions),
    snapshot: plainSnapshot(snapshotOf(actor)),
  };
}

/** @returns undefined for an event of XState without a counterpart */
export function statelyEvent(event: InspectionEvent): StatelyEvent | undefined {
  const actor = event.actorRef as AnyActorRef;
  switch (event.type) {
    case '@xstate.actor':
      return statelyActor(actor);
    case '@xstate.event': {
      const source = (event.sourceRef as AnyActorRef | undefined)?.sessionId;
      return {
        type: '@xstate.event',
        ...base(actor),
        ...(source !== undefined && { sourceId: source }),
        event: plainEvent(event.event),
      };
    }
    case '@xstate.snapshot':
      return {
        type: '@xstate.snapshot',
        ...base(actor),
        event: plainEvent(event.event),
        snapshot: plainSnapshot(event.snapshot),
      };
    default:
      return undefined;
  }
}

function base(actor: AnyActorRef): StatelyBase {
  return {
    rootId: rootOf(actor).sessionId,
    sessionId: actor.sessionId,
    createdAt: String(Date.now()),
    id: null,
    _version: VERSION,
  };
}

function rootOf(actor: AnyActorRef): AnyActorRef {
  let root = actor;
  while (root._parent !== undefined) root = root._parent;
  return root;
}

function plainEvent({ type, ...fields }: AnyEventObject): Plain {
  return { ...(sanitise(fields) as Record<string, Plain> | null), type };
}

function plainSnapshot({ status, value, context, output, error }: AnySnapshot): Plain {
  return sanitise({ status, value, context, output, error });
}

/** For JSON: a function by its name, as in the definitions of @statelyai/inspect. */
function nameFunctions(_key: string, value: unknown): unknown {
  return typeof value === 'function' ? { type: value.name } : value;
}
