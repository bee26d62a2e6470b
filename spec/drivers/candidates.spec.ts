import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import {
  kernelCandidates,
  readKernelIdentity,
  type KernelIdentity,
} from '../../actors/drivers/candidates.js';
import { objectName, targetPath } from '../../actors/drivers/names.js';

interface Sample {
  readonly title: string;
  readonly release: string;
  readonly version: string;
  readonly osRelease: string;
  readonly minikubeVersion?: string;
  readonly candidates: readonly string[];
}

/** What nodes of these kinds say. */
const samples: readonly Sample[] = [
  {
    title: 'Ubuntu 20.04',
    release: '5.4.0-126-generic',
    version: '#142-Ubuntu SMP Fri Aug 26 12:12:57 UTC 2022',
    osRelease:
      'NAME="Ubuntu"\nVERSION="20.04.4 LTS (Focal Fossa)"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 20.04.4 LTS"\nVERSION_ID="20.04"\n',
    candidates: ['5.4.0-126-generic'],
  },
  {
    title: 'Ubuntu 16.04 with a back-ported kernel',
    release: '4.15.0-142-generic',
    version: '#146~16.04.1-Ubuntu SMP Tue Apr 13 09:27:15 UTC 2021',
    osRelease:
      'NAME="Ubuntu"\nVERSION="16.04.7 LTS (Xenial Xerus)"\nID=ubuntu\nPRETTY_NAME="Ubuntu 16.04.7 LTS"\n',
    candidates: ['4.15.0-142-generic~16.04', '4.15.0-142-generic'],
  },
  {
    title: 'Ubuntu 20.04 with a back-ported kernel, on Azure',
    release: '5.8.0-1042-azure',
    version: '#45~20.04.1-Ubuntu SMP Wed Sep 15 14:24:15 UTC 2021',
    osRelease: 'NAME="Ubuntu"\nID=ubuntu\nPRETTY_NAME="Ubuntu 20.04.3 LTS"\n',
    candidates: ['5.8.0-1042-azure~20.04', '5.8.0-1042-azure'],
  },
  {
    title: 'Ubuntu 18.04 with a back-ported kernel, which has no name of its own',
    release: '5.4.0-1055-aws',
    version: '#58~18.04.1-Ubuntu SMP Wed Jul 28 03:04:50 UTC 2021',
    osRelease: 'NAME="Ubuntu"\nID=ubuntu\nPRETTY_NAME="Ubuntu 18.04.5 LTS"\n',
    candidates: ['5.4.0-1055-aws'],
  },
  {
    title: 'Container-Optimized OS 117',
    release: '6.6.72+',
    version: '#1 SMP PREEMPT_DYNAMIC Sun Mar 30 09:02:56 UTC 2025',
    osRelease:
      'NAME="Container-Optimized OS"\nID=cos\nPRETTY_NAME="Container-Optimized OS from Google"\nGOOGLE_CRASH_ID=Lakitu\nVERSION=117\nVERSION_ID=117\nBUILD_ID=18613.164.98\n',
    candidates: ['6.6.72-18613.164.98-cos'],
  },
  {
    title: 'Container-Optimized OS with a release that has no +',
    release: '4.19.112',
    version: '#1 SMP Sat Oct 10 13:45:37 PDT 2020',
    osRelease: "ID='cos'\nBUILD_ID='13310.1041.38'\n",
    candidates: ['4.19.112-13310.1041.38-cos'],
  },
  {
    title: 'a Container-Optimized OS without its build',
    release: '5.10.133+',
    version: '#1 SMP Sat Sep 3 08:59:10 UTC 2022',
    osRelease: 'ID=cos\n',
    candidates: ['5.10.133+'],
  },
  {
    title: 'Docker Desktop',
    release: '5.10.76-linuxkit',
    version: '#1 SMP Mon Nov 8 10:21:19 UTC 2021',
    osRelease: 'PRETTY_NAME="Docker Desktop"\n',
    candidates: ['5.10.76-dockerdesktop-2021-11-08-10-21-19'],
  },
  {
    title: 'Docker Desktop with a day of one digit, set in two columns',
    release: '6.5.11-linuxkit',
    version: '#1 SMP PREEMPT Mon Dec  4 11:30:00 UTC 2023',
    osRelease: 'PRETTY_NAME="Docker Desktop"\n',
    candidates: ['6.5.11-dockerdesktop-2023-12-04-11-30-00'],
  },
  {
    title: 'Docker Desktop on Windows',
    release: '5.15.90.1-microsoft-standard-WSL2',
    version: '#1 SMP Fri Jan 27 02:56:13 UTC 2023',
    osRelease: 'PRETTY_NAME="Docker Desktop"\n',
    candidates: ['5.15.90-dockerdesktop-2023-01-27-02-56-13'],
  },
  {
    title: 'a Docker Desktop whose kernel does not say when it was built',
    release: '5.10.76-linuxkit',
    version: '#1 SMP',
    osRelease: 'PRETTY_NAME="Docker Desktop"\n',
    candidates: ['5.10.76-linuxkit'],
  },
  {
    title: 'Garden Linux',
    release: '5.4.0-6-cloud-amd64',
    version: '#1 SMP Debian 5.4.93-1 (2021-02-09)',
    osRelease: 'PRETTY_NAME="Garden Linux 184.0"\nNAME="Garden Linux"\nID=debian\n',
    candidates: ['5.4.0-6-cloud-amd64-gl-5.4.93-1', '5.4.0-6-cloud-amd64'],
  },
  {
    title: 'Garden Linux with a package of its own',
    release: '5.15.135-gardenlinux-cloud-amd64',
    version: '#1 SMP Debian 5.15.135-0gardenlinux1 (2023-10-12)',
    osRelease: 'NAME="Garden Linux"\nID=gardenlinux\nPRETTY_NAME="Garden Linux 934.1"\n',
    candidates: [
      '5.15.135-gardenlinux-cloud-amd64-gl-5.15.135-0gardenlinux1',
      '5.15.135-gardenlinux-cloud-amd64',
    ],
  },
  {
    title: 'Minikube',
    release: '5.10.57',
    version: '#1 SMP Thu Nov 16 04:44:16 UTC 2023',
    osRelease:
      'NAME=Buildroot\nVERSION=2021.02.12-1-g0492d51-dirty\nID=buildroot\nVERSION_ID=2021.02.12\nPRETTY_NAME="Buildroot 2021.02.12"\n',
    minikubeVersion: 'v1.32.1\n',
    candidates: ['5.10.57', '5.10.57-minikube-v1.32.1'],
  },
  {
    title: 'Debian 11, whose version looks like that of Garden Linux',
    release: '5.10.0-21-amd64',
    version: '#1 SMP Debian 5.10.162-1 (2023-01-21)',
    osRelease: 'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nNAME="Debian GNU/Linux"\nID=debian\n',
    candidates: ['5.10.0-21-amd64'],
  },
  {
    title: 'Red Hat Enterprise Linux 8',
    release: '4.18.0-372.19.1.el8_6.x86_64',
    version: '#1 SMP Mon Jul 18 11:14:02 EDT 2022',
    osRelease:
      'NAME="Red Hat Enterprise Linux"\nVERSION="8.6 (Ootpa)"\nID="rhel"\nPRETTY_NAME="Red Hat Enterprise Linux 8.6 (Ootpa)"\n',
    candidates: ['4.18.0-372.19.1.el8_6.x86_64'],
  },
  {
    title: 'Red Hat CoreOS',
    release: '4.18.0-305.19.1.el8_4.x86_64',
    version: '#1 SMP Tue Sep 7 07:07:31 EDT 2021',
    osRelease:
      'NAME="Red Hat Enterprise Linux CoreOS"\nID="rhcos"\nPRETTY_NAME="Red Hat Enterprise Linux CoreOS 49.84.202110081407-0 (Ootpa)"\nOSTREE_VERSION=49.84.202110081407-0\n',
    candidates: ['4.18.0-305.19.1.el8_4.x86_64'],
  },
  {
    title: 'Amazon Linux 2',
    release: '4.14.336-257.562.amzn2.x86_64',
    version: '#1 SMP Sat Feb 24 09:50:35 UTC 2024',
    osRelease: 'NAME="Amazon Linux"\nVERSION="2"\nID="amzn"\nPRETTY_NAME="Amazon Linux 2"\n',
    candidates: ['4.14.336-257.562.amzn2.x86_64'],
  },
  {
    title: 'Flatcar',
    release: '5.4.83-flatcar',
    version: '#1 SMP Tue Dec 15 18:31:34 -00 2020',
    osRelease:
      'NAME="Flatcar Container Linux by Kinvolk"\nID=flatcar\nVERSION=2605.10.0\nBUILD_ID=2020-12-15-1904\nPRETTY_NAME="Flatcar Container Linux by Kinvolk 2605.10.0 (Oklo)"\n',
    candidates: ['5.4.83-flatcar'],
  },
  {
    title: 'Talos',
    release: '5.15.64-talos',
    version: '#1 SMP Thu Sep 8 13:20:03 UTC 2022',
    osRelease: 'NAME="Talos"\nID=talos\nVERSION_ID=v1.2.3\nPRETTY_NAME="Talos (v1.2.3)"\n',
    candidates: ['5.15.64-talos'],
  },
  {
    title: 'Alpine',
    release: '5.10.109-0-virt',
    version: '#1-Alpine SMP Mon, 28 Mar 2022 11:22:52 +0000',
    osRelease: 'NAME="Alpine Linux"\nID=alpine\nPRETTY_NAME="Alpine Linux v3.14"\n',
    candidates: ['5.10.109-0-virt'],
  },
  {
    title: 'a host that says nothing of itself',
    release: '6.1.0',
    version: '',
    osRelease: '',
    candidates: ['6.1.0'],
  },
];

