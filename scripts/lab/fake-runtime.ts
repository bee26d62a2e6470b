import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  status,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { runtime } from '../../proto/generated/messages.js';
import type { Resource } from './resource.js';

const { v1 } = runtime;

/** The contents of a fake runtime. */
export interface Inventory {
  containers: runtime.v1.Container.$Properties[];
  items: runtime.v1.PodSandbox.$Properties[];
  images: runtime.v1.Image.$Properties[];
}

export interface FakeOptions {
  readonly name?: string;
  readonly version?: string;
  /** Offers GetContainerEvents. */
  readonly hasEvents?: boolean;
  /** Answers with bytes of no valid message. */
  readonly babbles?: boolean;
}

/** A container runtime on a unix socket, with the given contents. */
export class FakeRuntime implements Resource {
  readonly inventory: Inventory = { containers: [], items: [], images: [] };
  /** How often each method was called. */
  readonly calls = new Map<string, number>();
  readonly #server = new Server();
  readonly #listeners = new Set<ServerWritableStream<Buffer, Buffer>>();

  private constructor({
    name = 'containerd',
    version = '1.6.20',
    hasEvents = false,
    babbles = false,
  }: FakeOptions) {
    const answers = {
      'RuntimeService/Version': () =>
        v1.VersionResponse.encode({ runtimeName: name, runtimeVersion: version }),
      'RuntimeService/ListContainers': () => v1.ListContainersResponse.encode(this.inventory),
      'RuntimeService/ListPodSandbox': () => v1.ListPodSandboxResponse.encode(this.inventory),
      'ImageService/ListImages': () => v1.ListImagesResponse.encode(this.inventory),
    };
    for (const [method, answer] of Object.entries(answers)) {
      const handle = (_: unknown, reply: sendUnaryData<Buffer>) => {
        this.#count(method);
        reply(null, Buffer.from(babbles ? [0xff, 0xff, 0xff] : answer().finish()));
      };
      this.#server.register(`/runtime.v1.${method}`, handle, asIs, asIs, 'unary');
    }
    this.#server.register(
      '/runtime.v1.RuntimeService/GetContainerEvents',
      (call: ServerWritableStream<Buffer, Buffer>) => {
        this.#count('RuntimeService/GetContainerEvents');
        if (hasEvents) this.#listeners.add(call);
        else call.emit('error', { code: status.UNIMPLEMENTED, details: 'no events' });
      },
      asIs,
      asIs,
      'serverStream',
    );
  }

  static async start(socket: string, options: FakeOptions = {}): Promise<FakeRuntime> {
    const fake = new FakeRuntime(options);
    await new Promise<void>((resolve, reject) => {
      fake.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return fake;
  }

  /** Adds a pod with one container; both ids have 64 digits. */
  add(pod: string, id: string, image: runtime.v1.Container.$Properties = {}): void {
    const podSandboxId = `f${id.slice(1)}`;
    this.inventory.items.push({
      id: podSandboxId,
      metadata: { name: pod, namespace: 'shop', uid: `uid-${pod}` },
    });
    this.inventory.containers.push({ id, podSandboxId, metadata: { name: 'main' }, ...image });
  }

  /** Sends an event to all listeners. */
  sendEvent(): void {
    for (const listener of this.#listeners) listener.write(Buffer.alloc(0));
  }

  remove(): void {
    this.#server.forceShutdown();
  }

  #count(method: string): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
  }
}

/** A server on a unix socket other than a runtime: it writes `text` to every client, and nothing more. */
export class ForeignServer implements Resource {
  readonly #server: NetServer;
  readonly #sockets = new Set<Socket>();

  private constructor(text: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      if (text !== '') socket.write(text);
    });
  }

  static async start(socket: string, text: string): Promise<ForeignServer> {
    const made = new ForeignServer(text);
    await new Promise<void>((resolve) => made.#server.listen(socket, resolve));
    return made;
  }

  remove(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
