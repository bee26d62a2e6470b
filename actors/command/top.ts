import { emitKeypressEvents, type Key } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { eventFields, type EventNotice, type StatusView } from '../inspection/ask.js';
import type { EventRow } from '../inspection/protocol.js';
import { BOLD, cut, DIM, styled } from '../output/line-parts.js';
import { printable } from '../telemetry/plain-text.js';
import { Client } from './client.js';
import { tableLines, type Field } from './fields.js';
import { addAsking, addExamples, OUTPUT, zoneOf, type AskingOptions, type OutputOptions } from './options.js';
import { Rates, type RateRow } from './rates.js';
import type { Terminal } from './terminal.js';
import { clockText, zoneName } from './time.js';
import { containerText } from './views.js';

const REDRAW_MS = 1000;
const STATUS_MS = 2000;
/** Columns and lines of a terminal of unknown size. */
const USUAL = { width: 80, height: 24 };
/** Lines above and below the table. */
const AROUND = 5;

const KEYS = 'q quit  space pause  c containers  p processes  s sort  r reverse  / filter  ↑↓ scroll';

/** The alternate screen without a cursor, and back to the usual one. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

const columns = ['execs', 'exits', 'connections', 'peers', 'events'] as const;
type Column = (typeof columns)[number];

/** The view chosen by keys. */
interface View {
  readonly by: 'container' | 'process';
  readonly sort: Column;
  readonly reverse: boolean;
  readonly paused: boolean;
  /** A part of a container's or a process's name. */
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  /** First row shown. */
  readonly top: number;
}

/** Beside the rates. */
interface Around {
  readonly missed: number;
  readonly status: StatusView | undefined;
  readonly lostBefore: number;
}

type TopOptions = AskingOptions & Pick<OutputOptions, 'local' | 'color'>;

/** Adds `top`. */
export function addTop(program: Command, output: Terminal): void {
  const command: Command = program
    .command('top')
    .summary('live: who starts processes and makes connections, how fast')
    .description(
      `Shows live who starts and ends processes and makes connections, as numbers a second of the last five, and what Collector loses. Keys: ${KEYS}.`,
    );
  const asked = addAsking(command, eventFields);
  const options = [
    new Option('--utc', 'times in UTC (default)').conflicts('local'),
    new Option('--local', 'times in the zone of this process'),
    new Option('--no-color', 'no colours, as with NO_COLOR in the environment'),
  ];
  for (const option of options) command.addOption(option.helpGroup(OUTPUT));
  addExamples(command, [
    ['top', 'behind kubectl -n stackrox exec -it <pod> --'],
    ['top --namespace=shop --not --port=53', 'one namespace, without DNS'],
  ]);
  command.action(async (options: TopOptions) => {
    if (!output.isTerminal || !process.stdin.isTTY)
      command.error('error: top needs a terminal (kubectl exec -it); observe and containers --watch do not');
    const end = new AbortController();
    const client = new Client(asked.target(options), end.signal);
    // Before the screen is taken: a mistake is said on the usual one.
    const first = await client.json<StatusView>('/ask/status');
    const screen = new TopScreen(output, options, first, () => end.abort());
    screen.open();
    try {
      await Promise.race([
        screen.follow(client, asked.path('/ask/events', { follow: 'true', last: '0' })),
        screen.followStatus(client, end.signal),
        screen.draw(end.signal),
      ]);
    } catch (error) {
      // Questions under way fail when the key for quitting is pressed.
      if (!end.signal.aborted) throw error;
    } finally {
      end.abort();
      screen.close();
    }
  });
}

