import { isBefore } from '../../actors/capture/host.js';
import type { Setup } from './machine.js';

/**
 * The work of guest.sh after Collector's start, in records: a job is an exec; a port is one record, and one of its
 * listening process; each side of a connection opens and closes. The self-check has an exec, an exit, and both sides of
 * a connection.
 */
const RECORDS = { process_exec: 9 + 1, process_exit: 8 + 1, socket_state: 2 + 4 * (2 + 3) + 4, udp: 2 };
type Program = keyof typeof RECORDS;
/** Records of the accepting side of an older listening socket: its owner is found by iterators alone. */
const OLDER_LISTENER = 2 * 2;

/** The outcome of one boot. */
export interface Verdict {
  /** As the kernel calls itself. */
  readonly release: string;
  /** Name of the BPF object in use: its oldest Linux; or `module`; undefined if none was loaded. */
  readonly object?: string;
  /** Records by program. */
  readonly records: Readonly<Record<Program, number>>;
  /** Instructions looked at by the verifier for the program with most of them; 0: the kernel does not say. */
  readonly verified: number;
  /** Failed expectations; empty: all is as it should be. */
  readonly faults: readonly string[];
  /** Parts left out for lack of a kernel feature. */
  readonly untried: readonly string[];
}

/** The log does not name this object. */
const NEWEST_OBJECT = '5.12';
/** First Linux to take it with its programs for UDP. */
const NEWEST_OBJECT_SINCE = '5.15';

/** Of the million looked at by the verifier before it refuses a program. */
const MOST_VERIFIED = 250_000;

/** Between `date` and the exec with its output as an argument, on a slow machine. */
const MOST_CLOCK_SECONDS = 2;

const CONTAINER = '4f2a91bc03de';
const NESTED = '0a1b2c3d4e5f';
const BLOCKED = 'b10cced0b10c';

/** Parts for kernels with the feature alone, by the section of each. */
const optional = { blocked: 'a process that nobody can read (no FUSE)', lockdown: 'lockdown' } as const;

interface Address {
  readonly port?: number;
}
interface CollectedMessage {
  readonly signal?: {
    readonly processSignal?: {
      readonly containerId?: string;
      readonly args?: string;
      readonly name?: string;
      readonly time?: string;
    };
  };
  readonly info?: {
    readonly updatedConnections?: readonly {
      readonly role?: string;
      readonly protocol?: string;
      readonly localAddress?: Address;
      readonly remoteAddress?: Address;
      readonly closeTimestamp?: string;
    }[];
    readonly updatedEndpoints?: readonly { readonly listenAddress?: Address }[];
  };
}

