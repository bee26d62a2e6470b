import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { ConnectionLimit } from '../../actors/http/connection-limit.js';

describe('The limit of connections', () => {
  let servers: Server[];
  let clients: Socket[];
  let cut: number;

  beforeEach(() => {
    servers = [];
    clients = [];
    cut = 0;
  });
  afterEach(() => {
    for (const client of clients) client.destroy();
    for (const server of servers) server.close();
  });

  /** Serves at as many addresses; `others` files are open beside the connections. */
  async function serve(count: number, limit: number, others: number): Promise<void> {
    const used = () => others + clients.filter(({ destroyed }) => !destroyed).length;
    const connections = new ConnectionLimit(
      () => cut++,
      () => ({ limit, used: used() }),
    );
    for (let i = 0; i < count; i++) {
      const server = createServer().listen(0, '127.0.0.1');
      servers.push(server);
      connections.watch(server);
      await once(server, 'listening');
    }
  }

  /** Opens a connection that says nothing. */
  async function open(server: Server): Promise<Socket> {
    const accepted = once(server, 'connection');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    clients.push(client);
    await accepted;
    return client;
  }

  /** Connections that a server has. */
  async function count(server: Server): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  }

  it('leaves descriptors for what collects, and shares the rest out among servers', async () => {
    await serve(2, 184, 100); // 64 are spare: 20 for two servers
    for (const server of servers) for (let i = 0; i < 30; i++) await open(server);
    for (const server of servers) assert.equal(await count(server), 10);
    assert.equal(cut, 40);
  });

  it('cuts the oldest first, so that the newest is always served', async () => {
    await serve(1, 184, 110);
    const first = await open(servers[0]!);
    const ended = once(first, 'close');
    for (let i = 0; i < 10; i++) await open(servers[0]!);
    await ended;
    assert.ok(clients.slice(1).every(({ destroyed }) => !destroyed));
  });

  it('takes some however few descriptors there are', async () => {
    await serve(1, 32, 60);
    for (let i = 0; i < 20; i++) await open(servers[0]!);
    assert.equal(await count(servers[0]!), 8);
  });

  it('cuts nothing while there is room', async () => {
    await serve(2, 1024, 100);
    for (let i = 0; i < 100; i++) await open(servers[0]!);
    assert.equal(await count(servers[0]!), 100);
    assert.equal(cut, 0);
  });
});