function identity(parts: Partial<KernelIdentity>): KernelIdentity {
  return { release: '6.1.0', version: '', osRelease: '', minikubeVersion: '', ...parts };
}

describe('the candidates for a driver', () => {
  for (const { title, candidates, release, version, osRelease, minikubeVersion = '' } of samples) {
    it(`of ${title} are ${candidates.join(', ')}`, () => {
      assert.deepEqual(kernelCandidates({ release, version, osRelease, minikubeVersion }), candidates);
    });
  }

  it('are those of KERNEL_CANDIDATES alone, if there are any', () => {
    for (const { release, version, osRelease, minikubeVersion = '' } of samples) {
      const host = { release, version, osRelease, minikubeVersion };
      assert.deepEqual(kernelCandidates(host, ['b', 'a']), ['b', 'a']);
    }
  });

  it('are of /etc/VERSION only what Minikube writes there', () => {
    for (const minikubeVersion of ['7.2', 'v1.2', 'rev1.2.3', ''])
      assert.deepEqual(kernelCandidates(identity({ minikubeVersion })), ['6.1.0'], minikubeVersion);
  });

  it('leave out what a host says that cannot be in the name of a file', () => {
    const osRelease = 'ID=cos\nBUILD_ID="../../../etc"\n';
    assert.deepEqual(kernelCandidates(identity({ osRelease })), []);
    assert.deepEqual(kernelCandidates(identity({ release: '6.1.0/../x' })), []);
  });

  it('never lead out of a folder, whatever a host says', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('../../x', 'cos', '6.1.0', 'Garden Linux', 'v1.2.3'));
    fc.assert(
      fc.property(text, text, text, text, text, (release, version, id, build, minikubeVersion) => {
        const osRelease = `ID="${id}"\nBUILD_ID="${build}"\nPRETTY_NAME="${id}"\n`;
        for (const name of kernelCandidates({ release, version, osRelease, minikubeVersion })) {
          const file = path.resolve('/folder', objectName('ebpf', name));
          assert.equal(path.dirname(file), '/folder');
        }
      }),
    );
  });
});

