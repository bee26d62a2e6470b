import { ftruncateSync, openSync, readFileSync, writevSync, closeSync } from 'node:fs';

/** Number of the target, number of the input, and its bytes behind them. */
const HEAD_BYTES = 16;

/** The input under trial, in a file: after a hang or a crash of V8 it is still there. */
export class CurrentInput {
  readonly #fd: number;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #count = 0n;

  constructor(file: string) {
    this.#fd = openSync(file, 'w', 0o600);
  }

  /** Sets the target by its number in the job; no input of it is tried yet. */
  set target(number: number) {
    this.#head.writeBigUInt64LE(BigInt(number));
    this.set(Buffer.alloc(0));
  }

  set(input: Buffer): void {
    this.#head.writeBigUInt64LE(++this.#count, 8);
    ftruncateSync(this.#fd, HEAD_BYTES + input.length);
    writevSync(this.#fd, [this.#head, input], 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Content of such a file. */
export interface Tried {
  readonly target: number;
  readonly count: bigint;
  readonly input: Buffer;
}

/** @returns undefined before the first input */
export function readCurrentInput(file: string): Tried | undefined {
  const bytes = readFileSync(file);
  if (bytes.length < HEAD_BYTES) return undefined;
  return {
    target: Number(bytes.readBigUInt64LE()),
    count: bytes.readBigUInt64LE(8),
    input: bytes.subarray(HEAD_BYTES),
  };
}
