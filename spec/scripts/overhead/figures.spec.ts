import assert from 'node:assert/strict';
import type { Block, Costs } from '../../../scripts/overhead/block.js';
import { figuresOf } from '../../../scripts/overhead/figures.js';
import { render } from '../../../scripts/overhead/report.js';

const costs = (clock: number, work: number, agent = 0, kernel = 0): Costs => ({ clock, work, agent, kernel });

function block(round: number, changes: Partial<Block> = {}): Block {
  // The machine becomes slower by 1 % from a run to the next.
  const slower = (run: number) => 1.01 ** (round * 3 + run);
  return {
    workload: 'connect',
    place: 'containers',
    agent: 'collector',
    before: costs(100e3 * slower(0), 80e3 * slower(0)),
    ages: {
      young: costs(110e3 * slower(1), 88e3 * slower(1), 8e3 * slower(1)),
      warm: costs(105e3 * slower(1), 82e3 * slower(1), 2e3 * slower(1)),
    },
    after: costs(100e3 * slower(2), 80e3 * slower(2)),
    lost: 0,
    ...changes,
  };
}

const rounds = Array.from({ length: 10 }, (_, round) => block(round));
const target = () => ({ kind: 'node', most: 1.1 }) as const;

describe('figures of the bill', () => {
  it('are a figure for each age, in which a drift of the machine has no part', () => {
    const [young, warm] = figuresOf(rounds, target);
    assert.equal(young?.age, 'young');
    assert.ok(Math.abs(young.clock.ratio - 1.1) < 1e-9);
    assert.ok(Math.abs(young.node.ratio - 1.2) < 1e-9, 'the agent itself is a part of the node');
    assert.equal(young.verdict?.verdict, 'missed');
    assert.equal(warm?.age, 'warm');
    assert.ok(Math.abs(warm.node.ratio - 1.05) < 1e-9);
    assert.equal(warm.verdict?.verdict, 'met');
    assert.equal(warm.blocks, 10);
  });

  it('keep places and agents apart', () => {
    const others = [block(0, { place: 'host' }), block(0, { agent: 'bpftrace' })];
    const figures = figuresOf([...rounds, ...others], () => undefined);
    assert.deepEqual(
      figures.map(({ place, agent, age }) => [place, agent, age].join(' ')),
      [
        'containers collector young',
        'containers collector warm',
        'host collector young',
        'host collector warm',
        'containers bpftrace young',
        'containers bpftrace warm',
      ],
    );
    assert.equal(figures[0]!.verdict, undefined);
  });

  it('are a table with targets, losses and what was left out, with the reason', () => {
    const page = render({
      seconds: 1,
      warmUp: 5,
      agents: [{ name: 'collector', task: 'all' }],
      titles: { connect: 'TCP connection' },
      figures: figuresOf([...rounds, block(0, { place: 'host', lost: 7 })], target),
      skipped: [{ name: 'tcpconnect', why: 'no\nkprobes' }],
    });
    assert.match(page, /TCP connection, in containers +\| collector, young +\| \d+ +\| \d+ µs/);
    assert.match(page, /×1\.200 \(1\.200–1\.200\) +\| .* node ≤ ×1\.10 +\| missed by 0\.100/);
    assert.match(page, /×1\.050 \(too few\) +\| .* not decided/);
    assert.match(page, /^Lost by collector at connect on the host, by its own count: 7 events\.$/m);
    assert.match(page, /^Not measured here \(1\):\n\n- tcpconnect: no kprobes$/m);
  });
});
