import assert from 'node:assert/strict';
import type { ConnectionReport, EndpointReport } from '../../actors/connections/report.js';
import { networkJson, processJson } from '../../actors/output/json.js';
import type { ProcessSignal } from '../../actors/processes/signal.js';
import { assertMessage } from '../support/proto-json.js';
import { containerNumber } from '../support/records.js';
import { ID, TIME, signal as sample } from '../support/reports.js';

const signal: ProcessSignal = {
  ...sample,
  args: '-l "x"\n',
  lineage: [
    { pid: 5, uid: 0, path: '/bin/sh' },
    { pid: 1, uid: 1000, path: '' },
  ],
};
const client: ConnectionReport = {
  container: containerNumber(ID),
  protocol: 6,
  role: 2,
  local: undefined,
  remote: { address: Uint8Array.of(10, 0, 0, 2), port: 80, network: Uint8Array.of(10, 0, 0, 0, 8) },
  closedAt: TIME,
};
const server: ConnectionReport = {
  ...client,
  role: 1,
  local: { address: new Uint8Array(0), port: 8080, network: new Uint8Array(0) },
  remote: { ...client.remote, port: 0 },
  closedAt: undefined,
};
const endpoint: EndpointReport = {
  container: containerNumber(ID),
  protocol: 6,
  family: 10,
  listen: { address: new Uint8Array(16), port: 80, network: Uint8Array.of(...new Uint8Array(16), 128) },
  originator: 3,
  closedAt: undefined,
};
const nginx = { name: 'nginx', path: '/usr/sbin/nginx', args: '' };

describe('standalone JSON', () => {
  it('has a process signal as protobuf JSON', () => {
    const message: unknown = JSON.parse(processJson(signal));
    assertMessage('sensor.SignalStreamMessage', message);
    assert.deepEqual(message, {
      signal: {
        processSignal: {
          id: 'abcdef01-2345-8678-8000-000000000000',
          containerId: ID,
          time: '2023-11-14T22:13:20.000007Z',
          name: 'ls',
          args: '-l "x"\n',
          execFilePath: '/bin/ls',
          pid: 10,
          uid: 1000,
          gid: 100,
          scraped: true,
          lineageInfo: [{ parentExecFilePath: '/bin/sh' }, { parentUid: 1000 }],
        },
      },
    });
  });

  it('leaves out what is the default: root, no arguments, the host', () => {
    const bare = { ...signal, container: 0, args: '', uid: 0, gid: 0, scraped: false, lineage: [] };
    const message: unknown = JSON.parse(processJson(bare));
    assertMessage('sensor.SignalStreamMessage', message);
    assert.deepEqual(message, {
      signal: {
        processSignal: {
          id: signal.id,
          time: '2023-11-14T22:13:20.000007Z',
          name: 'ls',
          execFilePath: '/bin/ls',
          pid: 10,
        },
      },
    });
  });

  it('has connections and endpoints as protobuf JSON', () => {
    const delta = { connections: [client, server], endpoints: [endpoint] };
    const message: unknown = JSON.parse(networkJson(delta, TIME, () => nginx));
    assertMessage('sensor.NetworkConnectionInfoMessage', message);
    const remote = { addressData: 'CgAAAg==', ipNetwork: 'CgAAAAg=' };
    assert.deepEqual(message, {
      info: {
        time: '2023-11-14T22:13:20.000007Z',
        updatedConnections: [
          {
            remoteAddress: { ...remote, port: 80 },
            protocol: 'L4_PROTOCOL_TCP',
            role: 'ROLE_CLIENT',
            containerId: ID,
            closeTimestamp: '2023-11-14T22:13:20.000007Z',
          },
          {
            localAddress: { port: 8080 },
            remoteAddress: remote,
            protocol: 'L4_PROTOCOL_TCP',
            role: 'ROLE_SERVER',
            containerId: ID,
          },
        ],
        updatedEndpoints: [
          {
            socketFamily: 'SOCKET_FAMILY_IPV6',
            protocol: 'L4_PROTOCOL_TCP',
            listenAddress: {
              addressData: 'AAAAAAAAAAAAAAAAAAAAAA==',
              port: 80,
              ipNetwork: 'AAAAAAAAAAAAAAAAAAAAAIA=',
            },
            containerId: ID,
            originator: { processName: 'nginx', processExecFilePath: '/usr/sbin/nginx' },
          },
        ],
      },
    });
  });

  it('says nothing of the process when it is not known', () => {
    const delta = { connections: [], endpoints: [{ ...endpoint, originator: 0 }] };
    const message = JSON.parse(networkJson(delta, TIME, () => assert.fail('nobody to ask for'))) as {
      info: { updatedEndpoints: object[] };
    };
    assertMessage('sensor.NetworkConnectionInfoMessage', message);
    assert.equal('originator' in message.info.updatedEndpoints[0]!, false);
  });
});
