import type { Agent } from './agent.js';
import { CommandAgent, type CommandAgentOptions } from './agents/command.js';

/** Mounts the kernel's tracepoints, if nobody has, where only the agent sees them. */
const TRACED = `exec unshare --mount sh -c '[ -e /sys/kernel/tracing/events ] ||
  mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"' sh`;
/** Lines go to a file, as to a log, each at once. */
const LINES = `${TRACED} stdbuf --output=L`;
const PYTHON = `${TRACED} env PYTHONUNBUFFERED=1`;

/** Other watchers of a node, from Debian. */
const installable: readonly CommandAgentOptions[] = [
  {
    name: 'bpftrace',
    task: 'started and ended programs with arguments, TCP states',
    packages: ['bpftrace'],
    command: `${TRACED} env BPFTRACE_STRLEN=128 bpftrace -e '${bpftraceProgram()}'`,
    ready: { line: 'ready' },
  },
  {
    name: 'execsnoop',
    task: 'started programs with arguments',
    packages: ['libbpf-tools'],
    command: `${LINES} /usr/sbin/execsnoop`,
    ready: { line: 'PCOMM' },
  },
  {
    name: 'tcplife',
    task: 'ended TCP connections',
    packages: ['libbpf-tools'],
    command: `${LINES} /usr/sbin/tcplife`,
    ready: { line: 'LADDR' },
  },
  {
    name: 'tcpconnect',
    task: 'opened TCP connections',
    packages: ['libbpf-tools'],
    command: `${LINES} /usr/sbin/tcpconnect`,
    ready: { line: 'SADDR' },
  },
  {
    name: 'execsnoop-bpfcc',
    task: 'started programs with arguments',
    packages: ['bpfcc-tools'],
    command: `${PYTHON} execsnoop-bpfcc`,
    ready: { line: 'PCOMM' },
  },
  {
    name: 'tcplife-bpfcc',
    task: 'ended TCP connections',
    packages: ['bpfcc-tools'],
    command: `${PYTHON} tcplife-bpfcc`,
    ready: { line: 'LADDR' },
  },
  {
    name: 'tcpconnect-bpfcc',
    task: 'opened TCP connections',
    packages: ['bpfcc-tools'],
    command: `${PYTHON} tcpconnect-bpfcc`,
    ready: { line: 'SADDR' },
  },
];

/** Names of the agents that can be installed. */
export const installableNames: readonly string[] = installable.map(({ name }) => name);

/** @param name one of `installableNames` */
export function installableAgent(name: string): Agent {
  return new CommandAgent(installable.find((one) => one.name === name)!);
}

/** The events of Collector, as one would ask bpftrace for them. */
function bpftraceProgram(): string {
  return `
BEGIN { printf("ready\\n"); }
tracepoint:syscalls:sys_enter_execve {
  printf("start %d %d %lu %s ", pid, uid, cgroup, str(args->filename));
  join(args->argv);
}
tracepoint:sched:sched_process_exit { printf("end %d %s\\n", pid, comm); }
tracepoint:sock:inet_sock_set_state /args->protocol == 6/ {
  printf("tcp %d %s %d %d %s:%d %s:%d\\n", pid, comm, args->oldstate, args->newstate,
    ntop(args->family, args->saddr), args->sport, ntop(args->family, args->daddr), args->dport);
}`;
}
