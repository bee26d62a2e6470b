import assert from 'node:assert/strict';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { Box, LaidOutChart, Point } from '../../actors/inspection/protocol.js';
import { collecting } from '../../machines/collecting.js';
import { lifecycle } from '../../machines/lifecycle.js';
import { stream } from '../../machines/stream.js';
import { chartOf } from '../../scripts/charts/chart.js';
import { layOutCharts } from '../../scripts/charts/layout.js';

const MACHINES: readonly AnyStateMachine[] = [lifecycle, collecting, stream];

describe('The chart of a machine', () => {
  for (const machine of MACHINES) {
    it(`has every state and every transition of ${machine.id} once`, () => {
      const { states, edges } = chartOf(machine);
      const nodes = nodesOf(machine.root);
      assert.deepEqual(sorted(states.map(({ id }) => id)), sorted(nodes.map(({ id }) => id)));
      assert.deepEqual(
        sorted(edges.map(({ source, event, target = '' }) => `${source} ${event} → ${target}`)),
        sorted(nodes.flatMap(defined)),
      );
      assert.equal(new Set([...states, ...edges].map(({ id }) => id)).size, states.length + edges.length);
    });
  }

  it('has labels, guards, delays, actors and actions for people', () => {
    const edges = MACHINES.flatMap((machine) => chartOf(machine).edges);
    const [loaded, failed] = edges.filter(({ source }) => source === 'collector.starting.load');
    assert.deepEqual(loaded, {
      id: 'collector.starting.load xstate.done.actor.load 0',
      source: 'collector.starting.load',
      target: 'collector.starting.loaded',
      label: 'load done',
      event: 'xstate.done.actor.load',
      actions: ['assign loaded', 'note (driverLoaded: true)'],
    });
    assert.equal(failed?.label, 'load failed');
    const [checked] = edges.filter(({ event }) => event === 'xstate.done.state.collector.starting');
    assert.deepEqual([checked?.label, checked?.guard], ['done', 'isCheckOnly']);
    const waited = edges.find(({ event }) => event === 'xstate.after.wait.stream.backing off');
    assert.deepEqual([waited?.label, waited?.delay, waited?.actions], ['after wait', 'wait', ['lengthen']]);
    const draining = chartOf(collecting).states.find(({ key }) => key === 'draining');
    assert.deepEqual([draining?.entry, draining?.exit], [['send stop to collection'], []]);
    assert.deepEqual(chartOf(stream).states.find(({ key }) => key === 'live')?.invokes, ['connection']);
  });
});

describe('The layout of a chart', () => {
  let charts: Record<string, LaidOutChart>;

  before(async () => {
    charts = await layOutCharts();
  });

  for (const { id } of MACHINES) {
    it(`has a box for each state of ${id}, inside its parent and beside its siblings`, () => {
      const { boxes, states, width, height } = charts[id]!;
      const whole: Box = { x: 0, y: 0, width, height };
      for (const state of states) {
        const own = boxes[state.id]!;
        assert.ok(isInside(own, state.parent === undefined ? whole : boxes[state.parent]!), state.id);
        for (const other of states)
          if (other.parent === state.parent && other.id !== state.id)
            assert.ok(!overlap(own, boxes[other.id]!), `${state.id} lies on ${other.id}`);
      }
    });

    it(`has a line and a label for each edge of ${id}, from its source to its target`, () => {
      const { boxes, edges, lines, states, starts } = charts[id]!;
      for (const { id: edge, source, target } of edges) {
        const { points, label } = lines[edge]!;
        if (target === undefined) {
          assert.ok(isInside(label, boxes[source]!), edge);
          continue;
        }
        assert.ok(isOnBorder(points[0]!, boxes[source]!), `${edge} starts elsewhere`);
        assert.ok(isOnBorder(points.at(-1)!, boxes[target]!), `${edge} ends elsewhere`);
      }
      for (const { id: state, initial } of states)
        if (initial !== undefined) assert.ok(isOnBorder(starts[state]!.at(-1)!, boxes[initial]!), state);
    });

    it(`has labels of ${id} that lie on no state and on no other label`, () => {
      const { boxes, edges, lines, states } = charts[id]!;
      const leaves = states.filter(({ kind }) => kind !== 'compound').map((state) => boxes[state.id]!);
      const labels = edges.filter(({ target }) => target !== undefined).map((edge) => lines[edge.id]!.label);
      for (const [n, label] of labels.entries())
        for (const other of [...leaves, ...labels.slice(n + 1)])
          assert.ok(!overlap(label, other), `${edges[n]!.id}: ${JSON.stringify([label, other])}`);
    });
  }

  it('is the same each time', async () => {
    assert.deepEqual(await layOutCharts(), charts);
  });
});

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap(nodesOf)];
}

/** Transitions by the configuration, as it was written. */
function defined(node: AnyStateNode): string[] {
  const { on, after, always, onDone } = node.config as Record<string, unknown>;
  const byEvent: [event: string, transitions: unknown][] = [
    ...Object.entries(on ?? {}),
    ...Object.entries(after ?? {}).map(([delay, one]): [string, unknown] => [
      `xstate.after.${delay}.${node.id}`,
      one,
    ]),
    ['', always],
    [`xstate.done.state.${node.id}`, onDone],
    ...node.invoke.flatMap((invoke): [string, unknown][] => [
      [`xstate.done.actor.${invoke.id}`, invoke.onDone],
      [`xstate.error.actor.${invoke.id}`, invoke.onError],
    ]),
  ];
  return byEvent.flatMap(([event, transitions]) =>
    [transitions]
      .flat()
      .filter((one) => one !== undefined)
      .map((one) => `${node.id} ${event} → ${targetOf(node, one)}`),
  );
}

function targetOf(node: AnyStateNode, transition: unknown): string {
  const target =
    typeof transition === 'string' ? transition : (transition as { readonly target?: string }).target;
  if (target === undefined) return '';
  if (target.startsWith('#')) return target.slice(1);
  return `${node.parent!.id}.${target}`;
}

function sorted(texts: readonly string[]): string[] {
  return texts.toSorted();
}

function isInside(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function isOnBorder([x, y]: Point, { x: left, y: top, width, height }: Box): boolean {
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1;
  const isWithin = x >= left - 1 && x <= left + width + 1 && y >= top - 1 && y <= top + height + 1;
  return isWithin && (near(x, left) || near(x, left + width) || near(y, top) || near(y, top + height));
}
