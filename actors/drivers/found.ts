import type { FileMethod } from './names.js';
import type { Unusable } from './storage.js';
import type { Trouble } from './trouble.js';

/** What came of looking on this node. */
export type Found =
  /** The driver is part of Collector. */
  | { readonly kind: 'builtin' }
  /** It is here, and ready to be loaded. */
  | { readonly kind: 'local'; readonly path: string }
  | Absent;

/** It has to be downloaded. */
export interface Absent {
  readonly kind: 'absent';
  readonly method: FileMethod;
  /** The kernel's, as `uname -r` says it. */
  readonly release: string;
  /** The files that would do, best first. */
  readonly objects: readonly string[];
  /** Of the drivers; or why it is not known. */
  readonly version: string | Trouble;
  /** What local storage has, but nobody can use. */
  readonly unusable: readonly Unusable[];
}
