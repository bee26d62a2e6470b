import { ContainerNames } from '../../../actors/containers/cgroup-path.js';
import {
  membershipIn,
  parseCgroupLines,
  parseIds,
  parseSocketLink,
  parseStat,
  withoutDeleted,
} from '../../../actors/capture/procfs/text.js';
import { RecordWriter } from '../../../actors/capture/record-writer.js';
import { mutateBytes } from '../mutate-bytes.js';
import { HOSTILE } from '../mutate-text.js';
import { FuzzedNode } from '../node.js';
import { joined, partsOf } from '../parts.js';
import { someStart } from '../recordings.js';
import { ensure, type Target } from '../target.js';

const ID = '4f2a91bc03de'.padEnd(64, '7');
/** stat, status, cgroup, exe and cmdline of a process. */
const SEEDS = [
  [
    `7 (a) b\\n) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0`,
    'Name:\ta\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n',
    `0::/kubepods/burstable/podu/${ID}\n12:memory:/docker/${ID}/sub\n1:name=systemd:/x\n`,
    '/bin/sh (deleted)',
    'sh\0-c\0true\0',
  ],
];
const WORDS = [
  ...HOSTILE,
  ID,
  `/cri-containerd-${ID}.scope`,
  '-conmon',
  '.scope',
  '/',
  ':',
  'name=',
  ') S 1',
  'socket:[7]',
];

/** The text files below /proc, where BPF iterators cannot see: names in them are chosen by processes. */
export const procfsTarget: Target = {
  holds: 'what /proc tells of a process becomes a record, whatever its names are',
  seeds: () => SEEDS.map((texts) => joined(texts.map((text) => Buffer.from(text, 'latin1')))),
  mutate: (input, random, other) => {
    const [texts, others] = [partsOf(input), partsOf(other)];
    const at = random.below(texts.length);
    if (texts[at] !== undefined) texts[at] = mutateBytes(texts[at], random, others[at] ?? other, WORDS);
    return joined(texts);
  },
  open: () => {
    const start = someStart();
    let node = new FuzzedNode(start);
    let runs = 0;
    return {
      run: (input) => {
        if (++runs % 256 === 0) node = new FuzzedNode(start);
        const [stat = '', status = '', cgroup = '', exe = '', args = ''] = partsOf(input).map((part) =>
          part.toString('latin1'),
        );
        const read = parseStat(stat);
        const ids = parseIds(status);
        const names = new ContainerNames();
        const lines = parseCgroupLines(cgroup);
        names.begin();
        for (const { hierarchy, path } of lines) names.note(hierarchy, path);
        names.settle();
        const {
          container,
          outermost,
          cgroup: own,
        } = membershipIn(lines, (hierarchy, path) => names.containerOf(hierarchy, path));
        ensure(container === 0 || outermost !== 0, () => 'a container has no outermost one');
        parseSocketLink(exe);
        if (read === undefined || ids === undefined) return;
        const path = withoutDeleted(exe);
        const writer = new RecordWriter();
        writer.process({
          time: start.time,
          container,
          outermost,
          pid: 7,
          tid: 7,
          comm: read.comm,
          startTime: read.startTicks * 1e7,
          ppid: read.ppid,
          ...ids,
          path,
          args: args === '' ? undefined : args,
          cgroup: own,
          lineage: [{ pid: 1, uid: ids.uid, path }],
          isLineageCut: false,
        });
        node.fold({
          kind: 'scan',
          of: 'processes',
          audience: 'fresh',
          time: start.time,
          records: writer.records(),
        });
        if (runs % 16 === 0) node.ensureViews();
      },
    };
  },
};
