import { isSameStart, textSize, type Process } from './process.js';

/** Characters kept of ended processes, all together: a daemon that forked and listens from there is known by them. */
const MOST_ENDED_TEXT = 1024 * 1024;

/** Remembers the executing process of each image. Its forks are known by its name, however they rename themselves. */
export class Images {
  readonly #images = new Map<number, Process>();
  /** The ended ones among `#images`, the first to end first, and the length of their text. */
  readonly #ended = new Map<number, Process>();
  #endedText = 0;

  get(image: number): Process | undefined {
    return this.#images.get(image);
  }

  /** @param isExec it executed its image itself, and is no fork of the executing process */
  note(process: Process, isExec: boolean): void {
    const { image } = process;
    const known = this.#images.get(image);
    const isOthers = known?.path === process.path && !isSameStart(known.startTime, process.startTime);
    if (image === 0 || (isOthers && !isExec)) return;
    if (known !== undefined && this.#ended.delete(image)) this.#endedText -= textSize(known);
    this.#images.set(image, process);
  }

  /** Keeps the image of an ended process for the sake of its forks, as far as there is room. */
  retire(process: Process): void {
    const ended = this.#ended;
    if (process.image === 0 || this.#images.get(process.image) !== process) return;
    ended.set(process.image, process);
    this.#endedText += textSize(process);
    for (const [image, oldest] of ended) {
      if (this.#endedText <= MOST_ENDED_TEXT) break;
      ended.delete(image);
      this.#images.delete(image);
      this.#endedText -= textSize(oldest);
    }
  }

  /** Replaces a process by `bare`, its description without text. */
  replace(process: Process, bare: Process): void {
    if (this.#images.get(process.image) === process) this.#images.set(process.image, bare);
  }
}
