import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';

/**
 * The id of a transition in its machine's chart, `<source> <event> <n>`: the n-th transition of the source for the
 * event, from 0, in the order of the definition. The event of an `always` transition is empty.
 */
export function edgeId(transition: AnyTransitionDefinition): string {
  const { eventType, source } = transition as { readonly eventType: string; readonly source: AnyStateNode };
  const siblings = (eventType === '' ? source.always : source.transitions.get(eventType)) ?? [];
  return `${source.id} ${eventType} ${siblings.indexOf(transition)}`;
}
