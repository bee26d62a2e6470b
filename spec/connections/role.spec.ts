import assert from 'node:assert/strict';
import { SocketRole } from '../../actors/capture/layout.js';
import { Roles, roleFromPorts } from '../../actors/connections/role.js';
import { Sharers } from '../../actors/shares/sharers.js';
import { batch, socketRecord, type Socket } from '../support/records.js';

describe('role from ports', () => {
  // By the rank of the local and of the remote port: the lower one is the server's.
  const ranks: [rank: number, ports: number[]][] = [
    [0, [1, 80, 1023, 5001, 8080, 32767]],
    [1, [1024]],
    [2, [1025, 5000]],
    [3, [32768, 49151]],
    [4, [49152, 65535]],
  ];
  for (const [localRank, localPorts] of ranks) {
    for (const [remoteRank, remotePorts] of ranks) {
      const role = localRank < remoteRank ? 'server' : 'client';
      it(`is ${role} for a local port like ${localPorts[0]} and a remote one like ${remotePorts[0]}`, () => {
        for (const local of localPorts) {
          for (const remote of remotePorts) assert.equal(roleFromPorts(local, remote), SocketRole[role]);
        }
      });
    }
  }
});

describe('role of a socket that a scan found', () => {
  // Going by the ports, these would be clients.
  const accepted: Socket = { container: 1, localPort: 40000, remotePort: 80 };
  const cases: [title: string, listener: Socket, socket: Socket, role: 'server' | 'client'][] = [
    ['listened on its address', { local: '10.0.0.1' }, { local: '10.0.0.1' }, 'server'],
    ['listened on any address', { local: '0.0.0.0' }, { local: '10.0.0.1' }, 'server'],
    ['listened on any IPv6 address', { local: '::' }, { local: '::ffff:10.0.0.1' }, 'server'],
    ['listened on another address', { local: '10.0.0.2' }, { local: '10.0.0.1' }, 'client'],
    ['listened on another port', { local: '0.0.0.0', localPort: 40001 }, { local: '10.0.0.1' }, 'client'],
    ['listened on by another container', { local: '0.0.0.0', container: 2 }, { local: '10.0.0.1' }, 'client'],
    ['of another protocol', { local: '0.0.0.0', protocol: 17 }, { local: '10.0.0.1' }, 'client'],
  ];
  for (const [title, listener, socket, role] of cases) {
    it(`is ${role} when its port is ${title}`, () => {
      const roles = new Roles(1, new Sharers());
      roles.listening(batch(socketRecord({ ...accepted, ...listener })), 0);
      assert.equal(roles.of(batch(socketRecord({ ...accepted, ...socket })), 0), SocketRole[role]);
      roles.clear();
      assert.equal(roles.of(batch(socketRecord({ ...accepted, ...socket })), 0), SocketRole.client);
    });
  }
});
