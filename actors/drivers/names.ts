import { kernelName } from '../settings/parser.js';
import type { Settings } from '../settings/table.js';

/** The collection methods with a file for each kernel as their driver. */
export type FileMethod = Exclude<Settings['collectionMethod'], 'core_bpf'>;

/**
 * The name of a driver's file.
 * @param candidate the name of its kernel
 * @throws RangeError if the name could lead out of a folder, or is no kernel's name for another reason
 */
export function objectName(method: FileMethod, candidate: string): string {
  if ('bad' in kernelName.parse(candidate))
    throw new RangeError(`'${candidate}' cannot be in the name of a driver`);
  return method === 'ebpf' ? `collector-ebpf-${candidate}.o` : `collector-${candidate}.ko`;
}

/** Path of the driver to load, for any kernel. */
export function targetPath(method: FileMethod, moduleDir: string): string {
  return `${moduleDir}/collector.${method === 'ebpf' ? 'o' : 'ko'}`;
}

/** A file of a driver. */
export interface DriverFile {
  /** Its name where drivers are served. */
  readonly object: string;
  /** Where it is put. */
  readonly target: string;
}

/**
 * The files of a driver: the driver, and the types (BTF) needed by `ebpf` if the kernel has none of its own.
 * @param candidate the kernel it is for
 * @throws RangeError as `objectName`
 */
export function driverFiles(
  method: FileMethod,
  candidate: string,
  moduleDir: string,
  hasTypes: boolean,
): readonly DriverFile[] {
  const driver = { object: objectName(method, candidate), target: targetPath(method, moduleDir) };
  if (method !== 'ebpf' || hasTypes) return [driver];
  return [driver, { object: `collector-btf-${candidate}`, target: `${moduleDir}/collector.btf` }];
}