/** The screen and its keys. */
class TopScreen {
  readonly #output: Terminal;
  readonly #options: TopOptions;
  readonly #quit: () => void;
  readonly #rates = new Rates();
  #around: Around;
  #view: View = {
    by: 'container',
    sort: 'events',
    reverse: false,
    paused: false,
    filter: '',
    isTyping: false,
    top: 0,
  };
  /** As of the latest second without a pause. */
  #rows: { readonly container: readonly RateRow[]; readonly process: readonly RateRow[] } = {
    container: [],
    process: [],
  };
  #time = Date.now();
  readonly #onKey = (text: string | undefined, key: Key): void => this.#press(text, key);
  readonly #onResize = (): void => this.#show();
  readonly #onSignal = (): void => this.#quit();

  constructor(output: Terminal, options: TopOptions, status: StatusView, quit: () => void) {
    this.#output = output;
    this.#options = options;
    this.#quit = quit;
    this.#around = { missed: 0, status, lostBefore: lossesOf(status) };
  }

  open(): void {
    const { stdin } = process;
    this.#output.write(ENTER);
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.on('keypress', this.#onKey).resume();
    process.stdout.on('resize', this.#onResize);
    process.once('SIGTERM', this.#onSignal).once('SIGHUP', this.#onSignal);
    this.#show();
  }

  close(): void {
    const { stdin } = process;
    stdin.off('keypress', this.#onKey).pause();
    stdin.setRawMode(false);
    process.stdout.off('resize', this.#onResize);
    this.#output.write(LEAVE);
  }

  async follow(client: Client, path: string): Promise<void> {
    for await (const row of client.lines<EventRow | EventNotice>(path)) {
      if ('kind' in row) this.#rates.add(row, Date.now());
      else this.#around = { ...this.#around, missed: this.#around.missed + (row.missed ?? 0) };
    }
  }

  async followStatus(client: Client, signal: AbortSignal): Promise<void> {
    while (await waited(STATUS_MS, signal))
      this.#around = { ...this.#around, status: await client.json<StatusView>('/ask/status') };
  }

  async draw(signal: AbortSignal): Promise<void> {
    while (await waited(REDRAW_MS, signal)) this.#show();
  }

  #show(): void {
    if (!this.#view.paused) {
      this.#time = Date.now();
      this.#rows = {
        container: this.#rates.rows('container', this.#time),
        process: this.#rates.rows('process', this.#time),
      };
    }
    const { width = USUAL.width, height = USUAL.height } = this.#output;
    const lines = screenLines(this.#rows[this.#view.by], this.#view, this.#around, {
      zone: zoneOf(this.#options),
      time: this.#time,
      color: this.#output.hasColor(this.#options.color),
      width,
      height,
    });
    this.#output.write(`${HOME}${lines.join(`${CLEAR_LINE}\n`)}${CLEAR_LINE}${CLEAR_BELOW}`);
  }

  #press(text: string | undefined, key: Key): void {
    if (key.ctrl === true && key.name === 'c') {
      this.#quit();
      return;
    }
    const view = this.#view;
    const { height = USUAL.height } = this.#output;
    const next = view.isTyping ? typed(view, text, key) : pressed(view, text, key, height - AROUND);
    if (next === undefined) {
      this.#quit();
      return;
    }
    const last = Math.max(this.#rows[next.by].length - 1, 0);
    this.#view = { ...next, top: Math.min(Math.max(next.top, 0), last) };
    this.#show();
  }
}

/** @returns undefined: quit */
function pressed(view: View, text: string | undefined, { name }: Key, page: number): View | undefined {
  const scrolls: Readonly<Record<string, number>> = {
    up: -1,
    down: 1,
    pageup: -page,
    pagedown: page,
    home: -Infinity,
  };
  const scroll = scrolls[name ?? ''];
  if (scroll !== undefined) return { ...view, top: view.top + scroll };
  switch (text) {
    case 'q':
      return undefined;
    case ' ':
      return { ...view, paused: !view.paused };
    case 'c':
      return { ...view, by: 'container', top: 0 };
    case 'p':
      return { ...view, by: 'process', top: 0 };
    case 's':
      return { ...view, sort: columns[(columns.indexOf(view.sort) + 1) % columns.length]! };
    case 'r':
      return { ...view, reverse: !view.reverse };
    case '/':
      return { ...view, isTyping: true, filter: '', top: 0 };
    default:
      return view;
  }
}

/** A key while the filter is typed: Enter keeps it, Escape drops it. */
function typed(view: View, text: string | undefined, { name, ctrl, meta }: Key): View {
  if (name === 'return' || name === 'enter') return { ...view, isTyping: false };
  if (name === 'escape') return { ...view, isTyping: false, filter: '' };
  if (name === 'backspace') return { ...view, filter: view.filter.slice(0, -1) };
  if (text === undefined || ctrl === true || meta === true || printable(text) !== text) return view;
  return { ...view, filter: view.filter + text };
}

/** How the screen is drawn. */
interface Frame {
  readonly zone: 'utc' | 'local';
  readonly time: number;
  readonly color: boolean;
  readonly width: number;
  readonly height: number;
}

/** The lines of the whole screen, at most its height. */
export function screenLines(all: readonly RateRow[], view: View, around: Around, frame: Frame): string[] {
  const { zone, time, color, width, height } = frame;
  const rows = all.filter(
    ({ container, process }) =>
      view.filter === '' || `${containerText(container)} ${process}`.includes(view.filter),
  );
  const sign = view.reverse ? -1 : 1;
  rows.sort((one, other) => sign * (other[view.sort] - one[view.sort]));
  const shown = rows.slice(view.top, view.top + Math.max(height - AROUND, 1));
  const fields = fieldsOf(view);
  const [head = '', ...lines] = tableLines(shown, fields, { zone, now: time }, width);
  const sum = all.reduce((total, { events }) => total + events, 0);
  const title = [
    `${clockText(zone, time)} ${zoneName(zone, time)}`,
    ...(view.paused ? ['PAUSED'] : []),
    ...(view.filter !== '' || view.isTyping ? [`filter: ${view.filter}${view.isTyping ? '_' : ''}`] : []),
    `by ${view.by}`,
    `${sum.toFixed(1)} events/s`,
    `sorted by ${view.sort}${view.reverse ? ', reversed' : ''}`,
  ].join('  ');
  const plain = (text: string, style: string) => styled(cut(text, width), style, color);
  return [
    plain(title, BOLD),
    plain(aroundText(around), DIM),
    '',
    plain(head, BOLD),
    ...lines,
    ...Array.from({ length: Math.max(height - AROUND - lines.length, 0) }, () => ''),
    plain(KEYS, DIM),
  ];
}

function aroundText({ missed, status, lostBefore }: Around): string {
  const problem = status?.problems[0];
  const lost = status === undefined ? 0 : lossesOf(status);
  return printable(
    [
      problem === undefined ? 'Collector is well' : `Collector is not well: ${problem}`,
      `lost ${lost}${lost > lostBefore ? ` (${lost - lostBefore} since this began)` : ''}`,
      ...(missed > 0 ? [`${missed} events not counted here: there were too many`] : []),
    ].join('; '),
  );
}

function lossesOf({ losses }: StatusView): number {
  return losses.reduce((sum, { count }) => sum + count, 0);
}

function fieldsOf({ by, sort }: View): readonly Field<RateRow>[] {
  const mark = (column: Column) => (column === sort ? '*' : '');
  const rate = (column: Exclude<Column, 'peers'>): Field<RateRow> => ({
    name: `${column}/s${mark(column)}`,
    help: '',
    kind: 'number',
    value: (row) => row[column],
    text: (row) => row[column].toFixed(1),
  });
  return [
    {
      name: 'container',
      help: '',
      value: (row) => row.container.container,
      text: (row) => containerText(row.container),
    },
    ...(by === 'process' ? [{ name: 'process', help: '', value: (row: RateRow) => row.process }] : []),
    rate('execs'),
    rate('exits'),
    rate('connections'),
    { name: `peers${mark('peers')}`, help: '', kind: 'number', value: (row) => row.peers },
    rate('events'),
  ];
}

/** @returns whether the time has passed; false: the end has come before it */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}
