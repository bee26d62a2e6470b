import assert from 'node:assert/strict';
import {
  membershipIn,
  parseCgroupLines,
  parseIds,
  parseSocketLink,
  parseStat,
  withoutDeleted,
} from '../../../actors/capture/procfs/text.js';
import { ContainerNames } from '../../../actors/containers/cgroup-path.js';
import { containerId } from '../../../actors/containers/id.js';

const ID = '4f2a91bc03de5b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e';
const OTHER = 'b'.repeat(64);

function membership(text: string) {
  const names = new ContainerNames();
  return membershipIn(parseCgroupLines(text), (hierarchy, path) => names.containerOf(hierarchy, path));
}

const stat = (name: string) =>
  `4711 (${name}) S 4700 4711 4700 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 20 18446744073709551615 1 2 3 0 0 0 0 0 ` +
  '0 0 0 0 17 1 0 0 0 0 0 100 200 300 140720488335902 140720488335922 140720488335922 140720488337387 0\n';

describe('A line of /proc/<pid>/stat', () => {
  const names = [
    ['nginx', 'nginx'],
    ['a b', 'a b'],
    ['(sd-pam)', '(sd-pam)'],
    [') S 1 (x', ') S 1 (x'],
    ['', ''],
    ['new\\nline', 'new\nline'],
    ['back\\\\slash', 'back\\slash'],
    ['\\\\n', '\\n'],
  ] as const;
  for (const [written, name] of names) {
    it(`is read past the name ${JSON.stringify(name)}`, () => {
      assert.deepEqual(parseStat(stat(written)), {
        comm: name,
        ppid: 4700,
        flags: 4194560,
        startTicks: 123456,
      });
    });
  }

  it('is none without a name or with too few fields', () => {
    for (const text of ['', '4711 nginx S', '4711 (nginx) S 1 2 3', ')(']) {
      assert.equal(parseStat(text), undefined, text);
    }
  });
});

describe('The container that /proc/<pid>/cgroup names', () => {
  const cases = [
    ['v2 alone', `0::/kubepods.slice/cri-containerd-${ID}.scope\n`, ID],
    ['v2 seen from a cgroup namespace', `0::/../../kubepods-pod1.slice/cri-containerd-${ID}.scope\n`, ID],
    ['v2 outside of containers', '0::/system.slice/sshd.service\n', ''],
    ['v1', `12:pids:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}\n1:name=systemd:/docker/${ID}\n`, ID],
    ['hybrid, by v1', `9:name=systemd:/\n4:memory:/kubepods/pod1/${ID}\n1:cpu:/\n0::/\n`, ID],
    ['hybrid, by v2', `4:memory:/\n0::/kubepods/pod1/${ID}\n`, ID],
    ['hybrid, v2 before v1', `4:memory:/docker/${OTHER}\n0::/docker/${ID}\n`, ID],
    ['v1, when v2 names none', `4:memory:/docker/${ID}\n0::/system.slice/x.service\n`, ID],
    ["systemd's hierarchy alone", `1:name=systemd:/docker/${ID}\n0::/\n`, ''],
    ['a path with colons', `0::/system.slice:cri-containerd:${ID}\n`, ID],
    ['nothing', '', ''],
  ] as const;
  for (const [title, text, id] of cases) {
    it(`is right: ${title}`, () => {
      const { container, cgroup } = membership(text);
      assert.equal(containerId(container), id.slice(0, 12));
      if (id !== '') assert.ok(cgroup.includes(id));
    });
  }
});

describe('Other text in /proc', () => {
  it('tells the real ids', () => {
    const status = 'Name:\tx\nUmask:\t0022\nPPid:\t1\nUid:\t1234\t0\t0\t0\nGid:\t4321\t0\t0\t0\nGroups:\t\n';
    assert.deepEqual(parseIds(status), { uid: 1234, gid: 4321 });
    assert.equal(parseIds('Name:\tx\n'), undefined);
  });

  it('tells the inode of a socket, and of nothing else', () => {
    assert.equal(parseSocketLink('socket:[60531469]'), 60531469);
    for (const link of ['pipe:[60531469]', 'anon_inode:[eventpoll]', '/socket:[1]', '']) {
      assert.equal(parseSocketLink(link), undefined, link);
    }
  });

  it('tells the path of a file that was removed', () => {
    assert.equal(withoutDeleted('/tmp/a (deleted)'), '/tmp/a');
    assert.equal(withoutDeleted('/tmp/a (deleted).old'), '/tmp/a (deleted).old');
  });
});
