import { collectorConfig, groups, table, type Declaration } from './table.js';

const WIDTH = 80;

/** The text of `--help`, made from the table of settings: groups with their settings. */
export function helpText(): string {
  const declarations: readonly Declaration<unknown>[] = [collectorConfig, ...Object.values(table)];
  return [
    'Usage: node dist/collector.js [arguments]',
    '',
    ...wrap(
      'Watches processes and connections in the containers of this node through eBPF, and sends them to Sensor. ' +
        'Without a Sensor, it writes them to standard output.',
      '',
    ),
    '',
    ...wrap(
      'An argument is written --name=value or --name value. A setting comes from its argument, else from its key ' +
        'in the COLLECTOR_CONFIG JSON, else from its environment variable.',
      '',
    ),
    '',
    ...wrap('A first word without dashes asks a running Collector: "collector help" lists such words.', ''),
    ...groups.flatMap((group) => [
      '',
      `${group}:`,
      ...declarations.filter((declaration) => declaration.group === group).flatMap(helpEntry),
    ]),
    '',
  ].join('\n');
}

function helpEntry(declaration: Declaration<unknown>): string[] {
  const { argument, environment, form, help, key, parser } = declaration;
  const places = [
    ...argumentForms(declaration),
    ...(environment === undefined ? [] : [environment]),
    ...(key === undefined ? [] : [`"${key}" in COLLECTOR_CONFIG`]),
  ];
  const isSwitch = argument !== undefined && form === undefined;
  const value = defaultText(declaration.default);
  const otherwise = value === '' ? '' : ` Default: ${value}.`;
  return [
    ...wrap(places.join(', '), '  '),
    ...wrap(help, '      '),
    ...(isSwitch ? [] : wrap(`Allowed: ${parser.allowed}.${otherwise}`, '      ')),
  ];
}

/** The form of a setting's argument, such as `--name=<value>` or `--name[=<value>]`; none without an argument. */
export function argumentForms({ argument, form, alone }: Declaration<unknown>): string[] {
  if (argument === undefined) return [];
  if (form === undefined) return [argument];
  return [alone === undefined ? `${argument}=${form}` : `${argument}[=${form}]`];
}

/** Returns empty text for an empty or absent default: the help of the setting explains it. */
export function defaultText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

/** Breaks a text into lines of at most `width` characters, indent included. No word of ours is longer than a line. */
export function wrap(text: string, indent: string, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}
