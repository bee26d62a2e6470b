/**
 * The max-min fair share of something of which there is `total`: the amount that each owner may keep so that all of them
 * together keep no more, where those that have less keep all they have (D. Bertsekas and R. Gallager, "Data Networks",
 * 1992, §6.5.2). Rounded down; Infinity if all of it fits.
 * @param amounts of each owner
 */
export function fairLevel(amounts: Iterable<number>, total: number): number {
  const sorted = Float64Array.from(amounts).sort();
  let left = total;
  for (let at = 0; at < sorted.length; at++) {
    const share = Math.floor(left / (sorted.length - at));
    if (sorted[at]! > share) return Math.max(share, 0);
    left -= sorted[at]!;
  }
  return Infinity;
}
