import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  capabilities,
  checkHost,
  checkHostForModule,
  blockersIn,
  lockdownIn,
  lockedMemoryBlocker,
  permittedCapabilities,
  kernelFeatures,
  prettyName,
  readHostFacts,
  type Capability,
  type HostFacts,
  type KernelFeature,
} from '../../actors/capture/host.js';
import { allCapabilities, host } from '../support/host-facts.js';
import { requires } from '../support/requirements.js';

const missing = (facts: Partial<HostFacts>): string => checkHost(host(facts))?.message ?? '';

describe('checkHost', () => {
  it('finds nothing missing on a host that has all', () => {
    assert.equal(checkHost(host()), undefined);
  });

  it('needs no root, only the capabilities', () => {
    assert.equal(checkHost(host({ euid: 1000 })), undefined);
  });

  it('names lockdown, and the mode in which BPF works, before anything that is a matter of rights', () => {
    const failure = checkHost(host({ lockdown: 'confidentiality', capabilities: new Set() }));
    assert.equal(failure?.code, 'LOCKDOWN');
    assert.match(failure.remedy, /lockdown=integrity/);
    for (const lockdown of ['none', 'integrity', 'unknown'] as const)
      assert.equal(checkHost(host({ lockdown })), undefined);
  });

  it('names a user namespace, in which capabilities do not count', () => {
    assert.equal(checkHost(host({ blockers: ['user namespace'] }))?.code, 'USER_NAMESPACE');
    assert.equal(checkHost(host({ blockers: ['seccomp', 'security module'] })), undefined);
  });

  describe('on capabilities', () => {
    const least: Capability[] = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'];

    it('is content with the least', () => {
      assert.equal(checkHost(host({ capabilities: new Set(least) })), undefined);
    });

    for (const one of least) {
      it(`names ${one}, alone, when it alone is missing`, () => {
        const failure = checkHost(host({ capabilities: new Set(least.filter((name) => name !== one)) }));
        assert.equal(failure?.code, 'NOT_ROOT_OR_CAPABILITY');
        assert.equal(failure.message, `Collector runs as user 0 without ${one}.`);
      });
    }

    it('names all of them when there is none', () => {
      assert.equal(
        missing({ capabilities: new Set(), euid: 1000 }),
        `Collector runs as user 1000 without ${least.join(', ')}.`,
      );
    });

    it('takes CAP_SYS_ADMIN for all of them', () => {
      assert.equal(missing({ capabilities: new Set<Capability>(['CAP_SYS_ADMIN']) }), '');
    });

    it('asks for CAP_SYS_ADMIN where the kernel has nothing finer', () => {
      const old = { release: '4.18.0-372.el8.x86_64', lastCapability: 37 };
      assert.match(missing({ ...old, capabilities: new Set() }), /without CAP_SYS_ADMIN\.$/);
      assert.equal(missing({ ...old, capabilities: new Set<Capability>(['CAP_SYS_ADMIN']) }), '');
    });
  });

  it('refuses a kernel without BPF or without its type information', () => {
    assert.equal(checkHost(host({ bpf: false }))?.code, 'NO_BPF');
    assert.equal(checkHost(host({ btf: false }))?.code, 'NO_BTF');
  });

  it('refuses kernels before 5.8, and takes the 4.18 of Red Hat 8 for what is in it', () => {
    for (const release of [
      '5.7.19',
      '5.4.0-126-generic',
      '4.19.0',
      '4.18.0-generic',
      '4.18.0-348.23.1.el8_5.x86_64',
      '3.10.0-1160.el7.x86_64',
    ]) {
      assert.equal(checkHost(host({ release }))?.code, 'KERNEL_TOO_OLD', release);
    }
    for (const release of [
      '5.8.0',
      '5.10.109-0-virt',
      '5.15.0-91-generic',
      '6.1.0',
      '10.0',
      '4.18.0-372.9.1.el8.x86_64',
      '4.18.0-553.66.1.el8_10.x86_64',
      'strange',
    ]) {
      assert.equal(checkHost(host({ release })), undefined, release);
    }
  });

  it('names the release that is needed, of the same maker', () => {
    const remedy = (release: string) => checkHost(host({ release }))?.remedy ?? '';
    assert.match(remedy('5.4.0-126-generic'), /kernel to 5\.8 or later/);
    assert.match(remedy('4.18.0-348.el8.x86_64'), /kernel to 4\.18\.0-372\.el8 \(RHEL 8\.6\) or later/);
  });

  it('refuses a kernel without ring buffers or without tracing, by name', () => {
    const features = new Set<KernelFeature>(['ring buffers']);
    assert.match(missing({ features }), /has no tracing of execs and TCP states for BPF programs\.$/);
    assert.match(missing({ features: new Set() }), /has no ring buffers and no tracing/);
  });

  it('refuses Docker Desktop', () => {
    assert.equal(checkHost(host({ os: 'Docker Desktop' }))?.code, 'DOCKER_DESKTOP');
  });

  it('refuses the 4.18 of Red Hat 8 before its build 477 on ppc64le, and only there', () => {
    const [early, late] = ['4.18.0-425.3.1.el8.ppc64le', '4.18.0-477.10.1.el8_8.ppc64le'];
    assert.equal(checkHost(host({ release: early, arch: 'ppc64' }))?.code, 'KERNEL_TOO_OLD');
    assert.equal(checkHost(host({ release: late, arch: 'ppc64' })), undefined);
    assert.equal(checkHost(host({ release: early })), undefined);
  });

  it('finds in the type information of this kernel what the programs use', function () {
    const btf = '/sys/kernel/btf/vmlinux';
    requires(this, existsSync(btf), 'this kernel has no type information');
    assert.deepEqual(kernelFeatures(readFileSync(btf)), host().features);
    assert.equal(kernelFeatures(Buffer.from('\0bpf_ringbuf_map_alloc\0')).size, 0);
  });

  it('names the most fundamental first', () => {
    const nothing = { release: '4.4.0', bpf: false, btf: false, capabilities: new Set<Capability>() };
    assert.equal(checkHost(host(nothing))?.code, 'KERNEL_TOO_OLD');
    assert.equal(checkHost(host({ ...nothing, release: '6.1.0' }))?.code, 'NO_BPF');
    assert.equal(checkHost(host({ btf: false, capabilities: new Set() }))?.code, 'NOT_ROOT_OR_CAPABILITY');
  });
});

