import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { readSettings } from '../../actors/settings/read.js';
import { table } from '../../actors/settings/table.js';
import { createLog } from '../../actors/telemetry/log.js';
import { Telemetry } from '../../actors/telemetry/telemetry.js';
import { Collector } from '../support/collector.js';
import { Prometheus } from '../support/prometheus.js';
import { isRoot, requires } from '../support/requirements.js';
import { resources } from '../support/resources.js';
import { TestSensor } from '../support/sensor.js';
import { metricsIn } from './promql.js';

const ROOT = path.join(import.meta.dirname, '../..');
const FOLDER = path.join(ROOT, 'deploy/collector/monitoring');
const RUNBOOK = 'docs/runbook.md';

/** Metrics of others, and who has them. */
const FOREIGN = new Map([
  ['up', 'Prometheus'],
  ['container_memory_working_set_bytes', 'cadvisor'],
  ['container_spec_memory_limit_bytes', 'cadvisor'],
  ['kube_daemonset_status_number_unavailable', 'kube-state-metrics'],
  ['kube_pod_container_resource_limits', 'kube-state-metrics'],
]);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

interface Dashboard {
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly Panel[];
}

interface RuleTest {
  readonly alert_rule_test: readonly {
    readonly alertname: string;
    readonly exp_alerts: readonly unknown[];
  }[];
}

