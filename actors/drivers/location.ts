import type { DriverFile, FileMethod } from './names.js';
import type { UnusableFile } from './storage.js';
import type { DriverProblem } from './problem.js';

/** What came of looking on this node. */
export type DriverLocation =
  /** The driver is part of Collector. */
  | { readonly kind: 'builtin' }
  /** It is here, and ready to be loaded. */
  | { readonly kind: 'local'; readonly driver: LocalDriver }
  | AbsentDriver;

/** A driver that is ready to be loaded. */
export interface LocalDriver {
  readonly path: string;
  /** The kernel's types, of a driver for a kernel that has none of its own. */
  readonly btf?: string;
}

/** It has to be downloaded. */
export interface AbsentDriver {
  readonly kind: 'absent';
  readonly method: FileMethod;
  /** The kernel's, as `uname -r` says it. */
  readonly release: string;
  /** The drivers that would do, best first, with all their files. */
  readonly drivers: readonly (readonly DriverFile[])[];
  /** Of the drivers; or why it is not known. */
  readonly version: string | DriverProblem;
  /** What local storage has, but nobody can use. */
  readonly unusable: readonly UnusableFile[];
}