describe('checkHostForModule', () => {
  const failureOf = (facts: Partial<HostFacts>) => checkHostForModule(host(facts));

  it('needs nothing of BPF', () => {
    assert.equal(
      failureOf({
        bpf: false,
        btf: false,
        features: new Set(),
        release: '4.4.0',
        lockdown: 'confidentiality',
      }),
      undefined,
    );
  });

  it('names what is missing to open the module, and leaves it to the kernel to refuse the insertion', () => {
    const held = (...names: (keyof typeof capabilities)[]) => ({ capabilities: new Set(names), euid: 1000 });
    assert.match(failureOf(held())?.message ?? '', /user 1000 without CAP_SYS_MODULE, CAP_SYS_ADMIN\.$/);
    assert.match(failureOf(held('CAP_SYS_MODULE'))?.message ?? '', /without CAP_SYS_ADMIN\.$/);
    assert.equal(failureOf(held('CAP_SYS_ADMIN')), undefined);
  });

  it('names what no capability helps against', () => {
    assert.equal(failureOf({ os: 'Docker Desktop' })?.code, 'DOCKER_DESKTOP');
    assert.equal(failureOf({ blockers: ['user namespace'] })?.code, 'USER_NAMESPACE');
  });
});

describe('readHostFacts', () => {
  let root: string;
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'host-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  it("takes the node's name from outside, else from its file, else from its kernel", () => {
    assert.equal(readHostFacts(root).hostname, '');
    put('proc/sys/kernel/hostname', 'by-kernel\n');
    assert.equal(readHostFacts(root).hostname, 'by-kernel');
    put('etc/hostname', '\n');
    assert.equal(readHostFacts(root).hostname, 'by-kernel');
    put('etc/hostname', 'by-file\n');
    assert.equal(readHostFacts(root).hostname, 'by-file');
    assert.equal(readHostFacts(root, 'by-name').hostname, 'by-name');
  });

  it("reads the host's distribution, in either place", () => {
    assert.equal(readHostFacts(root).os, 'Linux');
    put('usr/lib/os-release', 'PRETTY_NAME="Flatcar 3"\n');
    assert.equal(readHostFacts(root).os, 'Flatcar 3');
    put('etc/os-release', 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 20.04.4 LTS"\n');
    assert.equal(readHostFacts(root).os, 'Ubuntu 20.04.4 LTS');
  });

  it('reads of the kernel and of itself what other programs read', () => {
    const facts = readHostFacts(root);
    const run = (command: string, ...args: string[]): string =>
      execFileSync(command, args, { encoding: 'utf8' }).trim();
    assert.equal(facts.release, run('uname', '-r'));
    assert.equal(facts.euid, Number(run('id', '-u')));
    assert.equal(facts.btf, existsSync('/sys/kernel/btf/vmlinux'));
    assert.equal(facts.lastCapability, Number(run('cat', '/proc/sys/kernel/cap_last_cap')));
    assert.equal(facts.bpf, existsSync('/proc/sys/kernel/unprivileged_bpf_disabled'));
  });
});

