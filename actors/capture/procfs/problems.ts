import type { Publication } from '../../telemetry/publication.js';

/** Counts existing but unreadable files of the host's /proc, by kind; and zombies, with nothing in them to read. */
export class ProcfsProblems {
  readonly counts = {
    procfs_could_not_get_network_namespace: 0,
    procfs_could_not_get_socket_inodes: 0,
    procfs_could_not_open_fd_dir: 0,
    procfs_could_not_open_pid_dir: 0,
    procfs_could_not_open_proc_dir: 0,
    procfs_could_not_read_exe: 0,
    procfs_zombie_process: 0,
  };

  get publication(): Publication {
    return { procfs: () => this.counts };
  }

  /** @param path of the unreadable file, below /proc */
  unreadable(path: string): void {
    this.counts[problemKind(path)]++;
  }
}

function problemKind(path: string): keyof ProcfsProblems['counts'] {
  if (path === '') return 'procfs_could_not_open_proc_dir';
  const parts = path.split('/');
  const below = parts.slice(parts[1] === 'task' && parts.length > 3 ? 3 : 1);
  switch (below[0]) {
    case 'fd':
      return below.length > 1 ? 'procfs_could_not_get_socket_inodes' : 'procfs_could_not_open_fd_dir';
    case 'net':
      return 'procfs_could_not_get_socket_inodes';
    case 'ns':
      return 'procfs_could_not_get_network_namespace';
    case 'exe':
    case 'root':
      return 'procfs_could_not_read_exe';
    default:
      return 'procfs_could_not_open_pid_dir';
  }
}
