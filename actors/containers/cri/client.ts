import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { runtime } from '../../../proto/generated/messages.js';
import type { ContainerMetadata } from '../../capture/facts.js';
import { ImageNames, sandboxMetadata, containerMetadata, shortId } from './metadata.js';

const { v1 } = runtime;

/** Equals a kubelet's own limit: 10,000 containers have some 10 MB. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** A type of protobuf message, as in the generated code. */
interface ProtobufType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** The runtime behind a socket. */
export interface RuntimeVersion {
  /** Such as containerd or cri-o. */
  readonly name: string;
  readonly version: string;
}

/** One connection to a container runtime. Calls reject with the reason, in one line. */
export class RuntimeClient {
  readonly #channel: Client;
  readonly #answerMs: number;
  readonly #images = new ImageNames();

  /** @param answerMs how long an answer may take */
  constructor(socket: string, answerMs: number) {
    this.#answerMs = answerMs;
    this.#channel = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': LARGEST_ANSWER,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  async version(): Promise<RuntimeVersion> {
    const { runtimeName, runtimeVersion } = await this.#call(
      'RuntimeService/Version',
      v1.VersionRequest,
      v1.VersionResponse,
    );
    return { name: runtimeName ?? '', version: runtimeVersion ?? '' };
  }

  /** All containers and the sandboxes of their pods, by their short ids. */
  async list(): Promise<ReadonlyMap<string, ContainerMetadata>> {
    // In this order: the sandbox of every container that is listed is there, unless it has just been removed.
    const { containers } = await this.#call(
      'RuntimeService/ListContainers',
      v1.ListContainersRequest,
      v1.ListContainersResponse,
    );
    const { items } = await this.#call(
      'RuntimeService/ListPodSandbox',
      v1.ListPodSandboxRequest,
      v1.ListPodSandboxResponse,
    );
    if (this.#images.lacksAny(containers ?? [])) {
      const { images } = await this.#call(
        'ImageService/ListImages',
        v1.ListImagesRequest,
        v1.ListImagesResponse,
      );
      this.#images.learn(images ?? [], containers ?? []);
    }
    const pods = new Map((items ?? []).map((item) => [item.id ?? '', item]));
    const found = new Map<string, ContainerMetadata>();
    for (const pod of pods.values()) {
      const id = shortId(pod.id);
      if (id !== undefined) found.set(id, sandboxMetadata(id, pod));
    }
    for (const container of containers ?? []) {
      const id = shortId(container.id);
      const pod = pods.get(container.podSandboxId ?? '');
      if (id !== undefined) found.set(id, containerMetadata(id, container, pod, this.#images));
    }
    return found;
  }

  /**
   * Listens for changes until the connection is closed.
   * @param onEnd the runtime offers it no longer, or does not offer it
   */
  events(onEvent: () => void, onEnd: () => void): void {
    const call = this.#channel.makeServerStreamRequest(
      '/runtime.v1.RuntimeService/GetContainerEvents',
      unparsed,
      unparsed,
      Buffer.alloc(0),
    );
    call.on('data', onEvent);
    call.on('error', () => undefined);
    call.on('status', onEnd);
  }

  close(): void {
    this.#channel.close();
  }

  async #call<Request extends object, Response>(
    method: string,
    request: ProtobufType<Request>,
    response: ProtobufType<Response>,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#channel.makeUnaryRequest(
        `/runtime.v1.${method}`,
        (message: Request) => Buffer.from(request.encode(message).finish()),
        (bytes: Buffer) => response.decode(bytes),
        {} as Request,
        new Metadata(),
        { deadline: Date.now() + this.#answerMs },
        (error, answer) => {
          if (error === null) resolve(answer!);
          else reject(new Error(`${method}: ${error.details}`));
        },
      );
    });
  }
}

function unparsed(bytes: Buffer): Buffer {
  return bytes;
}
