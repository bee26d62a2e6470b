import { defaultText } from '../actors/settings/help.js';
import { collectorConfig, groups, table, type Declaration } from '../actors/settings/table.js';

/** docs/configuration.md, made from the table of settings. */
export function configurationReference(): string {
  const declarations: readonly Declaration<unknown>[] = [collectorConfig, ...Object.values(table)];
  return [
    '# Configuration',
    '',
    'Every setting, as `collector --help` has them. A setting comes from its argument, else from its key in the',
    '`COLLECTOR_CONFIG` JSON, else from its environment variable, else it is the default. A value that is not allowed ends the',
    'start with a line that names it; an unknown key is a warning.',
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

function settingEntry({
  argument,
  environment,
  form,
  help,
  key,
  parser,
  default: value,
}: Declaration<unknown>): string[] {
  const names = [
    ...(environment === undefined ? [] : [code(environment)]),
    ...(argument === undefined ? [] : [code(form === undefined ? argument : `${argument}=${form}`)]),
    ...(key === undefined ? [] : [`${code(`"${key}"`)} in ${code('COLLECTOR_CONFIG')}`]),
  ];
  const isSwitch = argument !== undefined && form === undefined;
  const text = defaultText(value);
  return [
    '',
    `### ${names.join(', ')}`,
    '',
    escaped(help),
    ...(isSwitch ? [] : ['', `- Allowed: ${escaped(parser.allowed)}`]),
    ...(isSwitch || text === '' ? [] : [`- Default: ${code(text)}`]),
  ];
}

function code(text: string): string {
  return `\`${text}\``;
}

/** What a reader of Markdown would not see. */
function escaped(text: string): string {
  return text.replace(/[<*]/g, '\\$&');
}