const read = (...parts: string[]) => readFileSync(path.join(...parts), 'utf8');
const rules = (parse(read(FOLDER, 'rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(read(FOLDER, 'dashboard.json')) as Dashboard;
const drawn = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.length === 0 ? [] : [{ title, queries: targets.map(({ expr }) => expr) }],
);

/** All metrics of a Collector with default settings. */
async function exposition(): Promise<string> {
  const { settings } = readSettings([], {});
  const log = createLog({ level: 'fatal', write: () => undefined });
  const { detailedMetrics: detailed, connectionStatsQuantiles: quantiles } = settings;
  return new Telemetry({ version: '1.0.0', detailed, quantiles, log }).metrics.text();
}

/** Names of the samples that a Collector may have, also those that wait for Sensor or for an event. */
async function exported(): Promise<Set<string>> {
  const text = await exposition();
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    families.flatMap(([, name, type]) =>
      type === 'histogram' ? [`${name!}_bucket`, `${name!}_sum`, `${name!}_count`] : [name!],
    ),
  );
}

describe('What watches Collectors', () => {
  let known: Set<string>;

  before(async () => {
    known = await exported();
  });

  it('reads the names of metrics out of PromQL', () => {
    const expression =
      'sum by (le, a) (rate(b{c="d e", f=~"g"}[5m])) / on (h) group_left () i > 2 * 1e3 unless j:k';
    assert.deepEqual(metricsIn(expression), ['b', 'i', 'j:k']);
  });

  for (const { alert, expr } of rules) {
    it(`asks for metrics that are there, to alert ${alert}`, () => {
      const names = metricsIn(expr);
      assert.ok(names.length > 0);
      assert.deepEqual(
        names.filter((name) => !known.has(name) && !FOREIGN.has(name)),
        [],
      );
    });
  }

  for (const { title, queries } of drawn) {
    it(`asks for metrics that are there, to draw ${title}`, () => {
      for (const query of queries) {
        const names = metricsIn(query);
        assert.ok(names.length > 0);
        assert.deepEqual(
          names.filter((name) => !known.has(name)),
          [],
        );
      }
    });
  }

  it('has a section of the runbook for each alert, where the alert says it is, and no other', () => {
    const runbook = read(ROOT, RUNBOOK);
    const sections = [...runbook.matchAll(/^## (Collector\w+)\n([^]*?)(?=^## |$(?![^]))/gm)];
    assert.deepEqual(
      sections.map(([, name]) => name),
      rules.map(({ alert }) => alert),
    );
    for (const { alert, annotations } of rules)
      assert.equal(annotations['runbook_url'], `${RUNBOOK}#${alert.toLowerCase()}`);
    for (const [, name, text] of sections)
      for (const part of ['**What it means.**', '**See it.**', '```console', '**Do.**'])
        assert.ok(text!.includes(part), `${name!} has ${part}`);
  });

  it('has a row of the runbook for each thing that can be lost', async () => {
    // The losses that parts publish, by the literals in their code; those of the kernel are always there.
    const files = readdirSync(path.join(ROOT, 'actors'), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((file) => file.endsWith('.ts')).map((file) => read(ROOT, 'actors', file));
    const published = sources.flatMap((text) => [...text.matchAll(/stage: '(\w+)', cause: '(\w+)'/g)]);
    const exported = (await exposition()).matchAll(
      /^collector_losses_total\{stage="(\w+)",cause="(\w+)"\}/gm,
    );
    const losses = [...exported, ...published, ['', 'sensor', 'queue_full'], ['', 'arguments', 'blocked']];
    assert.ok(losses.length >= 12);
    const runbook = read(ROOT, RUNBOOK);
    for (const [, stage, cause] of losses)
      assert.match(runbook, new RegExp(`^\\| \`${stage!}\`, \`${cause!}\` `, 'm'));
  });

  it('has no setting in the runbook that Collector does not have', () => {
    const settings = new Set(Object.values(table).map(({ environment }) => environment));
    const named = read(ROOT, RUNBOOK).match(/\bROX_\w+/g)!;
    assert.deepEqual(
      named.filter((name) => !settings.has(name)),
      [],
    );
  });

  it('has a test for each alert that it fires, and one that it does not', () => {
    const { tests } = parse(read(FOLDER, 'rules.test.yaml')) as { tests: RuleTest[] };
    const cases = tests.flatMap((test) => test.alert_rule_test);
    for (const { alert } of rules) {
      const own = cases.filter(({ alertname }) => alertname === alert);
      assert.ok(
        own.some(({ exp_alerts: alerts }) => alerts.length > 0),
        `${alert} fires`,
      );
      assert.ok(
        own.some(({ exp_alerts: alerts }) => alerts.length === 0),
        `${alert} does not`,
      );
    }
  });

  for (const command of ['check rules rules.yaml', 'test rules rules.test.yaml'])
    it(`passes promtool ${command}`, function () {
      requires(this, spawnSync('promtool', ['--version']).status === 0, 'no promtool');
      const { status, stdout, stderr } = spawnSync('promtool', command.split(' '), {
        cwd: FOLDER,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /SUCCESS/);
    });

  it('has a dashboard whose panels have their own ids and places, and ask the chosen source', () => {
    const { panels, schemaVersion, templating } = dashboard;
    assert.ok(schemaVersion >= 38, 'of Grafana 10');
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const places = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      assert.ok(x + w <= 24);
      return Array.from({ length: w * h }, (_, at) => `${x + (at % w)}:${y + Math.floor(at / w)}`);
    });
    assert.equal(new Set(places).size, places.length, 'no panel lies on another');
    assert.deepEqual(
      templating.list.map(({ name }) => name),
      ['datasource', 'node'],
    );
    for (const { type, datasource, targets = [] } of panels) {
      if (type === 'row') continue;
      for (const { uid } of [datasource!, ...targets.map((target) => target.datasource)])
        assert.equal(uid, '${datasource}');
      for (const { expr } of targets) assert.match(expr, /\{node=~"\$node"/);
    }
  });
});

describe('What watches Collectors, in a Prometheus', function () {
  this.timeout(90_000);
  const keep = resources();

  before(function () {
    requires(this, isRoot, 'no root');
    requires(this, spawnSync('prometheus', ['--version']).status === 0, 'no prometheus');
  });

  it('has something to draw in every panel, and nothing to alert of one that is well', async () => {
    const sensor = await keep(TestSensor.start());
    const collector = await keep(
      Collector.start([], {
        sensor,
        env: { ROX_COLLECTOR_SCRAPE_INTERVAL: '1', ROX_COLLECTOR_BPF_RUN_TIME: 'true' },
      }),
    );
    await sensor.opens('network');
    // An average over the runs of a program needs runs: on a quiet machine there would be none.
    const busy = spawn('sh', ['-c', 'while sleep 0.2; do /bin/true; done'], { stdio: 'ignore' });
    await keep({ remove: () => void busy.kill('SIGKILL') });
    const prometheus = await keep(Prometheus.start(collector.address('Metrics')));
    const filled = (expression: string) =>
      expression.replaceAll('$__rate_interval', '10s').replaceAll('$node', 'here');
    for (const { queries } of drawn) for (const query of queries) await prometheus.shows(filled(query));
    // What finds nothing would never alert: the labels that are asked for have to be there.
    const everything = [...rules.map(({ expr }) => expr), ...drawn.flatMap(({ queries }) => queries)];
    for (const selector of new Set(filled(everything.join('\n')).match(/\bcollector_\w+\{[^}]*\}/g)))
      await prometheus.shows(selector);
    for (const { alert, expr } of rules)
      assert.deepEqual(await prometheus.query(expr), [], `${alert} has nothing to say`);
    await collector.stop();
  });
});
