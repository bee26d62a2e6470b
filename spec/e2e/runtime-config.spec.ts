import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Collector } from '../support/collector.js';
import { type Container, WIRE } from '../support/container.js';
import type { Connection } from '../support/messages.js';
import { pair } from '../support/pair.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { scratchFolder } from '../support/workload.js';

const PUBLIC = '35.127.0.15';
const TCP = 'L4_PROTOCOL_TCP';

const enabled = (direction: string) =>
  `networking: {externalIps: {enabled: ENABLED, direction: ${direction}}}\n`;

describe('The daemon, on a runtime configuration that changes', function () {
  this.timeout(60_000);
  const keep = resources();
  let caller: Container;
  let host: Container;
  let port: number;
  let folder: string;
  let versions = 0;

  before(async function () {
    requires(this, isRoot, 'no root');
    [caller, host] = await pair(keep);
    inside(host, 'addr', 'add', `${PUBLIC}/32`, 'dev', 'eth0');
    inside(caller, 'route', 'add', `${PUBLIC}/32`, 'dev', 'eth0', 'src', WIRE.v4[0]);
    // The connection is there before the daemon, so its role is told from the ports.
    const server = await host.start('serve', PUBLIC, '2', '8080');
    port = Number(await server.said('listening'));
    const call = await caller.start('connect', PUBLIC, String(port));
    await call.said('connected');
  });

  for (const afterglow of ['true', 'false']) {
    describe(`with the afterglow ${afterglow === 'true' ? 'on' : 'off'}`, () => {
      let collector: Collector;

      before(async function () {
        requires(this, isRoot, 'no root');
        folder = path.join(scratchFolder(), `runtime-config-${afterglow}`);
        mkdirSync(folder);
        swap(enabled('INGRESS'));
        symlinkSync('..data/config.yaml', path.join(folder, 'config.yaml'));
        const env = {
          ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
          ROX_ENABLE_AFTERGLOW: afterglow,
          ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
          ROX_COLLECTOR_CONFIG_PATH: path.join(folder, 'config.yaml'),
        };
        collector = await keep(Collector.start([], { env }));
      });

      it('tells an external peer by its address, and again as one of all, as the ConfigMap is swapped', async () => {
        await reported(collector, aggregated(), 'open');
        swap(enabled('EGRESS'));
        await reported(collector, told(), 'open');
        await reported(collector, aggregated(), 'closed');

        swap('networking: {externalIps: {enabled: PERHAPS}}\n');
        await collector.shows(
          () => 'a complaint',
          () =>
            /ERROR .* cannot be used, .*Bad value 'PERHAPS' .* at line 1, column 37/.test(collector.stderr),
        );
        swap(enabled('BOTH'));
        await collector.shows(
          () => 'both directions',
          () => collector.stderr.includes('is read: external IPs: both'),
        );

        rmSync(path.join(folder, 'config.yaml'));
        await reported(collector, aggregated(), 'open');
        await reported(collector, told(), 'closed');
        // Nothing in between: neither of them flapped.
        assert.deepEqual(statesOf(collector, aggregated()), ['open', 'closed', 'open']);
        assert.deepEqual(statesOf(collector, told()), ['open', 'closed']);
      });
    });
  }

  describe('that limits connections', () => {
    it('says which container has too many, once, and reports the others later', async function () {
      requires(this, isRoot, 'no root');
      const file = path.join(scratchFolder(), 'limit.yaml');
      // One in a report.
      writeFileSync(file, 'networking: {maxConnectionsPerMinute: 60}\n');
      const env = {
        ROX_COLLECTOR_SCRAPE_INTERVAL: '1',
        ROX_COLLECTOR_RUNTIME_CONFIG_ENABLED: 'true',
        ROX_COLLECTOR_CONFIG_PATH: file,
      };
      const collector = await keep(Collector.start([], { env }));
      const ports = await Promise.all(
        [1, 2, 3].map(async () =>
          Number(await (await host.start('serve', WIRE.v4[1], '1')).said('listening')),
        ),
      );
      for (const one of ports)
        await (await caller.start('connect', WIRE.v4[1], String(one))).said('connected');
      const open = () =>
        collector.messages.flatMap(({ info }) => {
          const mine =
            info?.updatedConnections?.filter(({ containerId }) => containerId === caller.shortId) ?? [];
          return mine.length === 0 ? [] : [mine.map(({ remoteAddress }) => remoteAddress.port)];
        });
      await collector.shows(
        () => `all of ${ports.join()} in ${JSON.stringify(open())}`,
        () => ports.every((one) => open().flat().includes(one)),
      );
      assert.ok(
        open().every(({ length }) => length === 1),
        JSON.stringify(open()),
      );
      const warnings = collector.stderr
        .split('\n')
        .filter((line) => line.includes('too many new connections'));
      assert.equal(warnings.filter((line) => line.includes(`Container ${caller.shortId} `)).length, 1);
    });
  });

  function aggregated(): Connection {
    return { ...told(), remoteAddress: { addressData: base64(255, 255, 255, 255), port } };
  }

  function told(): Connection {
    return {
      remoteAddress: { port, ipNetwork: base64(35, 127, 0, 15, 32) },
      protocol: TCP,
      role: 'ROLE_CLIENT',
      containerId: caller.shortId,
    };
  }

  /** All reports of one connection, in their order. */
  function statesOf(collector: Collector, connection: Connection): string[] {
    return collector
      .connections(caller.shortId)
      .filter(({ closeTimestamp: _, ...report }) => isDeepStrictEqual(report, connection))
      .map(({ closeTimestamp }) => (closeTimestamp === undefined ? 'open' : 'closed'));
  }

  async function reported(collector: Collector, connection: Connection, state: string): Promise<void> {
    await collector.shows(
      () => `${JSON.stringify(connection)} ${state}`,
      () => statesOf(collector, connection).at(-1) === state,
    );
  }

  /** What Kubernetes does to the folder of a ConfigMap. */
  function swap(text: string): void {
    const version = `..${++versions}`;
    mkdirSync(path.join(folder, version));
    writeFileSync(path.join(folder, version, 'config.yaml'), text);
    symlinkSync(version, path.join(folder, '..data_tmp'));
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
  }
});

function inside({ pid }: Container, ...command: string[]): void {
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', ...command]);
}

function base64(...bytes: number[]): string {
  return Buffer.from(bytes).toString('base64');
}
