/** Faults of the node: too little of something, or somebody's hands on Collector. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { detachPrograms } from '../../lab/links.js';
import { Limit } from '../../lab/limits.js';
import { SmallDisk } from '../../lab/small-disk.js';
import { underLoad, type Fault } from '../fault.js';
import type { Life } from '../life.js';

const MIB = 1024 * 1024;
/** The chart's request of memory, bytes. */
const MEMORY = 160 * MIB;
/** Queues small enough for it, bytes. */
const QUEUE = { ROX_COLLECTOR_SIGNAL_QUEUE_SIZE: String(4 * MIB) };
const TINY_RING = { ROX_COLLECTOR_SINSP_BUFFER_SIZE: '16384' };
const QUOTA = 0.1;
/** Fewer descriptors than any Collector has open. */
const FEW_FILES = 10;
const DISK_KIB = 512;
const storm = { execs: 500, every: 20 };

const lost = {
  what: 'what is lost, and why',
  line: /Lost \d+ kernel events since the last count; so far: .*because the ring buffer was full/,
};

/** Stops all threads of Collector while it lasts. */
async function pause(last: () => Promise<void>, { daemon }: Life): Promise<void> {
  daemon.signal('SIGSTOP');
  try {
    await last();
  } finally {
    daemon.signal('SIGCONT');
  }
}

export const nodeFaults: readonly Fault[] = [
  underLoad({
    name: 'ring-full',
    title: 'rings are full',
    seconds: { long: 10, short: 2 },
    pace: storm,
    expects: [lost],
    prepare: () => ({ start: { env: TINY_RING }, happen: pause }),
  }),
  underLoad({
    name: 'stopped',
    title: 'Collector is stopped (SIGSTOP), and goes on',
    seconds: { long: 30, short: 3 },
    expects: [],
    prepare: () => ({ happen: pause }),
  }),
  underLoad({
    name: 'processor-quota',
    title: 'Collector has 10 % of a processor',
    seconds: { long: 30, short: 3 },
    expects: [],
    prepare: (scene) => {
      const limit = scene.keep(Limit.processor(QUOTA));
      return {
        happen: async (last, { daemon: { pid } }) => {
          limit.enter(pid);
          await last();
          limit.leave(pid);
        },
      };
    },
  }),
  underLoad({
    name: 'memory-near-limit',
    title: 'memory is near its limit, with Sensor gone and its queue full',
    seconds: { long: 60 },
    pace: storm,
    expects: [
      { what: 'what is dropped, and the setting', line: /Dropped \d+ process signals so far.*QUEUE_SIZE/ },
    ],
    prepare: (scene) => {
      const limit = scene.keep(Limit.memory(MEMORY));
      return {
        start: { env: QUEUE, through: limit.through },
        happen: async (last) => {
          await scene.sensor.refuse();
          await last();
          await scene.sensor.accept();
          if (limit.kills > 0) throw new Error('The kernel killed Collector, which had reached its limit.');
        },
      };
    },
  }),
  underLoad({
    name: 'descriptors-exhausted',
    title: 'no descriptors are left',
    seconds: { long: 20, short: 4 },
    expects: [{ what: 'the shortage', line: /Too few descriptors of this process for .*EMFILE/ }],
    prepare: () => ({
      happen: async (last, { daemon: { pid } }) => {
        const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!;
        const allow = (files: string) => execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${files}:`]);
        allow(String(FEW_FILES));
        await last();
        allow(soft!);
      },
    }),
  }),
  underLoad({
    name: 'disk-full',
    title: 'the disk of a recording is full',
    seconds: { long: 20, short: 3 },
    pace: storm,
    expects: [
      {
        what: 'cause and remedy',
        line: /The recording .* ends here, and the run goes on: .*ENOSPC|Remedy: Make room/,
      },
    ],
    prepare: (scene) => {
      const disk = scene.keep(new SmallDisk(DISK_KIB));
      return {
        start: { args: [`--record=${path.join(disk.path, 'run')}`] },
        happen: (last) => last(),
      };
    },
  }),
  underLoad({
    name: 'programs-detached',
    title: 'somebody detaches programs',
    seconds: { long: 10, short: 3 },
    expects: [
      {
        what: 'which programs, and how to find out who',
        line: /Somebody detached BPF programs of Collector: .*attached again.*bpftool link/,
      },
    ],
    prepare: () => ({
      happen: async (last, life) => {
        const count = detachPrograms(life.daemon.pid);
        await last();
        await life.look();
        const counted = life.losses.find(({ cause }) => cause === 'program_detached')?.count ?? 0;
        if (counted !== count) throw new Error(`${count} programs were detached, ${counted} are counted.`);
      },
    }),
  }),
];
