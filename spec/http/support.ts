import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createApp } from '../../actors/http/app.js';
import type { Route } from '../../actors/http/route.js';
import { openServer, type HttpServer } from '../../actors/http/server.js';
import { splitHostPort } from '../../actors/settings/host-port.js';
import type { Resource } from '../support/resources.js';

/** What came back for a request. */
export interface Response {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Routes, served for a test. */
export class Served implements Resource {
  readonly address: string;
  /** What routes threw. */
  readonly errors: unknown[];
  readonly #server: HttpServer;

  private constructor(server: HttpServer, errors: unknown[]) {
    this.#server = server;
    this.address = server.address;
    this.errors = errors;
  }

  static async start(routes: readonly Route[]): Promise<Served> {
    const errors: unknown[] = [];
    const listener = createApp(routes, (error) => errors.push(error)).callback();
    const server = await openServer(
      (request, response) => void listener(request, response),
      '127.0.0.1:0',
      'ADDRESS_OF_TEST',
    );
    return new Served(server, errors);
  }

  async ask(path: string, options: RequestInit = {}): Promise<Response> {
    return ask(this.address, path, options);
  }

  remove(): void {
    this.#server.close();
  }
}

export async function ask(address: string, path: string, options: RequestInit = {}): Promise<Response> {
  const response = await fetch(`http://${address}${path}`, options);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** A bare connection to host:port. */
export async function dial(address: string): Promise<Socket> {
  const socket = connect(splitHostPort(address));
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
}
