/**
 * The max-min fair share of a `total` (D. Bertsekas and R. Gallager, "Data Networks", 1992, §6.5.2): with each owner
 * cut to this amount, all of them together fit, and smaller ones keep all they have. Rounded down; Infinity if
 * nothing has to be cut.
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
