import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { removeCgroups } from './cgroups.js';
import { eventually } from './eventually.js';
import { removeFolder } from './folder.js';
import type { Resource } from './resources.js';
import { workload } from './workload.js';

/** The image of all containers: nothing but the workload, which stays. */
export const IMAGE = 'localhost/workload:test';

const ANSWER_MS = 30_000;
const END_MS = 10_000;
const EXITED = 2;
const EXEC_SECONDS = 20;

/** How a container differs from the simplest. */
export interface ContainerOptions {
  readonly command?: readonly string[];
  /** How often it was there before. */
  readonly attempt?: number;
}

/** How a pod differs from the simplest. */
export interface PodOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  readonly hostPid?: boolean;
  readonly privileged?: boolean;
}

/** A containerd of its own, with runc and a network of its own: a node's runtime, as a kubelet talks to it. */
export class Containerd implements Resource {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'crt-'));
  readonly #name = `crt-${randomBytes(3).toString('hex')}`;
  readonly #subnet = `10.${randomInt(128, 240)}.${randomInt(256)}`;
  readonly #pods = new Set<Pod>();
  #process: ChildProcess | undefined;
  #channel: Client | undefined;

  private constructor() {
    const at = (name: string) => path.join(this.#folder, name);
    mkdirSync(at('cni'));
    mkdirSync(at('state'));
    writeFileSync(
      at('config.toml'),
      [
        'version = 2',
        `root = "${at('root')}"`,
        `state = "${at('state')}"`,
        '[grpc]',
        `  address = "${this.socket}"`,
        '[plugins."io.containerd.internal.v1.opt"]',
        `  path = "${at('opt')}"`,
        '[plugins."io.containerd.grpc.v1.cri"]',
        `  sandbox_image = "${IMAGE}"`,
        // Else nothing starts where CAP_SYS_RESOURCE is missing.
        '  restrict_oom_score_adj = true',
        '  [plugins."io.containerd.grpc.v1.cri".cni]',
        '    bin_dir = "/usr/lib/cni"',
        `    conf_dir = "${at('cni')}"`,
      ].join('\n'),
    );
    const bridge = {
      type: 'bridge',
      bridge: this.#name,
      ipam: { type: 'host-local', subnet: `${this.#subnet}.0/24`, dataDir: at('ipam') },
    };
    writeFileSync(
      at('cni/network.conflist'),
      JSON.stringify({ cniVersion: '0.4.0', name: this.#name, plugins: [bridge] }),
    );
  }

  /** Starts it and gives it the image. */
  static async create(): Promise<Containerd> {
    const made = new Containerd();
    try {
      await made.start();
      const image = path.join(made.#folder, 'image.tar');
      makeImage(made.#folder, image);
      execFileSync('ctr', ['-a', made.socket, '-n', 'k8s.io', 'images', 'import', image], { stdio: 'pipe' });
    } catch (error) {
      await made.remove();
      throw error;
    }
    return made;
  }

  get socket(): string {
    return path.join(this.#folder, 'state/containerd.sock');
  }

  /** Starts it again after `stop`; containers do not notice. */
  async start(): Promise<void> {
    const log = path.join(this.#folder, 'log');
    this.#process = spawn('sh', ['-c', `exec containerd -c config.toml >>${log} 2>&1`], {
      cwd: this.#folder,
      stdio: 'ignore',
    });
    this.#channel = new Client(`unix:${this.socket}`, credentials.createInsecure());
    await eventually(
      async () => {
        if (this.#process?.exitCode !== null)
          throw new Error(`containerd has ended:\n${readFileSync(log, 'utf8')}`);
        return this.call('Version', 'Nothing', {}, 'Nothing').then(
          () => true,
          () => false,
        );
      },
      () => `containerd answers:\n${readFileSync(log, 'utf8').slice(-2000)}`,
    );
  }

  /** Ends it, but no container. */
  async stop(): Promise<void> {
    this.#channel?.close();
    const process = this.#process;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = once(process, 'exit');
    process.kill('SIGTERM');
    const killer = setTimeout(() => process.kill('SIGKILL'), END_MS);
    await ended;
    clearTimeout(killer);
  }

  async run(name: string, options: PodOptions = {}): Promise<Pod> {
    const { namespace = 'shop', labels = {}, hostNetwork, hostPid, privileged = false } = options;
    const uid = randomUUID();
    const config = {
      metadata: { name, uid, namespace },
      logDirectory: this.#folder,
      labels,
      linux: {
        cgroupParent: `/${this.#name}/kubepods/besteffort/pod${uid}`,
        securityContext: {
          namespaceOptions: { network: hostNetwork ? 2 : 0, pid: hostPid ? 2 : 1 },
          privileged,
        },
      },
    };
    const { podSandboxId } = await this.call<{ podSandboxId: string }>(
      'RunPodSandbox',
      'RunPodSandboxRequest',
      { config },
      'RunPodSandboxResponse',
    );
    const pod = new Pod(this, podSandboxId, uid, config);
    this.#pods.add(pod);
    return pod;
  }

  /** Gives the host an address on the network of the pods. */
  joinNetwork(): void {
    execFileSync('ip', ['addr', 'add', `${this.#subnet}.254/24`, 'dev', this.#name]);
  }

  forget(pod: Pod): void {
    this.#pods.delete(pod);
  }

  /** One call of the runtime service. Field names are in lowerCamelCase. */
  async call<T>(method: string, type: string, request: object, answer: string): Promise<T> {
    const [asked, answered] = [type, answer].map((name) => messages.lookupType(`runtime.v1.${name}`)) as [
      protobuf.Type,
      protobuf.Type,
    ];
    return new Promise((resolve, reject) => {
      this.#channel!.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (message: object) => Buffer.from(asked.encode(asked.fromObject(message)).finish()),
        (bytes: Buffer) => answered.toObject(answered.decode(bytes), { defaults: true }) as T,
        request,
        new Metadata(),
        { deadline: Date.now() + ANSWER_MS },
        (error, value) =>
          error === null ? resolve(value!) : reject(new Error(`${method}: ${error.details}`)),
      );
    });
  }

  /** Ends everything: pods, the daemon, its network, its files and its cgroups. */
  async remove(): Promise<void> {
    await Promise.allSettled([...this.#pods].map((pod) => pod.remove()));
    await this.stop();
    // Of pods that could not be ended in good order.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (commandLine(pid).includes(this.socket)) process.kill(Number(pid), 'SIGKILL');
    }
    await removeCgroups(this.#name);
    if (existsSync(`/sys/class/net/${this.#name}`)) execFileSync('ip', ['link', 'del', this.#name]);
    removeFolder(this.#folder);
  }
}

/** A pod, at first without containers. */
export class Pod implements Resource {
  readonly #runtime: Containerd;
  readonly id: string;
  readonly uid: string;
  readonly #config: { readonly linux: { readonly securityContext: object } };

  constructor(
    runtime: Containerd,
    id: string,
    uid: string,
    config: { readonly linux: { readonly securityContext: object } },
  ) {
    this.#runtime = runtime;
    this.id = id;
    this.uid = uid;
    this.#config = config;
  }

  /** Its address on the network of the pods. */
  async address(): Promise<string> {
    const { status } = await this.#runtime.call<{ status: { network: { ip: string } } }>(
      'PodSandboxStatus',
      'PodSandboxIdRequest',
      { podSandboxId: this.id },
      'PodSandboxStatusResponse',
    );
    return status.network.ip;
  }

  /** Starts a container. @returns its id, 64 digits */
  async start(name: string, { command = ['/workload', 'hold'], attempt = 0 }: ContainerOptions = {}) {
    const { securityContext } = this.#config.linux;
    const { containerId } = await this.#runtime.call<{ containerId: string }>(
      'CreateContainer',
      'CreateContainerRequest',
      {
        podSandboxId: this.id,
        sandboxConfig: this.#config,
        config: {
          metadata: { name, attempt },
          image: { image: IMAGE },
          command,
          labels: { tier: name },
          linux: { securityContext },
        },
      },
      'CreateContainerResponse',
    );
    await this.#onContainer('StartContainer', containerId);
    return containerId;
  }

  /** Runs a program in a running container, to its end. @throws Error if it does not end well */
  async exec(containerId: string, ...cmd: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#runtime.call<{ exitCode: number; stderr: Uint8Array }>(
      'ExecSync',
      'ExecSyncRequest',
      { containerId, cmd, timeout: EXEC_SECONDS },
      'ExecSyncResponse',
    );
    if (exitCode !== 0)
      throw new Error(`${cmd.join(' ')} ended with ${exitCode}: ${Buffer.from(stderr).toString()}`);
  }

  /** Waits until a container has ended by itself. */
  async ended(containerId: string): Promise<void> {
    await eventually(async () => {
      const { status } = await this.#runtime.call<{ status: { state: number } }>(
        'ContainerStatus',
        'ContainerIdRequest',
        { containerId },
        'ContainerStatusResponse',
      );
      return status.state === EXITED;
    }, `container ${containerId} ends`);
  }

  async stop(containerId: string): Promise<void> {
    await this.#onContainer('StopContainer', containerId);
  }

  /** Removes a container that has ended. */
  async removeContainer(containerId: string): Promise<void> {
    await this.#onContainer('RemoveContainer', containerId);
  }

  async remove(): Promise<void> {
    for (const method of ['StopPodSandbox', 'RemovePodSandbox'])
      await this.#runtime.call(method, 'PodSandboxIdRequest', { podSandboxId: this.id }, 'Nothing');
    this.#runtime.forget(this);
  }

  async #onContainer(method: string, containerId: string): Promise<void> {
    await this.#runtime.call(method, 'ContainerIdRequest', { containerId }, 'Nothing');
  }
}

const messages = protobuf.loadSync(path.join(import.meta.dirname, 'cri.proto'));

/** An image as `docker save` writes it, whose root has the workload alone. */
function makeImage(folder: string, target: string): void {
  const root = path.join(folder, 'rootfs');
  mkdirSync(root);
  copyFileSync(workload(), path.join(root, 'workload'));
  const layer = path.join(folder, 'layer.tar');
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', layer, '.']);
  const digest = createHash('sha256').update(readFileSync(layer)).digest('hex');
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['/workload', 'hold'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  const manifest = [{ Config: 'image.json', RepoTags: [IMAGE], Layers: ['layer.tar'] }];
  writeFileSync(path.join(folder, 'image.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
  execFileSync('tar', ['-C', folder, '-cf', target, 'manifest.json', 'image.json', 'layer.tar']);
}

/** Of a process that may have gone. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
