import type { Fact } from '../../actors/capture/facts.js';
import { openRecording } from '../../actors/capture/replayer.js';
import type { Format } from './corpus.js';
import type { Connection, Endpoint, Message, ProcessSignal } from './messages.js';
import { countEvents } from './recording.js';

/** Facts of a recording, and the output of its replay. */
export interface Content {
  readonly facts: readonly Fact[];
  readonly messages: readonly Message[];
  readonly signals: readonly ProcessSignal[];
  readonly connections: readonly Connection[];
  readonly endpoints: readonly Endpoint[];
  /** Lines of the compact format. */
  readonly lines: readonly string[];
  /** Events of all containers, by their type, and behind it the role of a connection: `open client`. */
  readonly count: (event: string) => number;
  /** Containers but for these, and the one made by Collector.start. */
  readonly strangers: (ours: ReadonlySet<string>) => string[];
}

export function contentOf(file: string, output: Readonly<Record<Format, string>>): Content {
  const { events, containers: seen, arguments: given } = countEvents(file);
  const told = [...output.json.matchAll(/"containerId":"(\w+)"/g)].map(([, id]) => id!);
  const containers = new Set([...told, ...seen].filter((id) => id !== 'host'));
  const [messages, lines] = [
    linesOf(output.json).map((line) => JSON.parse(line) as Message),
    linesOf(output.compact),
  ];
  const infos = messages.flatMap(({ info }) => info ?? []);
  return {
    facts: [...openRecording(file).facts],
    messages,
    signals: messages.flatMap(({ signal }) => signal?.processSignal ?? []),
    connections: infos.flatMap(({ updatedConnections }) => updatedConnections ?? []),
    endpoints: infos.flatMap(({ updatedEndpoints }) => updatedEndpoints ?? []),
    lines,
    count: (event) =>
      [...events].reduce((sum, [key, count]) => (key.endsWith(` ${event}`) ? sum + count : sum), 0),
    strangers: (ours) =>
      [...containers].filter((id) => !ours.has(id) && given.get(id)?.has('exit knock') !== true),
  };
}

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1);
}
