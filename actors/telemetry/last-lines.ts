/** Bytes of lines kept, at most and about. */
const MOST_KEPT = 256 * 1024;

/** The last lines of the log, for whoever asks a running Collector for them. */
export class LastLines {
  #older = '';
  #newer = '';

  /** @param line with its newline */
  push(line: string): void {
    if (this.#newer.length + line.length > MOST_KEPT / 2) {
      this.#older = this.#newer;
      this.#newer = '';
    }
    this.#newer += line;
  }

  get text(): string {
    return this.#older + this.#newer;
  }
}
