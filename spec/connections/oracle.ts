/** The deltas of SPEC §7, slow and obvious, to hold the real ones against. */

/** When something was last active, and whether it still is. */
export interface Status {
  active: boolean;
  last: number;
}

/** §7, Delta, afterglow on, clause by clause. */
export function specifiedAfterglow<Key extends string | number>(
  old: Map<Key, Status>,
  now: Map<Key, Status>,
  T: number,
  T0: number,
  P: number,
): { report: string[]; old: Map<Key, Status> } {
  const recentlyActive = ({ active, last }: Status, t: number) => active || t - last < P;
  const report: string[] = [];
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const was = old.get(key);
    const is = now.get(key);
    if (was && is) {
      if (recentlyActive(was, T0) !== recentlyActive(is, T)) {
        report.push(recentlyActive(is, T) ? `${key} active` : `${key} closed ${is.last}`);
      } else if (!recentlyActive(is, T) && is.last > was.last) report.push(`${key} closed ${is.last}`);
    } else if (is) {
      report.push(recentlyActive(is, T) ? `${key} active` : `${key} closed ${is.last}`);
    } else if (was && recentlyActive(was, T0) && T - was.last >= P) report.push(`${key} closed ${was.last}`);
  }
  const kept = [...old].filter(([, { last }]) => T - last < P);
  return { report: report.sort(), old: new Map([...kept, ...now]) };
}

/** §7, Delta, afterglow off: changes of activity, new and gone entries, and closed ones with a later time. */
export function specifiedChanges<Key extends string | number>(
  old: Map<Key, Status>,
  now: Map<Key, Status>,
): string[] {
  const report: string[] = [];
  for (const [key, is] of now) {
    const was = old.get(key);
    const changed = was?.active !== is.active;
    if (changed || (!is.active && is.last > was.last)) {
      report.push(is.active ? `${key} active` : `${key} closed ${is.last}`);
    }
  }
  for (const [key, was] of old) {
    if (!now.has(key) && was.active) report.push(`${key} closed ${was.last}`);
  }
  return report.sort();
}

/** §7, Rate limit: how many *new active* connections of a container a tick has room for. */
export function specifiedRoom(maxConnectionsPerMinute: number, scrapeInterval: number): number {
  return Math.round((maxConnectionsPerMinute * scrapeInterval) / 60);
}

/** §7, external IPs turned on or off: entries over because nothing is reported in their form any more. */
export function specifiedClosing<Key extends string | number>(
  old: Map<Key, Status>,
  isOver: (key: Key) => boolean,
  T0: number,
  P: number,
): string[] {
  const report: string[] = [];
  for (const [key, was] of [...old]) {
    if (!isOver(key)) continue;
    if (was.active || T0 - was.last < P) report.push(`${key} closed ${was.last}`);
    old.delete(key);
  }
  return report;
}
