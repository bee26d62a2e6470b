import assert from 'node:assert/strict';
import type { LifecycleFact, RecordedFact } from '../../actors/capture/facts.js';
import type { Recorder } from '../../actors/capture/recorder.js';
import type { ActorMessage, TransitionMessage } from '../../actors/inspection/protocol.js';
import { LifecycleRecording } from '../../actors/wiring/lifecycle-recording.js';
import { startFact } from '../support/facts.js';

const snapshot = { status: 'active', active: [], context: null } as const;
const actor: ActorMessage = { type: 'actor', time: 1000, actor: 'x:0', id: 'collector', snapshot };

function transition(time: number): TransitionMessage {
  return { type: 'transition', time, actor: 'x:0', event: { type: 'e', fields: {} }, edges: [], snapshot };
}

describe('The lifecycle in a recording', () => {
  const start = startFact({ time: 2e9, epoch: 500e6 });
  let written: LifecycleFact[];
  const recorder = {
    write: (fact: RecordedFact) => {
      written.push(fact as LifecycleFact);
    },
  } as unknown as Recorder;

  beforeEach(() => {
    written = [];
  });

  it('begins with what was before the recording, at the times of then, and goes on at the times of now', () => {
    const lifecycle = new LifecycleRecording();
    lifecycle.take(actor);
    lifecycle.take(transition(9000)); // by a clock that was set since
    lifecycle.begin(recorder, start, () => 3e9);
    lifecycle.take(transition(4000));
    assert.deepEqual(
      written.map(({ time, messages }) => [time / 1e6, messages[0]?.type]),
      [
        [500, 'actor'],
        [2000, 'transition'],
        [3000, 'transition'],
      ],
    );
  });

  it('has all actors of a start that took days, and its latest transitions', () => {
    const lifecycle = new LifecycleRecording();
    lifecycle.take(actor);
    for (let n = 0; n < 2000; n++) lifecycle.take(transition(n));
    lifecycle.begin(recorder, start, () => 3e9);
    assert.equal(written.length, 512);
    assert.equal(written[0]?.messages[0], actor);
    assert.equal(written.at(-1)?.messages[0]?.time, 1999);
  });

  it('stops at its own end', () => {
    const lifecycle = new LifecycleRecording();
    lifecycle.begin(recorder, start, () => 3e9);
    lifecycle.end();
    lifecycle.take(transition(1));
    assert.deepEqual(written, []);
  });
});
