import { once } from 'node:events';
import { statSync } from 'node:fs';
import { request, type IncomingMessage, type RequestOptions } from 'node:http';
import { ASK_PROTOCOL, PROTOCOL_HEADER } from '../inspection/ask.js';
import { printable } from '../telemetry/plain-text.js';
import { Problem } from './problem.js';

/** How long Collector has to begin its answer, ms; a list may wait 5 s for others. */
const PATIENCE_MS = 8000;
/** Longest answer that is no list, characters. */
const MOST_TEXT = 64 * 1024 * 1024;
const MOST_LINE = 1024 * 1024;

const IN_KUBERNETES =
  'in Kubernetes, run it where Collector runs: kubectl -n stackrox exec ds/collector -- collector';

/** Where a running Collector is asked: at its socket, or at its HTTP server. */
export interface Target {
  readonly socket: string;
  /** `http://host:port`; undefined: the socket. */
  readonly server: URL | undefined;
}

/** Asks a running Collector. All its methods throw a `Problem`. */
export class Client {
  readonly #target: Target;
  readonly #signal: AbortSignal | undefined;

  /** @param signal ends all questions */
  constructor(target: Target, signal?: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
  }

  /** The address as people know it. */
  get name(): string {
    return this.#target.server?.origin ?? this.#target.socket;
  }

  async text(path: string): Promise<string> {
    const response = await this.#ask(path);
    let text = '';
    for await (const chunk of this.#chunks(response)) {
      text += chunk;
      if (text.length > MOST_TEXT) throw this.#foreign('its answer has no end');
    }
    return text;
  }

  async json<T>(path: string): Promise<T> {
    return this.#parsed(await this.text(path)) as T;
  }

  /** The lines of an answer as they come, without empty ones. */
  async *lines<T>(path: string): AsyncGenerator<T> {
    let rest = '';
    for await (const chunk of this.#chunks(await this.#ask(path))) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      if (rest.length > MOST_LINE) throw this.#foreign('a line of its answer has no end');
      for (const line of lines) if (line !== '') yield this.#parsed(line) as T;
    }
    if (rest !== '') throw this.#ended();
  }

  async #ask(path: string): Promise<IncomingMessage> {
    const { server, socket } = this.#target;
    if (server === undefined) this.#checkOwner(socket);
    const options: RequestOptions =
      server === undefined ? { socketPath: socket } : { host: server.hostname, port: server.port || 80 };
    const asked = request({
      ...options,
      path,
      agent: false,
      headers: { Host: server?.host ?? 'localhost' },
      ...(this.#signal && { signal: this.#signal }),
    });
    // Of the connection and of the answer's head: events may be minutes apart.
    const late = setTimeout(() => asked.destroy(new Error('late')), PATIENCE_MS);
    asked.end();
    try {
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      asked.on('error', () => undefined);
      await this.#check(response, path);
      return response;
    } catch (error) {
      throw error instanceof Problem ? error : this.#unreachable(error as NodeJS.ErrnoException);
    } finally {
      clearTimeout(late);
    }
  }

