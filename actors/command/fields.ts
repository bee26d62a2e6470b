/** Fields of rows, and how they become tables and JSON. */
import { closest } from '../settings/closest.js';
import { cut } from '../output/line-parts.js';
import { printable } from '../telemetry/plain-text.js';
import { ageText, clockText, dateText, isoText, zoneName, type Zone } from './time.js';

export const outputs = ['compact', 'table', 'wide', 'json', 'jsonl'] as const;
export type Output = (typeof outputs)[number];

/** The tables, from the one with the fewest columns on. */
const tables = ['compact', 'table', 'wide'] as const;

export type Value = string | number | boolean | readonly string[] | undefined;

/** How values are shown. */
export interface Look {
  readonly zone: Zone;
  /** Unix time in ms, for ages. */
  readonly now: number;
}

export interface Field<Row> {
  /** In --fields, in --sort, and in JSON. */
  readonly name: string;
  readonly help: string;
  /** The first of the tables with this column; undefined: it has to be asked for. */
  readonly from?: (typeof tables)[number];
  readonly value: (row: Row) => Value;
  /** Numbers are aligned to the right. The others are Unix time in ms: shown as clock, as date, or as age until now. */
  readonly kind?: 'number' | 'clock' | 'date' | 'age';
  /** In a table, if it is not the value as it is. */
  readonly text?: (row: Row, look: Look) => string;
  /** Columns in an endless table; the last column takes the rest. */
  readonly width?: number;
}

/**
 * The fields to show.
 * @param names as in --fields; undefined: the usual ones of the output
 * @returns the error in the names
 */
export function chooseFields<Row>(
  fields: readonly Field<Row>[],
  output: Output,
  names: string | undefined,
): readonly Field<Row>[] | string {
  if (names === undefined) {
    const level = tables.findIndex((table) => table === output);
    if (level < 0) return fields;
    return fields.filter(({ from }) => from !== undefined && tables.indexOf(from) <= level);
  }
  const chosen: Field<Row>[] = [];
  for (const name of names.split(',').map((part) => part.trim())) {
    const field = fieldOf(fields, name);
    if (typeof field === 'string') return field;
    chosen.push(field);
  }
  return chosen;
}

/** @returns the error in the name */
export function fieldOf<Row>(fields: readonly Field<Row>[], name: string): Field<Row> | string {
  const field = fields.find((one) => one.name === name);
  if (field !== undefined) return field;
  const near = closest(
    name,
    fields.map((one) => one.name),
  );
  return `there is no field '${printable(name)}'${near === undefined ? '' : ` (did you mean ${near}?)`}; --fields=help lists them`;
}

/** The text of --fields=help. */
export function fieldsHelp(fields: readonly Field<never>[]): string {
  const width = Math.max(...fields.map(({ name }) => name.length));
  return fields.map(({ name, help }) => `${name.padEnd(width)}  ${help}`).join('\n');
}

/** A row as an object with its fields. Times are as in RFC 3339. */
export function objectOf<Row>(row: Row, fields: readonly Field<Row>[], zone: Zone): Record<string, Value> {
  const object: Record<string, Value> = {};
  for (const { name, value, kind } of fields) {
    const of = value(row);
    if (of !== undefined && of !== '')
      object[name] = isTime(kind) && typeof of === 'number' ? isoText(zone, of) : of;
  }
  return object;
}

