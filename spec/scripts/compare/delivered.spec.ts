import assert from 'node:assert/strict';
import type { SensorEvent } from '../../../scripts/sensor/double.js';
import { Delivered } from '../../../scripts/compare/delivered.js';
import { madeCounts } from '../../../scripts/compare/workloads.js';

const [processes, ports] = ['a'.repeat(64), 'b'.repeat(64)];
const [processesId, portsId] = [processes.slice(0, 12), ports.slice(0, 12)];

const signal = (containerId: string, args: string): SensorEvent =>
  ({
    stream: 'signals',
    connection: 1,
    event: 'message',
    message: { signal: { processSignal: { containerId, args, name: 'nothing' } } },
  }) as unknown as SensorEvent;

const network = (info: object): SensorEvent => ({
  stream: 'network',
  connection: 2,
  message: { info },
});

describe('deliveries', () => {
  it('count each exec, endpoint and end of a connection once', () => {
    const delivered = new Delivered(processes, ports);
    for (const args of ['1', '2', '2']) delivered.take(signal(processesId, args));
    const updatedEndpoints = [80, 81, 80].map((port) => ({ containerId: portsId, listenAddress: { port } }));
    const updatedConnections = [
      { containerId: portsId, role: 'ROLE_SERVER', localAddress: { port: 80 }, remoteAddress: {} },
      { containerId: portsId, role: 'ROLE_CLIENT', localAddress: {}, remoteAddress: { port: 80 } },
      { containerId: portsId, role: 'ROLE_CLIENT', localAddress: {}, remoteAddress: { port: 80 } },
    ];
    delivered.take(network({ updatedEndpoints, updatedConnections }));
    assert.deepEqual(delivered.counts, { execs: 2, endpoints: 2, connections: 2 });
  });

  it('leave out other containers and other messages', () => {
    const delivered = new Delivered(processes, ports);
    delivered.take(signal(portsId, '1'));
    delivered.take(signal(processesId, '/cgroup processes 200 /nothing'));
    delivered.take(network({ updatedEndpoints: [{ containerId: 'c', listenAddress: { port: 80 } }] }));
    delivered.take(network({}));
    delivered.take({ stream: 'signals', connection: 1, event: 'end', status: 'OK' });
    assert.deepEqual(delivered.counts, { execs: 0, endpoints: 0, connections: 0 });
  });
});

describe('the counts of the loads', () => {
  it('are in their last lines; a connection has two ends', () => {
    assert.deepEqual(madeCounts('processes 14000\n', 'listeners 900 ports 300 connections 900\n'), {
      execs: 14000,
      endpoints: 300,
      connections: 600,
    });
  });

  it('that are missing are an error with the lines', () => {
    assert.throws(() => madeCounts('', 'listeners'), /did not say what they made: '', 'listeners'/);
  });
});
