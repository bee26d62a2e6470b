import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Addon } from '../capture/driver.js';

/** The name of Collector's kernel module. */
export const MODULE_NAME = 'collector';
/** The file it is asked by, below any procfs. */
const MODULE_FILE = '/proc/collector';
/** Entries of a module's information: the kernel it is for, and the parameter with the layout of its records. */
const VERMAGIC = 'vermagic=';
const LAYOUT_PARAMETER = 'parm=layout:';
const LONGEST_RELEASE = 128;

/** An inserted module, as it shows itself below /sys/module. */
export interface InsertedModule {
  /** It is one of Collector's, of some version: it says which layout its records have. */
  readonly isOurs: boolean;
  /** Its MODULE_VERSION; undefined: it has none. */
  readonly version: string | undefined;
}

/** The kernel's side of modules. */
export interface ModuleKernel {
  /** finit_module(2). @throws an Error with `errno`, by name */
  insert(path: string): void;
  /** delete_module(2), without waiting. @throws an Error with `errno`, by name: EAGAIN while it is in use */
  remove(name: string): void;
  /** The inserted module of a name; undefined: there is none. */
  find(name: string): InsertedModule | undefined;
  /** The process with the module's file open, as `node (pid 4711)`; undefined: not to be seen from here. */
  holder(): string | undefined;
}

/** @param hostRoot where the host's root is mounted, without a slash at its end; empty on the host itself */
export function moduleKernel(
  addon: Pick<Addon, 'insertModule' | 'removeModule'>,
  hostRoot: string,
): ModuleKernel {
  return {
    insert: (path) => addon.insertModule(path),
    remove: (name) => addon.removeModule(name),
    find: (name) => findModule(`/sys/module/${name}`),
    holder: () => holderBelow(`${hostRoot}/proc`) ?? (hostRoot === '' ? undefined : holderBelow('/proc')),
  };
}

/** @param folder of a module below /sys/module */
export function findModule(folder: string): InsertedModule | undefined {
  if (!existsSync(folder)) return undefined;
  const version = textOf(`${folder}/version`)?.trim();
  return { isOurs: existsSync(`${folder}/parameters/layout`), version };
}

/** @param procfs a mount point of it */
export function holderBelow(procfs: string): string | undefined {
  for (const pid of namesIn(procfs)) {
    if (!/^\d+$/.test(pid)) continue;
    // The path is as its holder sees it: some of them have the host's procfs in a folder of theirs.
    const holds = namesIn(`${procfs}/${pid}/fd`).some((fd) =>
      linkOf(`${procfs}/${pid}/fd/${fd}`)?.endsWith(MODULE_FILE),
    );
    if (holds) return `${textOf(`${procfs}/${pid}/comm`)?.trim() ?? 'a process'} (pid ${pid})`;
  }
  return undefined;
}

/** What the file of a module says of itself. */
export interface ModuleFile {
  /** The kernel it was built for; undefined: it is no module. */
  readonly builtFor: string | undefined;
  /** It is one of Collector's, of some version. */
  readonly isOurs: boolean;
}

/** @returns a file without any words if it cannot be read */
export function readModuleFile(path: string): ModuleFile {
  const file = bytesOf(path);
  const start = file.indexOf(VERMAGIC) + VERMAGIC.length;
  const [release] = file.toString('latin1', start, start + LONGEST_RELEASE).split(/[ \0]/);
  return {
    builtFor: start < VERMAGIC.length ? undefined : release,
    isOurs: file.includes(LAYOUT_PARAMETER),
  };
}

/** Whether the kernel takes no modules until it boots again. */
export function isClosedToModules(): boolean {
  return textOf('/proc/sys/kernel/modules_disabled')?.trim() === '1';
}

function namesIn(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

function linkOf(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

function textOf(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

function bytesOf(path: string): Buffer {
  return attempt(() => readFileSync(path)) ?? Buffer.alloc(0);
}

/** Processes and files come and go while they are looked at. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
