import assert from 'node:assert/strict';
import type { ActorMessage, TransitionMessage } from '../../actors/inspection/protocol.js';
import { RecordedActors } from '../../actors/inspection/recorded-actors.js';

const LARGE = 'x'.repeat(100_000);

function actor(id: string, text = ''): ActorMessage {
  return { type: 'actor', time: 1, actor: id, id, snapshot: { status: 'active', active: [], context: text } };
}

function transition(id: string, text: string): TransitionMessage {
  const { snapshot } = actor(id, text);
  return { type: 'transition', time: 2, actor: id, event: { type: 'go', fields: {} }, edges: [], snapshot };
}

describe('The actors of a recorded run', () => {
  it('are the living ones, in the state of their latest transition', () => {
    const actors = new RecordedActors();
    for (const id of ['a', 'b', 'c']) actors.take(actor(id));
    actors.take(transition('a', 'later'));
    actors.take({
      type: 'snapshot',
      time: 3,
      actor: 'b',
      snapshot: { status: 'done', active: [], context: null },
    });
    assert.deepEqual(
      actors.actors.map(({ id, snapshot }) => [id, snapshot.context]),
      [
        ['a', 'later'],
        ['c', ''],
      ],
    );
  });

  it('take a bounded room, whatever a recording has', () => {
    const actors = new RecordedActors();
    for (let index = 0; index < 100; index++) {
      actors.take(actor(`${index}`, LARGE));
      actors.take(transition('99', LARGE));
    }
    const text = JSON.stringify(actors.present()).length;
    assert.ok(text > 1_500_000 && text < 2_200_000, `${text} characters`);
  });
});
