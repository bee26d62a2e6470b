import { StateMachine, type AnyActorRef, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate';

/** A snapshot of any actor, as far as it is shown. */
export interface AnySnapshot extends Pick<AnyMachineSnapshot, 'status'> {
  readonly _nodes?: AnyMachineSnapshot['_nodes'];
  readonly value?: unknown;
  readonly context?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
}

/** The machine of an actor; undefined if it has none. */
export function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const { logic } = actor as unknown as { readonly logic: unknown };
  return logic instanceof StateMachine ? (logic as AnyStateMachine) : undefined;
}

/** The latest snapshot; an actor is announced before its first one exists. */
export function snapshotOf(actor: AnyActorRef): AnySnapshot {
  return (actor.getSnapshot() as AnySnapshot | undefined) ?? { status: 'active' };
}

export function isAlive(actor: AnyActorRef): boolean {
  return snapshotOf(actor).status === 'active';
}
