import type { DriverFile, FileMethod } from './names.js';
import type { UnusableFile } from './storage.js';
import type { DriverProblem } from './problem.js';

/** The result of looking on this node. */
export type DriverLocation =
  /** The driver is part of Collector. */
  | { readonly kind: 'builtin' }
  /** It is here, and ready to be loaded. */
  | { readonly kind: 'local'; readonly driver: LocalDriver }
  | AbsentDriver;

/** A driver ready to be loaded. */
export interface LocalDriver {
  readonly path: string;
  /** The kernel's types, of a driver for a kernel without types of its own. */
  readonly btf?: string;
}

/** It has to be downloaded. */
export interface AbsentDriver {
  readonly kind: 'absent';
  readonly method: FileMethod;
  /** The kernel's, as `uname -r` says it. */
  readonly release: string;
  /** The fitting drivers, best first, with all their files. */
  readonly drivers: readonly (readonly DriverFile[])[];
  /** Of the drivers; or why it is not known. */
  readonly version: string | DriverProblem;
  /** Unusable files in local storage. */
  readonly unusable: readonly UnusableFile[];
}
