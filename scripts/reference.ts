import { argumentForms, defaultText, wrap } from '../actors/settings/help.js';
import { collectorConfig, groups, table, type Declaration } from '../actors/settings/table.js';

const WIDTH = 120;

/** docs/configuration.md, made from the table of settings. */
export function configurationReference(): string {
  const declarations: readonly Declaration<unknown>[] = [collectorConfig, ...Object.values(table)];
  return [
    '# Configuration',
    '',
    ...wrapped(
      'You set Collector by arguments, by keys of the `COLLECTOR_CONFIG` JSON, or by environment variables; with ' +
        'the chart, by environment variables below `env`. A setting comes from its argument, else from its key, ' +
        'else from its environment variable, else it is the default. A value not allowed ends the start with a ' +
        'line naming it; an unknown key is a warning.',
    ),
    '',
    ...wrapped('Find every setting here, as `collector --help` has them, in these groups:'),
    '',
    ...groups.map((group) => `- [${group}](#${group.toLowerCase().replaceAll(' ', '-')})`),
    '',
    'This file is written by `npx tsx scripts/configuration.ts`.',
    ...groups.flatMap((group) => [
      '',
      `## ${group}`,
      ...declarations.filter((declaration) => declaration.group === group).flatMap(settingEntry),
    ]),
    '',
  ].join('\n');
}

function settingEntry(declaration: Declaration<unknown>): string[] {
  const { argument, environment, form, help, key, parser, default: value } = declaration;
  const names = [
    ...(environment === undefined ? [] : [code(environment)]),
    ...argumentForms(declaration).map(code),
    ...(key === undefined ? [] : [`${code(`"${key}"`)} in ${code('COLLECTOR_CONFIG')}`]),
  ];
  const isSwitch = argument !== undefined && form === undefined;
  const text = defaultText(value);
  return [
    '',
    `### ${names.join(', ')}`,
    '',
    ...wrapped(escaped(help)),
    ...(isSwitch ? [] : ['', ...item(`Allowed: ${escaped(parser.allowed)}`)]),
    ...(isSwitch || text === '' ? [] : [`- Default: ${code(text)}`]),
  ];
}

function wrapped(text: string): string[] {
  return wrap(text, '', WIDTH);
}

function item(text: string): string[] {
  return wrap(text, '  ', WIDTH).map((line, index) => (index === 0 ? line.replace(/^ {2}/, '- ') : line));
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Escapes signs invisible to a reader of Markdown. */
function escaped(text: string): string {
  return text.replace(/[<*]/g, '\\$&');
}
