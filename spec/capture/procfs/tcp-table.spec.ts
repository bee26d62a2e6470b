import assert from 'node:assert/strict';
import fc from 'fast-check';
import { emptyTcpRow, readTcpRows } from '../../../actors/capture/procfs/tcp-table.js';
import { formatAddress } from '../../../actors/connections/address.js';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode      \n';
const TCP =
  HEADER +
  '   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 622 1 000000005d76158e 100 0 0 10 0   \n' +
  '   1: 0100007F:8A03 0900000A:0050 01 0000000A:00000001 01:00000014 00000002 65534        0 4294967296 2 0000 20 4 1 10 -1 \n' +
  '12345: 04030201:FFFF 08070605:0001 06 00000000:00000000 03:0000104D 00000000     0        0 0 3 0000\n';
const TCP6 =
  HEADER +
  '   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 00 100\n' +
  '   1: 0000000000000000FFFF00000101A8C0:1F90 0000000000000000FFFF00000201A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 8 1 00 20\n' +
  '   2: 000000FD1101000000000000010000FD:0016 B80D01200000000067452301EFCDAB89:C001 08 00000000:00000000 00:00000000 00000000     0        0 9 1 00 20\n';

function read(text: string, words: 1 | 4, end = text.length): { rows: string[]; rest: number } {
  const rows: string[] = [];
  const rest = readTcpRows(Buffer.from(text, 'latin1'), end, words, emptyTcpRow(), (row) => {
    const address = (of: Uint32Array) => formatAddress(Buffer.from(of.buffer, 0, words * 4));
    const { local, localPort, remote, remotePort, state, inode } = row;
    rows.push(`${address(local)} ${localPort} ${address(remote)} ${remotePort} ${state} ${inode}`);
  });
  return { rows, rest };
}

describe('The rows of /proc/net/tcp', () => {
  const v4 = [
    '0.0.0.0 2024 0.0.0.0 0 10 622',
    '127.0.0.1 35331 10.0.0.9 80 1 4294967296',
    '1.2.3.4 65535 5.6.7.8 1 6 0',
  ];
  it('are read, IPv4', () => {
    assert.deepEqual(read(TCP, 1), { rows: v4, rest: TCP.length });
  });

  it('are read, IPv6 and IPv4 in IPv6', () => {
    assert.deepEqual(read(TCP6, 4).rows, [
      ':: 8080 :: 0 10 7',
      '::ffff:192.168.1.1 8080 ::ffff:192.168.1.2 54321 1 8',
      'fd00::111:0:0:fd00:1 22 2001:db8::123:4567:89ab:cdef 49153 8 9',
    ]);
  });

  it('are the same wherever the text is cut', () => {
    fc.assert(
      fc.property(fc.nat(TCP.length), (cut) => {
        const first = read(TCP, 1, cut);
        assert.ok(first.rest <= cut);
        assert.deepEqual([...first.rows, ...read(TCP.slice(first.rest), 1).rows], v4);
      }),
    );
  });

  it('are none where the text is no table', () => {
    for (const text of ['', HEADER, 'garbage\n', ':\n', '  1: 0100007F\n'])
      assert.deepEqual(read(text, 1).rows, []);
  });
});
