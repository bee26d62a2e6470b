/**
 * Contents of the files of /proc/<pid>, in the formats of proc(5). All text here has one character for each byte
 * (`latin1`): the bytes are chosen by processes, and go into records as they are.
 */

/** Of /proc/<pid>/stat. */
export interface Stat {
  /** At most 15 bytes, unescaped. */
  readonly comm: string;
  readonly ppid: number;
  /** Bits of PF_* in the kernel's linux/sched.h. */
  readonly flags: number;
  /** When it started: ticks of `TICK_NS` of CLOCK_BOOTTIME. */
  readonly startTicks: number;
}

/** Nanoseconds in a tick of USER_HZ, which is 100 on both architectures. */
export const TICK_NS = 1e7;

/** Places of fields in a stat line, counted from the state, the first behind the name. */
const Field = { ppid: 1, flags: 6, startTime: 19 } as const;

/** @returns undefined if this is no stat line; a name may contain spaces and parentheses, so it ends at the last one */
export function parseStat(text: string): Stat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const number = (field: number) => Number(fields[field] ?? 0);
  if (fields.length <= Field.startTime) return undefined;
  return {
    // The kernel escapes these two bytes.
    comm: text.slice(open + 1, close).replace(/\\([n\\])/g, (_, byte) => (byte === 'n' ? '\n' : '\\')),
    ppid: number(Field.ppid),
    flags: number(Field.flags),
    startTicks: number(Field.startTime),
  };
}

/** The real ids in /proc/<pid>/status, as Collector's user namespace has them. */
export function parseIds(status: string): { readonly uid: number; readonly gid: number } | undefined {
  const [, uid] = /^Uid:\t(\d+)/m.exec(status) ?? [];
  const [, gid] = /^Gid:\t(\d+)/m.exec(status) ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** The container of a process. */
export interface Membership {
  /** The container's number, 0 for the host. */
  readonly container: number;
  /** The outermost container around it, itself if it is in none. */
  readonly outermost: number;
  /** Path of the cgroup it is known by. */
  readonly cgroup: string;
}

/** Where a process is, in one hierarchy. */
export interface CgroupLine {
  /** The hierarchy's controllers; '' for cgroup v2. */
  readonly hierarchy: string;
  readonly path: string;
}

/** The lines of a /proc/<pid>/cgroup. Hierarchies without a controller, such as systemd's, don't count. */
export function parseCgroupLines(text: string): CgroupLine[] {
  return text.split('\n').flatMap((line) => {
    const [, hierarchy, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy === undefined || path === undefined || hierarchy.startsWith('name=')) return [];
    return [{ hierarchy, path }];
  });
}

/** The container of a cgroup, see actors/containers/cgroup-path.ts. */
export type ContainerOf = (
  hierarchy: string,
  path: string,
) => { readonly container: number; readonly outermost: number };

/**
 * The container of a process in these cgroups: by the path in cgroup v2, else by the first of a v1 controller that
 * names one, like on the kernel side (native/bpf/container.h).
 */
export function membershipIn(lines: readonly CgroupLine[], containerOf: ContainerOf): Membership {
  const v1 = lines.filter(({ hierarchy }) => hierarchy !== '');
  const v2 = lines.filter(({ hierarchy }) => hierarchy === '');
  for (const { hierarchy, path } of [...v2, ...v1]) {
    const { container, outermost } = containerOf(hierarchy, path);
    if (container !== 0) return { container, outermost, cgroup: path };
  }
  return { container: 0, outermost: 0, cgroup: v2[0]?.path ?? '/' };
}

/** The inode of the socket behind a link in /proc/<pid>/fd, undefined if it is something else. */
export function parseSocketLink(link: string): number | undefined {
  return link.startsWith('socket:[') ? Number(link.slice('socket:['.length, -1)) : undefined;
}

const DELETED = ' (deleted)';

/** Takes off the mark that the kernel adds to the path of a file removed while it runs: it is no part of the name. */
export function withoutDeleted(path: string): string {
  return path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path;
}
