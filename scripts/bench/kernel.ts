import { release } from 'node:os';
import { loadPrograms, openAddon } from '../../actors/capture/driver.js';
import type { ProgramStats } from '../../native/index.js';
import { own, type Figure } from './figures.js';
import type { Workshop } from './workshop.js';

const RING_BYTES = 8 * 1024 * 1024;
const BATCH_BYTES = 256 * 1024;

/**
 * Time of a run of each BPF program, measured by the kernel; the measure itself costs some ns a run, so it is no part
 * of the other runs. The programs are loaded into this process, with the daemon's default settings.
 */
export async function kernelFigures(
  workshop: Workshop,
  addon: string,
  milliseconds: number,
): Promise<Figure[]> {
  const driver = openAddon(addon);
  const probe = loadPrograms(
    driver,
    {
      object: '',
      btf: '',
      rings: driver.possibleCpus,
      ringBytes: RING_BYTES,
      cpusPerRing: 1,
      allScopes: false,
      loopback: false,
      pending: false,
      arguments: true,
      cgroupRoot: '',
      udpWindow: 0,
      udpListeners: false,
      runTime: true,
    },
    { release: release(), lockdown: 'unknown', blockers: [] },
  );
  try {
    probe.start(
      new Uint8Array(BATCH_BYTES),
      () => undefined,
      (error) => {
        throw error;
      },
    );
    probe.attach();
    await workshop.load('tcp', milliseconds);
    await workshop.load('spawn', milliseconds);
    return probe.stats().flatMap(programFigures);
  } finally {
    probe.close();
  }
}

/** Most runs of a program write nothing, since nobody is to hear of them: so also by record. */
function programFigures({ program, runs, runNs, events }: ProgramStats): Figure[] {
  if (runs === 0) return [];
  return [
    own(`kernel: ${program}, a run`, 'ns', runNs / runs),
    own(`kernel: ${program}, a record`, 'ns', runNs / events),
  ];
}
