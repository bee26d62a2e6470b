import assert from 'node:assert/strict';
import { Subject } from 'rxjs';
import type { Fact } from '../../actors/capture/facts.js';
import { Slices } from '../../actors/capture/slices.js';
import { Connections } from '../../actors/connections/actor.js';
import { ProcessState } from '../../actors/processes/state.js';
import { startFact } from '../support/facts.js';
import { batch, exitRecord, processRecord, socketRecord } from '../support/records.js';

const ID = '4f2a91bc03de';
/** So many processes have more to say of themselves than is kept at a time. */
const PROCESSES = 2500;
const LONG = 'x'.repeat(4000);

describe('The processes that listen', () => {
  /** Each report: `open` or `closed`, and the first word of the arguments. */
  const told: string[] = [];
  const state = new ProcessState(100);
  const facts = new Subject<Fact>();
  const slices = new Slices();
  let time = 1;

  const tell = (fact: Fact) => {
    state.fold(fact);
    facts.next(fact);
    Array.from(slices.run());
  };
  const records = (...bytes: readonly Uint8Array[]) =>
    tell({ kind: 'records', time, records: batch(...bytes) });
  const tick = () => tell({ kind: 'tick', time, epoch: 0, audience: 'same' });
  const listener = (pid: number) => ({ container: ID, pid, cookie: pid, local: '0.0.0.0', localPort: 8080 });
  const listen = (pid: number) => {
    time++;
    records(
      processRecord({ container: ID, pid, startTime: pid, comm: 'httpd', args: ['httpd', `${pid}`, LONG] }),
      socketRecord({ ...listener(pid), type: 'listen', time }),
    );
  };
  const end = (pid: number) => {
    time++;
    records(
      socketRecord({ ...listener(pid), type: 'unlisten', time }),
      exitRecord({ container: ID, pid, startTime: pid }),
    );
  };

  before(() => {
    const originatorOf = (container: number, pid: number) => state.originatorId(container, pid);
    const connections = new Connections(originatorOf, slices, {}, state);
    connections.updates(facts).subscribe(({ delta }) => {
      for (const { originator, closedAt } of delta.endpoints) {
        const name = originator === 0 ? 'nobody' : state.originator(originator).args.split(' ')[0]!;
        told.push(`${closedAt === undefined ? 'open' : 'closed'} ${name}`);
      }
    });
    tell(startFact());
    listen(1);
    for (let pid = 2; pid <= PROCESSES; pid++) {
      listen(pid);
      tick();
      end(pid);
      tick();
    }
    tick();
  });

  it('are told by name when they begin and when they end, however many there have been', () => {
    const others = Array.from({ length: PROCESSES - 1 }, (_, i) => [`open ${i + 2}`, `closed ${i + 2}`]);
    assert.deepEqual(told.toSorted(), ['open 1', ...others.flat()].toSorted());
    assert.equal(state.counts.nameless, 0);
  });

  it('are kept as long as they listen', () => {
    told.length = 0;
    end(1);
    tick();
    assert.deepEqual(told, ['closed 1']);
  });
});
