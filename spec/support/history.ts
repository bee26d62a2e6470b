import assert from 'node:assert/strict';
import type { Collector } from './collector.js';
import type { Connection, Endpoint } from './messages.js';

type State = 'open' | 'closed';

/**
 * Waits until a connection or an endpoint is reported to be in a state, and gives all that was reported of it. Every
 * report of the same container and port has to be of what is expected, but for the time of its close.
 */
export async function history(
  collector: Collector,
  expected: Connection | Endpoint,
  state: State,
): Promise<State[]> {
  const container = expected.containerId!;
  const port = portOf(expected);
  const reports = (): (Connection | Endpoint)[] => {
    const all =
      'listenAddress' in expected ? collector.endpoints(container) : collector.connections(container);
    return all.filter((report) => portOf(report) === port);
  };
  await collector.shows(
    () => `port ${port} of ${container} ${state}, among ${JSON.stringify(reports())}`,
    () => {
      const last = reports().at(-1);
      return last !== undefined && stateOf(last) === state;
    },
  );
  return reports().map((report) => {
    const { closeTimestamp, ...rest } = report;
    assert.deepEqual(rest, expected);
    if (closeTimestamp !== undefined) {
      const age = Date.now() - Date.parse(closeTimestamp);
      assert.ok(age >= 0 && age < 60_000, `closed ${age} ms ago`);
    }
    return stateOf(report);
  });
}

function stateOf({ closeTimestamp }: Connection | Endpoint): State {
  return closeTimestamp === undefined ? 'open' : 'closed';
}

/** The port that a report is about: the server's. */
function portOf(report: Connection | Endpoint): number | undefined {
  if ('listenAddress' in report) return report.listenAddress.port;
  return report.localAddress?.port ?? report.remoteAddress.port;
}
