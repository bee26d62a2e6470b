import { exit_record, process_record, record_header, RecordType } from '../capture/layout.js';
import { RecordWriter } from '../capture/record-writer.js';
import { processParts, Records, TWO_32 } from '../capture/records.js';
import { containerNumber } from '../containers/id.js';

const ID = 'f'.repeat(64);
/** CLOCK_BOOTTIME of the first one, ns, and the time to the next. */
const FIRST_NS = 3_600_123_456_789;
const STEP_NS = 1_000_003;
/** From the start of a process to its exec, and from there to its end, ns. */
const LIFE_NS = 700_001;
const FIRST_PID = 100_000;
const PARENT = { pid: 99_999, uid: 1000, path: '/usr/bin/dash' };
const ENTRY = { pid: 99_998, uid: 0, path: '/docker-entrypoint.sh' };
/** Number of the first exec's program; each exec has another. */
const FIRST_IMAGE = 2 ** 40 + 7;
const OPTION = '--number\0';
const DIGITS = 8;

/**
 * Records of execs and ends of processes, as the kernel would write them, in a container that there is not. They are
 * made once and then renumbered, since making them takes longer than folding them.
 */
export class MadeUpExecs {
  readonly records: Records;

  /** @param count of execs */
  constructor(count: number) {
    this.records = withEnds(madeUpProcesses(count), count);
  }

  /** Turns them into execs like no others, numbered from `first` on. */
  renumber(first: number): void {
    const { records } = this;
    let n = first;
    for (let at = 0; at < records.length; at += records.size(at)) {
      const time = FIRST_NS + n * STEP_NS;
      records.u32[(at + record_header.pid) >> 2] = FIRST_PID + n;
      setU64(records, at + process_record.start_time, time - LIFE_NS);
      if (records.type(at) === RecordType.exec) {
        setU64(records, at + record_header.time, time);
        setU64(records, at + process_record.image, FIRST_IMAGE + n);
        const number = processParts.args(records, at) + OPTION.length;
        records.u8.write(String(n).padStart(DIGITS, '0'), number, 'latin1');
      } else {
        setU64(records, at + record_header.time, time + LIFE_NS);
        n++;
      }
    }
  }
}

/** Processes of the same container, as a scan lists them. */
export function madeUpProcesses(count: number): Records {
  const writer = new RecordWriter();
  const container = containerNumber(ID.slice(0, 12));
  for (let n = 0; n < count; n++) {
    const pid = FIRST_PID - count + n;
    writer.process({
      time: FIRST_NS,
      startTime: FIRST_NS - LIFE_NS,
      container,
      outermost: container,
      pid,
      tid: pid,
      ppid: PARENT.pid,
      uid: 1000,
      gid: 1000,
      comm: 'made-up',
      path: '/usr/local/bin/made-up',
      args: `${OPTION}${'0'.repeat(DIGITS)}\0--never-run\0`,
      cgroup: `/kubepods/burstable/pod00000000-0000-0000-0000-000000000000/${ID}`,
      lineage: [PARENT, ENTRY],
      isLineageCut: false,
    });
  }
  return writer.records();
}

/** Turns scanned processes into started ones, each with its end behind it. */
function withEnds(started: Records, count: number): Records {
  const bytes = new Uint8Array(started.length + count * exit_record.SIZE);
  const records = new Records(bytes);
  let to = 0;
  for (let at = 0; at < started.length; at += started.size(at)) {
    bytes.set(started.u8.subarray(at, at + started.size(at)), to);
    records.u8[to + record_header.type] = RecordType.exec;
    records.u32[(to + process_record.exec_id) >> 2] = 1;
    const end = to + started.size(at);
    bytes.copyWithin(end, to, to + record_header.SIZE);
    records.u16[(end + record_header.size) >> 1] = exit_record.SIZE;
    records.u8[end + record_header.type] = RecordType.exit;
    to = end + exit_record.SIZE;
  }
  return records;
}

function setU64(records: Records, at: number, value: number): void {
  records.u32[at >> 2] = value % TWO_32;
  records.u32[(at >> 2) + 1] = value / TWO_32;
}
