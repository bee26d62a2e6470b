/** Widths of the narrow and the wide letters in a size of 1; all others are as wide as a digit. */
const WIDTHS: readonly (readonly [letters: string, width: number])[] = [
  ["ijl'.,:|!", 0.32],
  ['frt ()[]-', 0.42],
  ['mwMW', 0.95],
  ['ABCDEFGHJKLNOPQRSTUVXYZ', 0.72],
];
const OTHERS = 0.62;

/** Estimates the width of a text in px, on the safe side for the sans-serif fonts of common systems. */
export function textWidth(text: string, size: number): number {
  const widths = Array.from(
    text,
    (letter) => WIDTHS.find(([letters]) => letters.includes(letter))?.[1] ?? OTHERS,
  );
  return size * widths.reduce((sum, width) => sum + width, 0);
}
