import type { Target } from './target.js';
import { controlTarget } from './targets/control.js';
import { criTarget } from './targets/cri.js';
import { driverTarget } from './targets/driver.js';
import { filterTarget } from './targets/filter.js';
import { askTarget, httpTarget } from './targets/http.js';
import { playerTarget } from './targets/player.js';
import { processTarget } from './targets/process.js';
import { procfsTarget } from './targets/procfs.js';
import { recordingTarget } from './targets/recording.js';
import { recordsTarget } from './targets/records.js';
import { runtimeConfigTarget } from './targets/runtime-config.js';
import { settingsTarget } from './targets/settings.js';

/** All doors, the most exposed first. */
export const targets = {
  process: processTarget,
  procfs: procfsTarget,
  http: httpTarget,
  ask: askTarget,
  filter: filterTarget,
  player: playerTarget,
  cri: criTarget,
  control: controlTarget,
  driver: driverTarget,
  recording: recordingTarget,
  records: recordsTarget,
  'runtime-config': runtimeConfigTarget,
  settings: settingsTarget,
} as const satisfies Readonly<Record<string, Target>>;

export type TargetName = keyof typeof targets;

export const targetNames = Object.keys(targets) as readonly TargetName[];
