import assert from 'node:assert/strict';
import { introspectionRoutes, type IntrospectionSources } from '../../actors/http/introspection.js';
import type { View } from '../../actors/connections/listing.js';
import type { RuntimeConfig } from '../../actors/settings/runtime-config.js';
import { eventually } from '../support/eventually.js';
import { resources } from '../support/resources.js';
import { containerNumber } from '../support/records.js';
import { ask, dial, Served } from './support.js';

const ID = '01e8c0454972';

describe('The routes of introspection', () => {
  const keep = resources();
  const asked: Omit<View, 'originator'>[] = [];
  let config: RuntimeConfig = { externalIps: 'none', maxConnectionsPerMinute: 2048 };
  let pieces: () => Iterable<string> = () => ['{', '', '}'];
  let served: Served;

  before(async () => {
    const show = (view: Omit<View, 'originator'>) => {
      asked.push(view);
      return pieces();
    };
    const sources: IntrospectionSources = {
      container: (id) => (id === ID ? { namespace: 'stackrox', pod: 'collector-x' } : undefined),
      connections: show,
      endpoints: show,
      runtimeConfig: () => config,
    };
    served = await keep(Served.start(introspectionRoutes(sources)));
  });

  it('tell what is known of a container', async () => {
    const { status, text } = await served.ask(`/state/containers/${ID}`);
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(text), { container_id: ID, namespace: 'stackrox', pod: 'collector-x' });
  });

  it('know no other container', async () => {
    assert.equal((await served.ask('/state/containers/aaaaaaaaaaaa')).status, 404);
  });

  for (const id of ['', '01e8c045497', '01e8c04549721', '01E8C0454972', 'zzzzzzzzzzzz', `${ID}/x`, '%30']) {
    it(`refuse the id "${id}", and say what one looks like`, async () => {
      const { status, text } = await served.ask(`/state/containers/${id}`);
      assert.equal(status, 400);
      assert.match(text, /first 12 digits/);
    });
  }

  for (const what of ['connection', 'endpoint']) {
    it(`pass on what is asked of each ${what}`, async () => {
      asked.length = 0;
      for (const query of ['', `?container=${ID}`, `?container=${ID}&normalize=false`, '?normalize=true']) {
        const { status, text } = await served.ask(`/state/network/${what}${query}`);
        assert.deepEqual([status, text], [200, '{}']);
      }
      const container = containerNumber(ID);
      assert.deepEqual(asked, [
        { normalize: true },
        { normalize: true, container },
        { normalize: false, container },
        { normalize: true },
      ]);
    });

    for (const query of ['container=x', 'container=', 'normalize=no', 'normalize=']) {
      it(`refuse ?${query} of each ${what}`, async () => {
        const { status, text } = await served.ask(`/state/network/${what}?${query}`);
        assert.equal(status, 400);
        assert.match(text, new RegExp(`"${query.split('=')[0]!}: .*allowed`));
      });
    }
  }

  it('show a large answer in pieces, others being served meanwhile, but only one such at a time', async () => {
    let made = 0;
    let open = true;
    pieces = function* () {
      for (; open && made < 1_000_000; made++) yield 'x'.repeat(1000);
    };
    const socket = await dial(served.address);
    socket.write('GET /state/network/connection HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(() => made > 0, 'it has begun');
    assert.equal((await ask(served.address, '/state/runtime-config')).status, 200);
    assert.equal((await ask(served.address, '/state/network/connection')).status, 503);
    // Nobody reads, so no more is made than fits into buffers on the way.
    const before = await eventually(async () => {
      const then = made;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return made === then ? made : undefined;
    }, 'it waits for its reader');
    assert.ok(before < 1_000_000);
    socket.destroy();
    pieces = () => ['{}'];
    await eventually(
      async () => (await ask(served.address, '/state/network/connection')).status === 200,
      'whoever left makes room',
    );
    open = false;
  });

  it('show the runtime configuration as its file has it', async () => {
    const shown = async () => JSON.parse((await served.ask('/state/runtime-config')).text) as unknown;
    const file = (enabled: string, direction: string, maxConnectionsPerMinute: number) => ({
      networking: { externalIps: { enabled, direction }, maxConnectionsPerMinute },
    });
    assert.deepEqual(await shown(), file('DISABLED', 'BOTH', 2048));
    config = { externalIps: 'ingress', maxConnectionsPerMinute: 7 };
    assert.deepEqual(await shown(), file('ENABLED', 'INGRESS', 7));
  });
});
