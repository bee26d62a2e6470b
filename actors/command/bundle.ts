import { writeFileSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem } from 'node:os';
import { gzipSync } from 'node:zlib';
import { Option, type Command } from 'commander';
import { createTar, type TarFileInput } from 'nanotar';
import manifest from '../../package.json' with { type: 'json' };
import { listFields } from '../inspection/ask.js';
import { Client } from './client.js';
import { addAsking, addExamples, type AskingOptions } from './options.js';
import { Problem } from './problem.js';
import type { Terminal } from './terminal.js';

const MIB = 1024 * 1024;
/** Latest events in a bundle. */
const EVENTS = 5000;

interface BundleOptions extends AskingOptions {
  readonly withArguments?: true;
}

/** Adds `bundle`. @param notice takes lines beside the answer */
export function addBundle(program: Command, output: Terminal, notice: (text: string) => void): void {
  const command: Command = program
    .command('bundle')
    .summary('one tar.gz for a ticket')
    .description(
      'Packs status, settings without secrets, the last log lines, metrics, lists and the latest events into one tar.gz: a file, or standard output if it is none of a terminal.',
    )
    .argument('[file]', 'the file to write')
    .addOption(new Option('--with-arguments', 'with the arguments of processes, which may have secrets'));
  const asked = addAsking(command);
  addExamples(command, [
    ['bundle >ticket.tar.gz', 'behind kubectl -n stackrox exec <pod> --'],
    ['bundle --with-arguments /tmp/ticket.tar.gz', 'a file, with the arguments of processes'],
  ]);
  command.action(async (file: string | undefined, options: BundleOptions) => {
    if (file === undefined && output.isTerminal)
      command.error('error: give a file, or send standard output to one: a terminal cannot show a tar.gz');
    const files = await gather(new Client(asked.target(options)), options.withArguments === true);
    const bytes = gzipSync(createTar(files, { attrs: { mode: '600', uid: 0, gid: 0 } }));
    if (file === undefined) {
      output.bytes(bytes);
      return;
    }
    try {
      writeFileSync(file, bytes, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      throw new Problem(
        `The bundle ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
        'Give a new file in a folder that is there and writable, or send standard output to one.',
        { cause: error },
      );
    }
    notice(`${file}: ${bytes.length} bytes`);
  });
}

/** All files. What cannot be had is named in the first one. @throws Problem if not even the status can be had */
async function gather(client: Client, withArguments: boolean): Promise<TarFileInput[]> {
  const files: TarFileInput[] = [];
  const missing: string[] = [];
  const add = (name: string, text: string): unknown => files.push({ name: `collector/${name}`, data: text });
  const attempt = async (name: string, read: () => Promise<string>): Promise<void> => {
    try {
      add(name, await read());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      missing.push(`${name}: ${error.message}`);
    }
  };
  const rows = async (path: string): Promise<string> => {
    let text = '';
    for await (const row of client.lines<Record<string, unknown>>(path))
      text += `${JSON.stringify(withArguments ? row : { ...row, args: undefined })}\n`;
    return text;
  };
  add('status.json', JSON.stringify(await client.json('/ask/status'), undefined, 2));
  await attempt('settings.json', async () =>
    JSON.stringify(await client.json('/ask/settings'), undefined, 2),
  );
  await attempt('log.txt', async () => logLines(await client.text('/ask/log'), withArguments));
  await attempt('metrics.txt', async () => client.text('/metrics'));
  for (const name of Object.keys(listFields))
    await attempt(`${name}.jsonl`, async () => rows(`/ask/${name}`));
  await attempt('events.jsonl', async () => rows(`/ask/events?last=${EVENTS}`));
  const about = [
    `Collector at ${client.name}, asked at ${new Date().toISOString()} by the command of version ${manifest.version}.`,
    `Host: ${hostname()}, Linux ${release()}, ${arch()}, ${cpus().length} processors, ${Math.round(totalmem() / MIB)} MiB.`,
    withArguments
      ? 'Arguments of processes are in here.'
      : 'Arguments of processes are left out, and with them the log lines of the level trace.',
    ...missing.map((line) => `Missing: ${line}`),
    '',
  ];
  return [{ name: 'collector/about.txt', data: about.join('\n') }, ...files];
}

/** Lines of the level trace have arguments of processes. */
function logLines(text: string, withArguments: boolean): string {
  if (withArguments) return text;
  return text
    .split('\n')
    .filter((line) => !line.startsWith('[TRACE') && !/^\{"time":"[^"]*","level":"trace"/.test(line))
    .join('\n');
}
