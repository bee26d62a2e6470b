import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import { createLog, type Log } from '../../actors/telemetry/log.js';
import type { Resource } from '../support/resources.js';

/** A log, and its lines as they come, as `LEVEL message`. */
export function recordingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line.trimEnd().replace(/^\[(\w+) +[^\]]*\] ?/, '$1 '));
  return { log: createLog({ write }), lines };
}

/** The folders that drivers are found in and put into. */
export class Workplace implements Resource {
  readonly root = mkdtempSync(path.join(tmpdir(), 'collector-drivers-'));
  readonly storage = path.join(this.root, 'kernel-modules');
  readonly modules = path.join(this.root, 'module');

  constructor() {
    mkdirSync(this.storage);
    mkdirSync(this.modules);
  }

  /** Puts a file into local storage. */
  store(name: string, content: string | Buffer): void {
    writeFileSync(path.join(this.storage, name), content);
  }

  /** Puts a file where drivers are loaded from. */
  place(name: string, content: string): void {
    writeFileSync(path.join(this.modules, name), content);
  }

  /** What lies where drivers are loaded from: file names and their contents. */
  get placed(): Record<string, string> {
    const names = readdirSync(this.modules).sort();
    return Object.fromEntries(
      names.map((name) => [name, readFileSync(path.join(this.modules, name), 'latin1')]),
    );
  }

  /** The permissions of a file there. */
  mode(name: string): number {
    return statSync(path.join(this.modules, name)).mode & 0o777;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A web server that answers every request by `answer`, and what it was asked for. */
export class Server implements Resource {
  /** The paths, in their order. */
  readonly asked: string[] = [];
  answer: (response: ServerResponse, request: IncomingMessage) => void = (response) => response.end();
  readonly #server: http.Server | https.Server;

  private constructor(server: http.Server | https.Server) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      response.on('error', () => undefined); // a client that has gone
      this.asked.push(request.url ?? '');
      this.answer(response, request);
    });
  }

  /** @param tls undefined: plain text */
  static async start(tls?: https.ServerOptions): Promise<Server> {
    const server = new Server(tls === undefined ? http.createServer() : https.createServer(tls));
    server.#server.on('tlsClientError', () => undefined); // a client that is refused, or refuses
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Is told of each TLS connection. */
  onSecure(listener: (socket: TLSSocket) => void): void {
    this.#server.on('secureConnection', listener);
  }

  async remove(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The common name in the certificate that a client has shown; undefined if it has shown none. */
export function clientName(socket: net.Socket): string | undefined {
  assert.ok(socket instanceof TLSSocket);
  const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  return subject === undefined ? undefined : String(subject.CN);
}

/** Takes connections and never says a word. */
export async function muteServer(): Promise<{ readonly port: number } & Resource> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => undefined).resume()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const remove = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port, remove };
}