/** Holds a machine's output against the work of guest.sh there. */
export function judge(output: string, setup: Setup): Verdict {
  const sections = sectionsOf(output);
  const log = sections.get('log') ?? '';
  const [, release = 'did not boot'] = /^Kernel Version: (.*)$/m.exec(log) ?? [];
  const faults: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) faults.push(what);
  };
  const metrics = sections.get('metrics') ?? '';
  const records = { process_exec: 0, process_exit: 0, socket_state: 0, udp: 0 };
  for (const [, program, count] of metrics.matchAll(
    /^collector_kernel_events_total\{program="(\w+)"\} (\d+)$/gm,
  ))
    if (program! in records) records[program as Program] = Number(count);
  const programs = [...(sections.get('programs') ?? '').matchAll(/^(\w+) (\d+)$/gm)];
  const verified = Math.max(0, ...programs.map(([, , count]) => Number(count)));
  const [, cause] = /Cause: (.*)$/m.exec(log) ?? [];
  const untried = Object.entries(optional)
    .filter(([section]) => !sections.has(section))
    .map(([, what]) => what);
  const [, older = NEWEST_OBJECT] = /BPF object for Linux (\S+) or later/.exec(log) ?? [];
  const object = /^.*Loaded /m.test(log) ? { object: setup === 'module' ? 'module' : older } : {};
  const verdict = { release, ...object, records, verified, faults, untried };
  if (cause !== undefined) return { ...verdict, faults: [cause] };
  if (!sections.has('end')) return { ...verdict, faults: ['the machine did not run to its end'] };

  expect(sections.get('exit')?.trim() === '0', `exit code ${sections.get('exit')?.trim() ?? '?'}`);
  for (const [, name, count] of programs)
    expect(Number(count) <= MOST_VERIFIED, `${name}: the verifier looked at ${count} instructions`);
  const expectedObject =
    setup === 'without-btf' ? '5.10' : isBefore(release, NEWEST_OBJECT_SINCE) ? '5.8' : NEWEST_OBJECT;
  if (setup !== 'module') expect(older === expectedObject, `the object for ${older}, not ${expectedObject}`);
  expect(/Self-check passed/.test(log), 'the self-check did not pass');
  for (const [loss, count] of metrics.matchAll(/^collector_losses_total\{.*\} (\d+)$/gm))
    expect(count === '0' || loss.includes('stage="arguments"'), loss);
  expect(/ lost: [1-9]/.test(log), `after a burst into small rings: ${/lost: .*$/m.exec(log)?.[0] ?? '?'}`);
  const check = sections.get('check')?.trim() ?? '?';
  expect(/exit code 0/.test(check), `--check: ${check}`);
  const lockdown = sections.get('lockdown');
  expect(lockdown === undefined || /Cause: .*lockdown/.test(lockdown), `in lockdown: ${lockdown?.trim()}`);
  const byProc = /Scans go through \/proc: .*/.exec(log)?.[0];
  const hasIterators = setup !== 'without-btf' && setup !== 'module';
  expect((byProc === undefined) === hasIterators, byProc ?? 'scans do not go through /proc');
  // The programs need the root of cgroup2; the module has none.
  const hasUdp = setup !== 'v1' && setup !== 'module';
  const expected = {
    ...RECORDS,
    ...(!hasUdp && { udp: 0 }),
    ...(!hasIterators && { socket_state: RECORDS.socket_state - OLDER_LISTENER }),
  };
  for (const [program, count] of Object.entries(expected))
    expect(records[program as Program] === count, `${program}: ${records[program as Program]}, not ${count}`);

  const messages = (sections.get('messages') ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as CollectedMessage);
  const signals = messages.flatMap(({ signal }) => signal?.processSignal ?? []);
  const isReported = (id: string, args: string) =>
    signals.some((signal) => signal.containerId === id && signal.args === args);
  for (const name of ['one', 'two', 'three'])
    expect(isReported(CONTAINER, `exit ${name}`), `no signal: exit ${name}`);
  expect(isReported(NESTED, 'exit nested'), 'no signal of the container in the container');
  expect(isReported(CONTAINER, 'serve-all 10.9.9.9 7001'), 'no signal of what ran before');
  if (sections.has('blocked'))
    expect(
      signals.some(({ containerId, name }) => containerId === BLOCKED && name === 'blocker'),
      'no signal of a process that nobody can read',
    );
  const clocks = signals.flatMap(({ args, time }) => {
    const [, seconds] = /^exit clock-(\d+)$/.exec(args ?? '') ?? [];
    return seconds === undefined ? [] : [Math.abs(Date.parse(time ?? '') / 1000 - Number(seconds))];
  });
  expect(
    clocks.length === 2 && clocks.every((off) => off <= MOST_CLOCK_SECONDS),
    `execs after the clock was set: by ${clocks.map((off) => `${off} s`).join(', ') || 'none'} off`,
  );
  const ports = messages.flatMap(({ info }) =>
    (info?.updatedEndpoints ?? []).map(({ listenAddress }) => listenAddress?.port),
  );
  for (const port of [7001, 7002]) expect(ports.includes(port), `no endpoint: ${port}`);
  const connections = messages.flatMap(({ info }) => info?.updatedConnections ?? []);
  const has = (role: string, port: number, isClosed: boolean) =>
    connections.some(
      ({ role: its, localAddress, remoteAddress, closeTimestamp }) =>
        its === `ROLE_${role}` &&
        (role === 'SERVER' ? localAddress : remoteAddress)?.port === port &&
        (closeTimestamp !== undefined) === isClosed,
    );
  for (const role of ['CLIENT', 'SERVER']) {
    expect(has(role, 7001, false), `no open connection from before: ${role} of 7001`);
    expect(has(role, 7002, true), `no connection over IPv6 with its end: ${role} of 7002`);
  }
  expect(has('CLIENT', 7005, false), 'no connection that opened while the rings were full');
  if (hasUdp)
    for (const port of [7003, 7004]) expect(has('CLIENT', port, true), `no connection over UDP: ${port}`);
  return verdict;
}

/** The sections of a machine's output, by their names. */
export function sectionsOf(output: string): ReadonlyMap<string, string> {
  const [, ...parts] = output.split(/^== (?=[a-z]+$)/m);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );
}
