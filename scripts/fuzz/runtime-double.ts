import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';

/** Methods of a container runtime that Collector asks, in the order of the answers in an input. */
export const METHODS = [
  'RuntimeService/Version',
  'RuntimeService/ListContainers',
  'RuntimeService/ListPodSandbox',
  'ImageService/ListImages',
] as const;

/** Stands in for a container runtime, and answers with any bytes. */
export class RuntimeDouble {
  /** By method. */
  answers: readonly Buffer[] = [];
  readonly #server = new Server();

  static async start(socket: string): Promise<RuntimeDouble> {
    const double = new RuntimeDouble();
    for (const [number, method] of METHODS.entries())
      double.#server.register(
        `/runtime.v1.${method}`,
        (_: unknown, reply: sendUnaryData<Buffer>) => reply(null, double.answers[number] ?? Buffer.alloc(0)),
        asIs,
        asIs,
        'unary',
      );
    await new Promise<void>((resolve, reject) => {
      double.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return double;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