  /** A socket of somebody else could tell anything. */
  #checkOwner(file: string): void {
    if (file === '')
      throw new Problem(
        'There is no socket to ask at: ROX_COLLECTOR_SOCKET is empty.',
        'Name the socket of the running Collector by --socket, or its HTTP server by --address.',
      );
    let stat;
    try {
      stat = statSync(file);
    } catch (error) {
      throw this.#unreachable(error as NodeJS.ErrnoException);
    }
    const user = process.geteuid!();
    if (!stat.isSocket())
      throw new Problem(
        `What is at ${file} is no socket.`,
        'Name the socket of the running Collector by --socket or ROX_COLLECTOR_SOCKET.',
      );
    if (stat.uid !== user && stat.uid !== 0)
      throw new Problem(
        `The socket ${file} belongs to user ${stat.uid}, neither to root nor to you (user ${user}), and is not trusted.`,
        `Ask as the user that Collector runs as, such as setpriv --reuid=${stat.uid} --clear-groups; ${IN_KUBERNETES}.`,
      );
  }

  async #check(response: IncomingMessage, path: string): Promise<void> {
    const { statusCode: status = 0, headers } = response;
    const protocol = headers[PROTOCOL_HEADER.toLowerCase()];
    if (status === 200 && protocol === String(ASK_PROTOCOL)) return;
    if (status === 200 && path === '/metrics') return;
    let body = '';
    for await (const chunk of this.#chunks(response)) if ((body += chunk).length > MOST_TEXT) break;
    const error = errorIn(body);
    if (protocol !== undefined && protocol !== String(ASK_PROTOCOL))
      throw new Problem(
        `Collector at ${this.name} speaks another form of this command's protocol (${printable(String(protocol))}, not ${ASK_PROTOCOL}).`,
        'Use the command of the version that runs there: the one in its own image.',
      );
    if (protocol !== undefined && status === 400)
      throw new Problem(
        `Collector does not take the question: ${error}.`,
        'Correct it; --help has what is allowed.',
      );
    if (protocol !== undefined || status === 403 || status === 421)
      throw new Problem(`Collector at ${this.name} refuses: ${error}.`, 'Do what it says, and ask again.');
    if (status === 404)
      throw new Problem(
        `What serves ${this.name} does not know this question (HTTP 404).`,
        this.#target.server === undefined
          ? 'It is an older Collector, or none: use the command of the version that runs there.'
          : 'Set ROX_COLLECTOR_INTROSPECTION_ENABLE=true, or ask at its socket, without --address; an older Collector does not know it at all.',
      );
    throw this.#foreign(`it answers HTTP ${status}`);
  }

  async *#chunks(response: IncomingMessage): AsyncGenerator<string> {
    response.setEncoding('utf8');
    try {
      for await (const chunk of response) yield chunk as string;
    } catch (error) {
      if (this.#signal?.aborted === true) return;
      throw this.#ended(error);
    }
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw this.#foreign('its answer is no JSON', error);
    }
  }

  #ended(cause?: unknown): Problem {
    return new Problem(
      `Collector at ${this.name} ended before its answer did.`,
      'See why in its log (kubectl logs --previous), and ask again.',
      { cause },
    );
  }

  #foreign(why: string, cause?: unknown): Problem {
    return new Problem(
      `What serves ${this.name} is no Collector that this command knows: ${why}.`,
      'Name the running Collector by --socket or --address.',
      { cause },
    );
  }

  #unreachable(error: NodeJS.ErrnoException): Problem {
    const { code, message } = error;
    const { server } = this.#target;
    if (message === 'late')
      return new Problem(
        `Collector at ${this.name} does not answer within ${PATIENCE_MS / 1000} s.`,
        'Its event loop may stand still: its log has a line of the watchdog about that; else the node lacks processor time.',
        { cause: error },
      );
    if (server !== undefined)
      return new Problem(
        `No Collector can be reached at ${this.name} (${code ?? message}).`,
        'See that it runs, and that ROX_COLLECTOR_HTTP_ADDRESS is what --address says.',
        { cause: error },
      );
    if (code === 'EACCES' || code === 'EPERM')
      return new Problem(
        `You (user ${process.geteuid!()}) may not use the socket ${this.name} (${code}).`,
        `Run the command as root, or as the user that Collector runs as; ${IN_KUBERNETES}.`,
        { cause: error },
      );
    return new Problem(
      `No Collector listens at ${this.name} (${code ?? message}).`,
      `Start it, or name its socket by --socket or ROX_COLLECTOR_SOCKET; ${IN_KUBERNETES}.`,
      { cause: error },
    );
  }
}

function errorIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    if (typeof error === 'string') return printable(error).replace(/\.$/, '');
  } catch {
    // Not Collector's words.
  }
  return `'${printable(body.slice(0, 100))}'`;
}
