import assert from 'node:assert/strict';
import { Inbox, longestGaps } from '../../scripts/faults/inbox.js';
import { EMPTY, imbalance, lossesIn, unconfirmedIn, type Ledger } from '../../scripts/faults/ledger.js';
import { judge, MEMORY_BOUND } from '../../scripts/faults/outcome.js';
import { dataOf, render } from '../../scripts/faults/report.js';
import type { Findings } from '../../scripts/faults/fault.js';

function ledger(given: Partial<Ledger>): Ledger {
  return { ...EMPTY, ...given };
}

const loss = (stage: string, cause: string, count: number) => ({ stage, cause, count });

describe('the law of losses', () => {
  const made = { execs: 100, connections: 20 };

  it('holds when all is delivered', () => {
    assert.equal(imbalance(ledger({ made, delivered: made })), 0);
  });

  it('holds when what is missing was counted, by the kernel for either kind', () => {
    const delivered = { execs: 90, connections: 15 };
    const losses = [loss('sensor', 'queue_full', 10), loss('kernel', 'ring_full', 5)];
    assert.equal(imbalance(ledger({ made, delivered, losses })), 0);
  });

  it('is broken by what is neither delivered nor counted', () => {
    const delivered = { execs: 90, connections: 15 };
    assert.equal(imbalance(ledger({ made, delivered })), 15);
    // A lost record hides one thing at the most, and a full queue of signals no connection.
    const losses = [loss('kernel', 'ring_full', 4), loss('sensor', 'queue_full', 12)];
    assert.equal(imbalance(ledger({ made, delivered, losses })), 1);
  });

  it('counts nothing as lost that Sensor has, but by what others on the node lost, too', () => {
    const losses = [loss('sensor', 'queue_full', 10)];
    assert.equal(imbalance(ledger({ made, delivered: made, losses })), -9);
    assert.equal(imbalance(ledger({ made, delivered: made, losses, isShared: true })), 0);
  });

  it('knows what was made while nobody watched', () => {
    const unwatched = { execs: 30, connections: 5 };
    assert.equal(imbalance(ledger({ made, delivered: { execs: 70, connections: 15 }, unwatched })), 0);
  });
});

describe('the losses of a Collector', () => {
  it('are read from its metrics, and from its last words', () => {
    const exposition = [
      '# HELP collector_losses_total x',
      'collector_losses_total{stage="kernel",cause="ring_full"} 7',
      'collector_losses_total{stage="sensor",cause="queue_full"} 0',
    ].join('\n');
    assert.deepEqual(lossesIn(exposition), [loss('kernel', 'ring_full', 7)]);
    const log =
      'Sensor did not confirm 5 process signals by the end: 3 were never sent, 2 were sent and may have arrived. ' +
      'The same is so of 2 network reports.';
    assert.deepEqual(unconfirmedIn(log, 10), [
      loss('end', 'unconfirmed', 5),
      loss('end', 'reports_unconfirmed', 20),
    ]);
    assert.deepEqual(unconfirmedIn('', 10), []);
  });
});

describe('the inbox of a load', () => {
  it('counts each program and each ended connection once', () => {
    const inbox = new Inbox('aaa', ['aaa', 'bbb']);
    const exec = (args: string) => ({ signal: { processSignal: { containerId: 'aaa', args } } });
    for (const args of ['exit 0', 'exit 2', 'exit 2', 'exit x']) inbox.takeMessage(exec(args));
    const remoteAddress = { addressData: Buffer.of(10, 112, 0, 3).toString('base64') };
    const connection = { containerId: 'aaa', remoteAddress };
    inbox.takeMessage({ info: { updatedConnections: [connection] } });
    assert.deepEqual(inbox.counts, { execs: 2, connections: 0 });
    inbox.takeMessage({ info: { updatedConnections: [{ ...connection, closeTimestamp: 'now' }] } });
    assert.deepEqual(inbox.counts, { execs: 2, connections: 1 });
    assert.equal(inbox.isShared, false);
    inbox.takeMessage({ signal: { processSignal: { containerId: 'ccc', args: 'exit 5' } } });
    assert.deepEqual([inbox.counts.execs, inbox.isShared], [2, true]);
  });

  it('finds the longest times without a watch, but for what may be on its way', () => {
    const there = new Set([0, 1, 5, 6, 8, 9]);
    assert.equal(longestGaps(there, 10, 1), 3);
    assert.equal(longestGaps(there, 10, 2), 4);
    assert.equal(longestGaps(there, 20, 1), 3);
    assert.equal(longestGaps(there, 10, 0), 0);
  });
});

describe('the verdict on a fault', () => {
  const fault = { name: 'x', title: 'X happens' };
  const good: Findings = { ledger: EMPTY, memory: 1e6, ending: 10, said: [], problems: [], log: '' };

  it('names each way in which the law is broken', () => {
    assert.deepEqual(judge(fault, 1, good).breaches, []);
    const bad: Findings = {
      ledger: ledger({ made: { execs: 2, connections: 0 } }),
      memory: MEMORY_BOUND + 2 ** 20,
      ending: 2500,
      said: [
        { what: 'this', lines: 0, most: 2 },
        { what: 'that', lines: 3, most: 2 },
      ],
      problems: ['a problem'],
      log: '',
    };
    assert.deepEqual(judge(fault, 1, bad).breaches, [
      '2 were neither delivered nor counted',
      '161 MiB of memory are over 160',
      'SIGTERM took 2500 ms, over 2000',
      'the log says nothing of this',
      'the log says that 3 times, over 2',
      'a problem',
    ]);
  });

  it('is a row of a table, with the breaches below', () => {
    const text = render(dataOf([judge(fault, 1, { ...good, problems: ['a|b'] })], false));
    assert.match(text, /The law holds for 0 of 1 faults/);
    assert.match(text, /\| X happens \| 1 \| 0 \+ 0 \|.*\*\*broken\*\*: a\\\|b/);
    assert.match(text, /^- `x`: a\|b$/m);
  });
});