/** Sorts rows by a field; rows without a value come last. */
export function sorted<Row>(rows: readonly Row[], field: Field<Row>, descending: boolean): Row[] {
  // The earliest time has the greatest age.
  const sign = descending !== (field.kind === 'age') ? -1 : 1;
  const keyOf = (row: Row): string | number | undefined => {
    if (field.text !== undefined && field.kind === undefined) return field.text(row, { zone: 'utc', now: 0 });
    const value = field.value(row);
    return typeof value === 'number'
      ? value
      : value === undefined || value === ''
        ? undefined
        : String(value);
  };
  return [...rows].sort((one, other) => {
    const [a, b] = [keyOf(one), keyOf(other)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return typeof a === 'number' && typeof b === 'number'
      ? sign * (a - b)
      : sign * compare(String(a), String(b));
  });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

/**
 * An aligned table: a head and a line for each row.
 * @param width columns to fit into; undefined: as wide as it is
 */
export function tableLines<Row>(
  rows: readonly Row[],
  fields: readonly Field<Row>[],
  look: Look,
  width?: number,
): string[] {
  const texts = rows.map((row) => fields.map((field) => cellText(row, field, look)));
  const heads = fields.map((field) => headOf(field, look));
  const widths = fields.map((_, column) =>
    texts.reduce((most, cells) => Math.max(most, cells[column]!.length), heads[column]!.length),
  );
  if (width !== undefined) shrink(widths, heads, width);
  return [heads, ...texts].map((cells) => joined(cells, fields, widths, width));
}

/** The same, a row at a time: columns have the widths of their fields. */
export class EndlessTable<Row> {
  readonly #fields: readonly Field<Row>[];
  readonly #widths: number[];
  readonly #width: number | undefined;

  constructor(fields: readonly Field<Row>[], width?: number) {
    this.#fields = fields;
    this.#widths = fields.map((field) => Math.max(field.width ?? 0, field.name.length));
    this.#width = width;
  }

  head(look: Look): string {
    return joined(
      this.#fields.map((field) => headOf(field, look)),
      this.#fields,
      this.#widths,
      this.#width,
    );
  }

  line(row: Row, look: Look): string {
    const cells = this.#fields.map((field) => cellText(row, field, look));
    return joined(cells, this.#fields, this.#widths, this.#width);
  }
}

/** A column of clocks has the zone in its head. */
function headOf({ name, kind }: Field<never>, { zone, now }: Look): string {
  return kind === 'clock' ? `${name.toUpperCase()} ${zoneName(zone, now)}` : name.toUpperCase();
}

function isTime(kind: Field<never>['kind']): boolean {
  return kind !== undefined && kind !== 'number';
}

function cellText<Row>(row: Row, field: Field<Row>, look: Look): string {
  const { value, kind, text } = field;
  const { zone, now } = look;
  if (text !== undefined) return printable(text(row, look));
  const of = value(row);
  if (of === undefined || of === '') return '-';
  if (typeof of === 'number' && kind === 'clock') return clockText(zone, of);
  if (typeof of === 'number' && kind === 'date') return dateText(zone, of);
  if (typeof of === 'number' && kind === 'age') return ageText(now - of);
  if (typeof of === 'boolean') return of ? 'yes' : 'no';
  return printable(typeof of === 'object' ? of.join(' ') : String(of));
}

const GAP = '  ';
/** Least width of a cut column. */
const LEAST = 8;

function joined<Row>(
  cells: readonly string[],
  fields: readonly Field<Row>[],
  widths: readonly number[],
  width: number | undefined,
): string {
  const last = cells.length - 1;
  const line = cells
    .map((cell, column) => {
      const room = widths[column]!;
      const fits = width !== undefined && column < last ? cut(cell, room) : cell;
      const { kind } = fields[column]!;
      return kind === 'number' || kind === 'age'
        ? fits.padStart(room)
        : fits.padEnd(column < last ? room : 0);
    })
    .join(GAP);
  return (width === undefined ? line : cut(line, width)).trimEnd();
}

/** Takes columns from the widest ones until the table fits, or all are small. */
function shrink(widths: number[], heads: readonly string[], width: number): void {
  let excess = widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1)) - width;
  for (; excess > 0; excess--) {
    const spare = widths.map((one, column) => (one > Math.max(LEAST, heads[column]!.length) ? one : 0));
    const widest = Math.max(...spare);
    if (widest === 0) return;
    widths[spare.indexOf(widest)]!--;
  }
}
