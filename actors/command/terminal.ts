/** Columns of a terminal that does not say how many it has. */
const USUAL_WIDTH = 80;

/** Where answers go: a terminal, with its width and colours, or a file or pipe without. */
export class Terminal {
  /** Columns; undefined: lines are as long as they are. */
  readonly #stream: NodeJS.WriteStream;
  /** Fulfilled when nobody reads any more. */
  readonly broken: Promise<void>;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.broken = new Promise((resolve, reject) => {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') resolve();
        else reject(error);
      });
    });
  }

  get isTerminal(): boolean {
    // Undefined, and not false, where it is none.
    return (this.#stream as Partial<NodeJS.WriteStream>).isTTY === true;
  }

  get width(): number | undefined {
    return this.isTerminal ? this.#stream.columns || USUAL_WIDTH : undefined;
  }

  get height(): number | undefined {
    return this.isTerminal ? this.#stream.rows || undefined : undefined;
  }

  /** @param wanted by the options */
  hasColor(wanted: boolean): boolean {
    const { NO_COLOR: none = '', TERM: kind } = process.env;
    return wanted && this.isTerminal && none === '' && kind !== 'dumb';
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  bytes(bytes: Buffer): void {
    this.#stream.write(bytes);
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }
}
