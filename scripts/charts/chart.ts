import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { edgeId } from '../../actors/inspection/edge.js';
import type { Chart, Edge, StateNode } from '../../actors/inspection/protocol.js';

/** The chart of a machine, read from its definition: states outermost first, edges in the order of definition. */
export function chartOf(machine: AnyStateMachine): Chart {
  const nodes = [...nodesOf(machine.root)];
  return {
    id: machine.id,
    states: nodes.map(stateNode),
    edges: nodes.flatMap(({ transitions, always = [] }) =>
      [...transitions.values(), always].flat().map(edge),
    ),
  };
}

function* nodesOf(node: AnyStateNode): Generator<AnyStateNode> {
  yield node;
  for (const child of Object.values(node.states)) yield* nodesOf(child);
}

function stateNode(node: AnyStateNode): StateNode {
  if (node.type === 'history') throw new Error(`${node.id}: a chart has no sign for a history state.`);
  const initial = node.type === 'compound' ? node.initial.target[0]?.id : undefined;
  return {
    id: node.id,
    key: node.key,
    ...(node.parent && { parent: node.parent.id }),
    kind: node.type,
    ...(initial !== undefined && { initial }),
    invokes: node.invoke.map(({ id }) => id),
    entry: named(node.entry),
    exit: named(node.exit),
  };
}

function edge(transition: AnyTransitionDefinition): Edge {
  const id = edgeId(transition);
  const { source, guard } = transition;
  const event = transition.eventType as string;
  const [target, ...others] = transition.target ?? [];
  if (others.length > 0) throw new Error(`${id}: a chart has no sign for several targets.`);
  const delay = (transition as { readonly delay?: number | string }).delay;
  return {
    id,
    source: source.id,
    ...(target && { target: target.id }),
    label: label(event, source),
    event,
    ...(guard !== undefined && { guard: guardName(guard) }),
    ...(delay !== undefined && { delay: typeof delay === 'number' ? `${delay} ms` : delay }),
    actions: named(transition.actions),
  };
}

/** The event in a person's words. */
function label(event: string, { id }: AnyStateNode): string {
  const own = new RegExp(`^xstate\\.(after|done\\.state|done\\.actor|error\\.actor)\\.(.*)$`).exec(event);
  if (!own) return event === '' ? 'always' : event;
  const [, kind, of = ''] = own;
  if (kind === 'after') {
    const delay = of.slice(0, -`.${id}`.length);
    return `after ${/^\d+$/.test(delay) ? `${delay} ms` : delay}`;
  }
  if (kind === 'done.state') return 'done';
  return `${of} ${kind === 'done.actor' ? 'done' : 'failed'}`;
}

/** A guard or an action as XState keeps it: a name, a name with parameters, or one of XState's own with its fields. */
type Named = string | { readonly type?: string; readonly name?: string; readonly params?: unknown };

function guardName(guard: unknown): string {
  const { name, params } = nameOf(guard as Named);
  return name + parameters(params);
}

/** Parameters in brackets, unless they are made from the event. */
function parameters(params: unknown): string {
  if (typeof params !== 'object' || params === null) return '';
  const pairs = Object.entries(params).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return ` (${pairs.join(', ')})`;
}

function nameOf(one: Named): { readonly name: string; readonly params?: unknown } {
  if (typeof one === 'string') return { name: one };
  return { name: one.type ?? one.name ?? 'inline', params: one.params };
}

/** Names of actions, without the timers of an `after`, as its edge shows them. */
function named(actions: readonly unknown[]): string[] {
  return actions.flatMap((action) => actionName(action as Named & BuiltIn) ?? []);
}

/** Fields of XState's own actions. */
interface BuiltIn {
  readonly assignment?: unknown;
  readonly to?: unknown;
  readonly event?: unknown;
  readonly id?: unknown;
}

function actionName(action: Named & BuiltIn): string | undefined {
  const { name, params } = nameOf(action);
  switch (name) {
    case 'xstate.assign':
      return typeof action.assignment === 'object' && action.assignment !== null
        ? `assign ${Object.keys(action.assignment).join(', ')}`
        : 'assign';
    case 'xstate.sendTo':
      return `send ${eventName(action.event)} to ${typeof action.to === 'string' ? action.to : 'an actor'}`;
    case 'xstate.raise':
      return String(action.id).startsWith('xstate.after.') ? undefined : `raise ${eventName(action.event)}`;
    case 'xstate.emit':
      return `emit ${eventName(action.event)}`;
    case 'xstate.cancel':
      return undefined;
    case 'xstate.enqueueActions':
      return 'several actions';
    default:
      return name + parameters(params);
  }
}

function eventName(event: unknown): string {
  return typeof event === 'object' && event !== null && 'type' in event ? String(event.type) : 'an event';
}
