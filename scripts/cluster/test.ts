/**
 * Tries the image and the chart on a real two-node Kubernetes: `npm run cluster-test`, as root on Debian 12. It brings
 * up the cluster, builds the image, installs the chart beside the Sensor double, and walks through the life of a
 * DaemonSet. Each step is a line; the first failure ends it, with its evidence. Where the cluster is not kept (--keep),
 * it is taken down in any case.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const state = process.env['CLUSTER_DIR'] ?? path.join(process.env['TMPDIR'] ?? '/tmp', 'collector-cluster');
const enter = path.join(state, 'nodes/node1/enter');
const keep = process.argv.includes('--keep');
const scratch = mkdtempSync(path.join(tmpdir(), 'collector-cluster-test-'));

const NODES = ['node1', 'node2'];
const NAMESPACE = 'stackrox';
const SENSOR_PORT = 9998;
const SCRAPE_SECONDS = 2;

function runCommand(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    input,
    cwd: root,
    env: { ...process.env, CLUSTER_DIR: state },
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 256 * 1024 * 1024,
  });
}

const script = (name: string, ...args: string[]) => runCommand(path.join(here, name), args);
const kubectl = (...args: string[]) => runCommand(enter, ['kubectl', '-n', NAMESPACE, ...args]);
const apply = (manifest: string) =>
  runCommand(enter, ['kubectl', '-n', NAMESPACE, 'apply', '-f', '-'], manifest);

/** The output of the double, a JSON object a line. */
interface SensorLine {
  readonly connection?: number;
  readonly event?: string;
  readonly stream?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly message?: {
    readonly register?: { readonly hostname: string };
    readonly collectorRegisterRequest?: { readonly hostname: string };
    readonly signal?: {
      readonly processSignal: { readonly name: string; readonly containerId: string; readonly args?: string };
    };
    readonly info?: { readonly time?: string; readonly updatedConnections?: readonly Connection[] };
  };
}
interface Connection {
  readonly containerId: string;
  readonly role: string;
  readonly closeTimestamp?: string;
  readonly localAddress?: { readonly port?: number };
  readonly remoteAddress?: { readonly port?: number };
}

function lines(): SensorLine[] {
  return kubectl('logs', 'deploy/sensor', '--tail=-1')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as SensorLine);
}

/** The streams of a node, by their registered name. */
function streamsOf(all: readonly SensorLine[], node: string): Set<number> {
  return new Set(
    all
      .filter(({ message }) => (message?.register ?? message?.collectorRegisterRequest)?.hostname === node)
      .map(({ connection }) => connection!),
  );
}

/** The lines about a node's messages, from line `from` on. */
function reportedBy(node: string, all: readonly SensorLine[], from: number): SensorLine[] {
  const streams = streamsOf(all, node);
  return all.slice(from).filter(({ connection }) => streams.has(connection ?? -1));
}

/** The longest times, s, without a network report of each node, from line `from` on. */
function longestSilences(from: number): number[] {
  const all = lines();
  return NODES.map((node) => {
    const times = reportedBy(node, all, from).flatMap(({ message }) =>
      message?.info?.time === undefined ? [] : [Date.parse(message.info.time)],
    );
    return Math.max(...times.slice(1).map((time, at) => time - times[at]!)) / 1000;
  });
}

const perNode = (seconds: readonly number[]) =>
  seconds.map((value, at) => `${NODES[at]} ${value.toFixed(1)} s`).join(', ');

/** Asks until `check` does not throw any more. */
async function eventually<T>(seconds: number, check: () => T | Promise<T>): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}

const started = Date.now();
async function step(title: string, body: () => unknown): Promise<void> {
  const since = Date.now();
  process.stdout.write(`${String(Math.round((since - started) / 1000)).padStart(4)} s  ${title} … `);
  const said = await body();
  const took = ((Date.now() - since) / 1000).toFixed(1);
  process.stdout.write(`${typeof said === 'string' ? said : 'ok'} (${took} s)\n`);
}

/** Installs or upgrades the chart. */
function helm(...values: string[]): void {
  helmRelease('collector', ...values);
}