describe('the capabilities that are permitted', () => {
  const status = (mask: string): string =>
    `Name:\tnode\nCapInh:\t000001ffffffffff\nCapPrm:\t${mask}\nCapBnd:\t0\n`;

  it('are all, none or some of those that matter', () => {
    assert.deepEqual(permittedCapabilities(status('000001fffeffffff')), new Set(allCapabilities));
    assert.deepEqual(permittedCapabilities(status('0000000000000000')), new Set());
    assert.deepEqual(
      permittedCapabilities(status('000000c000091004')),
      new Set(allCapabilities.filter((c) => c !== 'CAP_SYS_ADMIN')),
    );
    assert.deepEqual(permittedCapabilities(status('0000008000000000')), new Set(['CAP_BPF']));
    assert.deepEqual(
      permittedCapabilities(status('0000003fffffffff')),
      new Set(['CAP_DAC_READ_SEARCH', 'CAP_NET_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN']),
    );
  });

  it('are none when the file says nothing', () => {
    assert.deepEqual(permittedCapabilities(''), new Set());
  });
});

describe('the name of a distribution', () => {
  const samples = [
    ['PRETTY_NAME="Alpine Linux v3.14"\n', 'Alpine Linux v3.14'],
    ['ID=x\r\nPRETTY_NAME="Red Hat \\"8\\" \\$5"\r\n', 'Red Hat "8" $5'],
    ["PRETTY_NAME='Container-Optimized OS'", 'Container-Optimized OS'],
    ['PRETTY_NAME=Fedora  \n', 'Fedora'],
    ['MY_PRETTY_NAME="x"\n', 'Linux'],
    ['PRETTY_NAME=""\n', 'Linux'],
    ['', 'Linux'],
  ] as const;
  for (const [text, name] of samples) {
    it(`in ${JSON.stringify(text)} is ${name}`, () => assert.equal(prettyName(text), name));
  }
});

describe('the mode of lockdown', () => {
  const modes = [
    ['none integrity [confidentiality]\n', 'confidentiality'],
    ['none [integrity] confidentiality\n', 'integrity'],
    ['[none] integrity confidentiality\n', 'none'],
    ['', 'unknown'],
    ['none integrity', 'unknown'],
  ] as const;
  for (const [text, mode] of modes)
    it(`is ${mode} by ${JSON.stringify(text)}`, () => assert.equal(lockdownIn(text), mode));
});

describe('what stands between a process and its kernel', () => {
  const initial = '         0          0 4294967295\n';
  const cases = [
    ['nothing', 'Seccomp:\t0\n', initial, '', []],
    ['nothing that can be read', '', '', '', []],
    ['seccomp', 'Seccomp:\t2\n', initial, '', ['seccomp']],
    ['a user namespace', '', '         0       1000          1\n', '', ['user namespace']],
    ['AppArmor', '', initial, 'cri-containerd.apparmor.d (enforce)\n', ['security module']],
    ['AppArmor that only complains', '', initial, 'cri-containerd.apparmor.d (complain)\n', []],
    ['no profile of AppArmor', '', initial, 'unconfined\n', []],
    ['SELinux', '', initial, 'system_u:system_r:container_t:s0:c1,c2\0', ['security module']],
    ['no confinement of SELinux', '', initial, 'system_u:system_r:spc_t:s0\0', []],
  ] as const;
  for (const [what, status, uidMap, label, blockers] of cases)
    it(`is ${what}`, () => assert.deepEqual(blockersIn(status, uidMap, label), blockers));

  const limited = 'Max locked memory         65536                65536                bytes\n';
  const unlimited = 'Max locked memory         unlimited            unlimited            bytes\n';
  const memory = [
    ['5.10.0-32-amd64', '000000c000001000', limited, true],
    ['4.18.0-553.el8_10.x86_64', '000000c000001000', limited, true],
    ['5.11.0', '000000c000001000', limited, false],
    ['5.10.0-32-amd64', '000001ffffffffff', limited, false], // CAP_SYS_RESOURCE raises it
    ['5.10.0-32-amd64', '000000c000001000', unlimited, false],
    ['5.10.0-32-amd64', '', '', false],
  ] as const;
  for (const [kernel, held, limits, isLimited] of memory)
    it(`is${isLimited ? '' : ' not'} the limit of locked memory on ${kernel} with ${held}: ${limits.trim()}`, () =>
      assert.deepEqual(
        lockedMemoryBlocker(kernel, `CapPrm:\t${held}\n`, limits),
        isLimited ? ['limit of locked memory'] : [],
      ));
});
