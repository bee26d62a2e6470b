import { eventFields, listFields } from '../../../actors/inspection/ask.js';
import { EventClients } from '../../../actors/inspection/ask-events.js';
import { eventRows } from '../../../actors/inspection/events.js';
import {
  Filter,
  filterFields,
  NOT,
  parseFilter,
  type FilterField,
} from '../../../actors/inspection/filter.js';
import type { EventRow } from '../../../actors/inspection/protocol.js';
import { ensureRefusal } from '../checks.js';
import { mutateText } from '../mutate-text.js';
import { FuzzedNode } from '../node.js';
import { recordBatches, recordsOf, someStart } from '../recordings.js';
import { ensure, type Target } from '../target.js';

const SEEDS = [
  'event=exec&not-event=exit&pod=web-*&container=4f2a&process=*/bin/sh&args=a*b&user=0&follow=true',
  'port=8000-8099&address=10.0.0.0/8&address=fd00::1&not-address=::/0&host=true&last=10',
  'since=1700000000000&until=1800000000000&namespace=shop&last=10000',
];
const WORDS = [
  ...Object.keys(filterFields),
  ...[
    'not-',
    '&',
    '=',
    'last',
    'since',
    'until',
    'follow',
    'true',
    'exec',
    'killed',
    '0-65535',
    '65536',
    '::ffff:1.2.3.4',
  ],
  ...['10.0.0.0/33', 'fe80::1%eth0', '1.2.3.4/', '/0', '-1', '9999999999999999', '%2a', '%ff', '+'],
];

/** Filters of the command, held against each event in the loop that collects. */
export const filterTarget: Target = {
  holds: 'a filter is refused with what is allowed, or takes any row without an error',
  seeds: () => SEEDS.map((text) => Buffer.from(text)),
  mutate: (input, random, other) =>
    Buffer.from(mutateText(input.toString(), random, other.toString(), WORDS)),
  open: () => {
    const start = someStart();
    const node = new FuzzedNode(start);
    const batches = recordBatches().filter(({ of }) => of.kind === 'records');
    const { clock, refs } = node.sources;
    const rows = batches.flatMap(({ bytes }) => eventRows(recordsOf(bytes), { clock, refs }));
    const clients = new EventClients(() => node.events);
    const some = rows.filter((_, at) => at % Math.ceil(rows.length / 100) === 0);
    let runs = 0;
    return {
      run: async (input) => {
        const query = new URLSearchParams(input.toString());
        for (const known of [eventFields, ...Object.values(listFields)]) ensureFilter(query, known, some);
        await ensureClient(query, clients, () => {
          // The fold of the next fact asks the filter of a following client.
          const { bytes } = batches[runs++ % batches.length]!;
          node.fold({ kind: 'records', time: start.time, records: recordsOf(bytes) });
        });
      },
    };
  },
};

function ensureFilter(
  query: URLSearchParams,
  known: readonly FilterField[],
  rows: readonly EventRow[],
): void {
  const filter = parseFilter(query, known);
  if (filter instanceof Filter) {
    for (const row of rows) ensure(typeof filter.matches(row) === 'boolean', () => 'a match is no boolean');
  } else {
    const names = Object.keys(filterFields).join('|');
    ensureRefusal(
      filter,
      new RegExp(`^--(${NOT})?(${names}): .*(allowed|there are|at most)`, 's'),
      'a refusal',
    );
  }
}

/** Asks as a client, and leaves. Still counted after that, clients would soon be too many. */
async function ensureClient(query: URLSearchParams, clients: EventClients, fold: () => void): Promise<void> {
  const { status, body } = clients.respond(query);
  if (status !== 200) {
    ensure(status === 400 && typeof body === 'string', () => `status ${status}`);
    ensureRefusal(body, /allowed|there are|at most/, 'a refusal');
    return;
  }
  ensure(typeof body === 'object' && 'destroy' in body, () => 'no stream');
  try {
    fold();
    body.read();
    await new Promise(setImmediate);
  } finally {
    body.destroy();
    await new Promise(setImmediate);
  }
}