function helmRelease(release: string, ...values: string[]): void {
  runCommand(enter, [
    ...['helm', 'upgrade', '--install', release, path.join(root, 'deploy/collector'), '-n', NAMESPACE],
    ...['--set', 'image.tag=test', '--set', 'image.pullPolicy=Never'],
    ...['--set', `sensor.address=${sensorAddress()}`, '--set', 'sensor.serverName=sensor.stackrox.svc'],
    ...[
      '--set-string',
      `env.ROX_COLLECTOR_SCRAPE_INTERVAL=${SCRAPE_SECONDS}`,
      '--set-string',
      'env.ROX_ENABLE_AFTERGLOW=false',
    ],
    ...['--set-string', 'env.ROX_COLLECTOR_INTROSPECTION_ENABLE=true'],
    ...values,
  ]);
}

const sensorAddress = () =>
  `${kubectl('get', 'service', 'sensor', '-o', 'jsonpath={.spec.clusterIP}')}:${SENSOR_PORT}`;

function pods(): { name: string; ip: string; node: string }[] {
  const all = JSON.parse(kubectl('get', 'pods', '-l', 'app.kubernetes.io/name=collector', '-o', 'json')) as {
    items: {
      metadata: { name: string; deletionTimestamp?: string };
      status: { podIP: string };
      spec: { nodeName: string };
    }[];
  };
  return all.items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, status, spec }) => ({ name: metadata.name, ip: status.podIP, node: spec.nodeName }));
}

/** Something to see: a server on one node, a client on the other with a request once a second. */
const WORKLOAD = `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  nodeName: node2
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers: [{name: web, image: "localhost/busybox:cluster", imagePullPolicy: Never}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 0
  containers:
  - name: ask
    image: "localhost/busybox:cluster"
    imagePullPolicy: Never
    command: [sh, -c, "while true; do echo GET / | nc SERVER 8080 >/dev/null; sleep 1; done"]
`;

const SENSOR = `
apiVersion: v1
kind: Service
metadata: {name: sensor}
spec: {selector: {app: sensor}, ports: [{port: ${SENSOR_PORT}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sensor}
spec:
  selector: {matchLabels: {app: sensor}}
  template:
    metadata: {labels: {app: sensor}}
    spec:
      nodeName: node1
      securityContext: {fsGroup: 65532}
      containers:
      - name: sensor
        image: "sensor-double:1"
        imagePullPolicy: Never
        args: ["--address=0.0.0.0:${SENSOR_PORT}", "--certs=/certs"]
        volumeMounts: [{name: certs, mountPath: /certs, readOnly: true}]
        readinessProbe: {tcpSocket: {port: ${SENSOR_PORT}}, periodSeconds: 1}
      volumes: [{name: certs, secret: {secretName: sensor-tls}}]
`;

/** Asks a pod over HTTP, from a node. */
function askPod(ip: string, rest: string): string {
  return runCommand(enter, [
    'curl',
    '--silent',
    '--show-error',
    '--fail',
    '--max-time',
    '5',
    `http://${ip}:${rest}`,
  ]);
}

/** Asserts for both nodes a report of something begun after `since`. */
async function bothNodesReport(since: number): Promise<void> {
  await eventually(60, () => {
    const all = lines();
    for (const node of NODES) {
      const role = node === 'node1' ? 'ROLE_CLIENT' : 'ROLE_SERVER';
      const connections = reportedBy(node, all, since).flatMap(
        ({ message }) => message?.info?.updatedConnections ?? [],
      );
      assert.ok(
        connections.some(
          (one) => one.role === role && (one.localAddress?.port ?? one.remoteAddress?.port) === 8080,
        ),
        `${node} tells of no connection to port 8080 as ${role}`,
      );
    }
  });
}