describe('readKernelIdentity', () => {
  let root: string;
  const put = (name: string, text: string): void => {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  };
  beforeEach(() => (root = mkdtempSync(path.join(tmpdir(), 'collector-host-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('asks the kernel, as uname does', () => {
    const uname = (option: string) => execFileSync('uname', [option], { encoding: 'utf8' }).trim();
    const { release, version } = readKernelIdentity(root);
    assert.deepEqual({ release, version }, { release: uname('-r'), version: uname('-v') });
  });

  it('reads the files under the root of the host, and takes those that are missing for empty', () => {
    const { osRelease, minikubeVersion } = readKernelIdentity(root);
    assert.deepEqual({ osRelease, minikubeVersion }, { osRelease: '', minikubeVersion: '' });
    put('usr/lib/os-release', 'ID=flatcar\n');
    assert.equal(readKernelIdentity(root).osRelease, 'ID=flatcar\n');
    put('etc/os-release', 'ID=cos\n');
    put('etc/VERSION', 'v1.32.1\n');
    const found = readKernelIdentity(root);
    assert.deepEqual([found.osRelease, found.minikubeVersion], ['ID=cos\n', 'v1.32.1\n']);
  });
});

describe('the file of a driver', () => {
  it('is named after the kernel and the kind of driver', () => {
    assert.equal(objectName('ebpf', '5.4.0-126-generic'), 'collector-ebpf-5.4.0-126-generic.o');
    assert.equal(objectName('kernel_module', '5.10.109-0-virt'), 'collector-5.10.109-0-virt.ko');
  });

  it('is never named so that it is in another folder', () => {
    for (const name of ['../x', 'a/b', '..', '/etc/passwd', 'a\0b', ''])
      assert.throws(() => objectName('ebpf', name), RangeError, name);
  });

  it('is loaded from one place, whatever kernel it is for', () => {
    assert.equal(targetPath('ebpf', '/module'), '/module/collector.o');
    assert.equal(targetPath('kernel_module', '/module'), '/module/collector.ko');
  });
});
