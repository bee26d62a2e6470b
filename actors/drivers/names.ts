import { kernelName } from '../settings/parser.js';
import type { Settings } from '../settings/table.js';

/** The collection methods whose driver is a file for one kernel. */
export type FileMethod = Exclude<Settings['collectionMethod'], 'core_bpf'>;

/**
 * The name of a driver's file.
 * @param candidate the kernel it is for
 * @throws RangeError if that could lead out of a folder, or is no kernel's name for another reason
 */
export function objectName(method: FileMethod, candidate: string): string {
  if ('bad' in kernelName.parse(candidate))
    throw new RangeError(`'${candidate}' cannot be in the name of a driver`);
  return method === 'ebpf' ? `collector-ebpf-${candidate}.o` : `collector-${candidate}.ko`;
}

/** Where the driver that will be loaded is put, whatever kernel it is for. */
export function targetPath(method: FileMethod, moduleDir: string): string {
  return `${moduleDir}/collector.${method === 'ebpf' ? 'o' : 'ko'}`;
}