async function main(): Promise<void> {
  await step('Kubernetes of two nodes', () => void script('up.sh'));
  await step('images of Collector and of the Sensor double', () => void script('image.sh', 'test'));
  await step('helm', () => void script('helm.sh'));
  await step('plain manifests are those of the chart, and kustomize takes them', () => {
    script('manifests.sh', '--check');
    runCommand(enter, ['kubectl', 'kustomize', path.join(root, 'deploy/kubernetes')]);
  });

  await step('Sensor double with mutual TLS', () => {
    runCommand(enter, ['kubectl', 'create', 'namespace', NAMESPACE]);
    runCommand('node_modules/.bin/tsx', ['scripts/sensor.ts', `--make-certs=${scratch}/certs`]);
    for (const [name, folder] of [
      ['sensor-tls', 'server'],
      ['collector-tls', 'client'],
    ]) {
      const files = ['ca.pem', 'cert.pem', 'key.pem'].map(
        (file) => `--from-file=${scratch}/certs/${folder}/${file}`,
      );
      kubectl('create', 'secret', 'generic', name!, ...files);
    }
    apply(SENSOR);
    kubectl('rollout', 'status', 'deploy/sensor', '--timeout=60s');
  });

  await step("the existing product's DaemonSet runs this image unchanged", async () => {
    apply(
      readFileSync(path.join(here, 'drop-in.yaml'), 'utf8').replace(
        'value: SENSOR',
        `value: '${sensorAddress()}'`,
      ),
    );
    kubectl('rollout', 'status', 'ds/drop-in', '--timeout=90s');
    await eventually(20, () => {
      for (const node of NODES)
        assert.equal(streamsOf(lines(), node).size, 2, `${node} has not registered twice`);
    });
    kubectl('delete', 'ds', 'drop-in', '--wait');
  });

  await step('helm install: both nodes get ready', () => {
    helm('--wait', '--timeout', '90s');
    assert.deepEqual(
      pods()
        .map(({ node }) => node)
        .sort(),
      NODES,
    );
  });

  await step('both nodes register and tell of the workload', async () => {
    const since = lines().length;
    apply(WORKLOAD.split('---').slice(0, 2).join('---'));
    await eventually(60, () => kubectl('wait', '--for=condition=Ready', 'pod/server', '--timeout=5s'));
    const ip = kubectl('get', 'pod', 'server', '-o', 'jsonpath={.status.podIP}');
    apply(WORKLOAD.split('---').at(-1)!.replace('SERVER', ip));
    await eventually(30, () => {
      const names = lines()
        .slice(since)
        .map(({ message }) => message?.signal?.processSignal.name);
      assert.ok(names.includes('httpd') && names.includes('sh'), 'no process of the workload was told');
    });
    await bothNodesReport(since);
  });

  await step('the command in the pods answers who starts, listens and connects', async () => {
    const ask = (node: string, ...words: readonly string[]) =>
      kubectl('exec', pods().find((pod) => pod.node === node)!.name, '--', 'collector', ...words);
    await eventually(20, () => {
      assert.match(ask('node1', 'observe', '--pod=client', '--event=exec'), / exec .* 8080$/m);
      assert.match(ask('node1', 'connections', '--pod=client'), /client .*:8080/);
      assert.match(ask('node2', 'listening', '--pod=server', '--port=8080'), /^8080 .* -p 0\.0\.0\.0:8080/m);
      assert.match(ask('node2', 'status', '--brief'), /^well: /);
    });
  });

  await step('a real Prometheus scrapes both', async () => {
    const targets = pods().map(({ ip }) => `"${ip}:9090"`);
    writeFileSync(
      `${scratch}/prometheus.yml`,
      `scrape_configs: [{job_name: collector, scrape_interval: 1s, static_configs: [{targets: [${targets.join()}]}]}]\n`,
    );
    mkdirSync(`${scratch}/prometheus`);
    const prometheus: ChildProcess = spawn(
      enter,
      [
        'prometheus',
        `--config.file=${scratch}/prometheus.yml`,
        `--storage.tsdb.path=${scratch}/prometheus`,
        '--web.listen-address=127.0.0.1:9099',
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    try {
      await eventually(30, () => {
        const answer = runCommand(enter, [
          'curl',
          '-s',
          '-g',
          'http://127.0.0.1:9099/api/v1/query?query=rox_collector_counters{type="userspace"}%20or%20up',
        ]);
        const { data } = JSON.parse(answer) as {
          data: { result: { metric: Record<string, string>; value: [number, string] }[] };
        };
        const up = data.result.filter(({ metric, value }) => metric['__name__'] === 'up' && value[1] === '1');
        assert.equal(up.length, 2, answer);
      });
    } finally {
      prometheus.kill();
    }
  });

  await step('a change of the ConfigMap is picked up without a restart', async () => {
    const before = pods()
      .map(({ name }) => name)
      .sort();
    helm('--set', 'runtimeConfig.networking.externalIps.enabled=ENABLED');
    await eventually(120, () => {
      for (const { ip } of pods())
        assert.match(askPod(ip, '8080/state/runtime-config'), /ENABLED|"enabled":\s*true/);
    });
    assert.deepEqual(
      pods()
        .map(({ name }) => name)
        .sort(),
      before,
    );
  });

  await step('a node that is drained keeps its Collector', async () => {
    runCommand(enter, [
      'kubectl',
      'drain',
      'node2',
      '--ignore-daemonsets',
      '--force',
      '--delete-emptydir-data',
      '--timeout=60s',
    ]);
    assert.deepEqual(
      pods()
        .map(({ node }) => node)
        .sort(),
      NODES,
    );
    runCommand(enter, ['kubectl', 'uncordon', 'node2']);
    apply(WORKLOAD.split('---').slice(0, 1).join('---'));
    await eventually(60, () => kubectl('wait', '--for=condition=Ready', 'pod/server', '--timeout=5s'));
    const ip = kubectl('get', 'pod', 'server', '-o', 'jsonpath={.status.podIP}');
    kubectl('delete', 'pod', 'client', '--wait');
    apply(WORKLOAD.split('---').at(-1)!.replace('SERVER', ip));
    await bothNodesReport(lines().length);
  });

  await step('an upgrade: both nodes tell again', async () => {
    const seen = lines().length;
    const old = new Set(pods().map(({ name }) => name));
    helm('--set', 'podAnnotations.again=yes', '--wait', '--timeout', '120s');
    kubectl('rollout', 'status', 'ds/collector', '--timeout=120s');
    assert.ok(
      pods().every(({ name }) => !old.has(name)),
      'the pods are the same as before',
    );
    await bothNodesReport(lines().length);
    return `longest silence, from the end of the old pod to the report of the new: ${perNode(longestSilences(seen))}`;
  });

  await step('an upgrade by a release beside the old one, which then goes: no gap', async () => {
    const seen = lines().length;
    for (const [next, before] of [
      ['collector-next', 'collector'],
      ['collector', 'collector-next'],
    ] as const) {
      const all = lines();
      const known = NODES.map((node) => streamsOf(all, node));
      helmRelease(next, '--wait', '--timeout', '120s');
      await eventually(60, () => {
        const all = lines();
        NODES.forEach((node, at) => {
          const fresh = [...streamsOf(all, node)].filter((stream) => !known[at]!.has(stream));
          assert.ok(
            all.some(({ connection, message }) => message?.info && fresh.includes(connection ?? -1)),
            `${next} has not told of ${node}`,
          );
        });
      });
      runCommand(enter, ['helm', 'uninstall', before, '-n', NAMESPACE]);
      const old = `app.kubernetes.io/instance=${before}`;
      kubectl('wait', '--for=delete', 'pod', '-l', old, '--timeout=120s');
    }
    await sleep(2 * SCRAPE_SECONDS * 1000);
    const silences = longestSilences(seen);
    assert.ok(Math.max(...silences) <= SCRAPE_SECONDS + 1, perNode(silences));
    return `two upgrades, reports every ${SCRAPE_SECONDS} s; longest silence: ${perNode(silences)}`;
  });

  await step('a broken configuration is explained by kubectl describe pod', async () => {
    helm('--set-string', 'env.ROX_COLLECTOR_SCRAPE_INTERVAL=never');
    await eventually(60, () => {
      const description = kubectl('describe', 'pods', '-l', 'app.kubernetes.io/name=collector');
      assert.match(description, /Cause: .*ROX_COLLECTOR_SCRAPE_INTERVAL/);
      assert.match(description, /Remedy: /);
    });
    helm('--wait', '--timeout', '120s');
  });
}

try {
  await main();
  process.stdout.write('The cluster test passed.\n');
} catch (error) {
  process.exitCode = 1;
  const { message, stderr } = error as Error & { stderr?: string };
  process.stdout.write(`failed\n${message}\n${stderr ?? ''}\n`);
  try {
    process.stdout.write(
      `${kubectl('get', 'pods', '-o', 'wide')}${kubectl('logs', '-l', 'app.kubernetes.io/name=collector', '--tail=25', '--prefix')}`,
    );
  } catch {
    // There is no cluster to ask.
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
  if (!keep) script('down.sh');
}
