/** Names and values of an enum of numbers, which as an object also has its values as names. */
export function members(of: Readonly<Record<string, string | number>>): [name: string, value: number][] {
  return Object.entries(of).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
}
