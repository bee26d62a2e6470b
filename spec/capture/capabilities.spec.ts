import assert from 'node:assert/strict';
import { checkScans, giveUpCapabilities, neededAfterLoad } from '../../actors/capture/capabilities.js';
import { capabilities, type Capability } from '../../actors/capture/host.js';

describe('The capabilities that scans need', () => {
  const host = (euid: number, ...held: Capability[]) => ({ euid, capabilities: new Set(held) });

  it('are none for iterators, and none where sockets are not scanned', () => {
    for (const kind of ['iterators', 'partial'] as const) {
      assert.doesNotThrow(() => checkScans(kind, host(65532)));
    }
  });

  it('are those to read of other processes for /proc: for root one, for anybody else two', () => {
    const named = (facts: ReturnType<typeof host>, name: string) =>
      assert.throws(() => checkScans('procfs', facts), {
        code: 'NOT_ROOT_OR_CAPABILITY',
        message: new RegExp(`without ${name}\\.$`),
      });
    named(host(0), 'CAP_SYS_PTRACE');
    named(host(65532), 'CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH');
    named(host(65532, 'CAP_SYS_PTRACE'), 'CAP_DAC_READ_SEARCH');
    checkScans('procfs', host(0, 'CAP_SYS_PTRACE'));
    checkScans('procfs', host(65532, 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH'));
  });
});

describe('What is kept of the capabilities once the programs are attached', () => {
  const cases: [kind: 'iterators' | 'procfs' | 'partial', release: string, kept: Capability[]][] = [
    ['iterators', '6.1.0-18-amd64', []],
    ['iterators', '5.19.0', []],
    ['iterators', '5.15.0-91-generic', ['CAP_BPF']],
    ['partial', '6.1.0', []],
    ['procfs', '6.1.0', ['CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH']],
    ['procfs', '5.14.0', ['CAP_BPF', 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH']],
  ];
  for (const [kind, release, kept] of cases) {
    it(`is ${kept.join(', ') || 'nothing'} with scans of kind ${kind} on ${release}`, () => {
      assert.deepEqual(neededAfterLoad(kind, release, false), kept);
    });
  }

  it('is what removes the driver at the end, if that is a kernel module', () => {
    for (const release of ['6.1.0', '5.10.0'])
      assert.deepEqual(neededAfterLoad('procfs', release, true), [
        'CAP_SYS_MODULE',
        'CAP_SYS_PTRACE',
        'CAP_DAC_READ_SEARCH',
      ]);
  });

  it('is said, by names to people and by numbers to the kernel', () => {
    let asked: readonly number[] = [];
    const driver = {
      dropCapabilities: (kept: readonly number[]) => {
        asked = kept;
        return 2;
      },
    };
    assert.match(
      giveUpCapabilities(driver, ['CAP_BPF']),
      /^Gave up all capabilities but CAP_BPF, except in 2 thread\(s\)/,
    );
    assert.deepEqual(asked, [capabilities.CAP_BPF]);
  });
});
