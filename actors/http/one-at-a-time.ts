import { json, type HttpResponse } from './route.js';

/** Allows one long answer at a time, since each holds a copy of its entries. */
export class OneAtATime {
  readonly #what: string;
  #isBusy = false;

  /** @param what the answers show, for the refusal of others */
  constructor(what: string) {
    this.#what = what;
  }

  respond(pieces: () => Iterable<string>): HttpResponse {
    if (this.#isBusy)
      return json(503, { error: `Somebody else is being shown ${this.#what}: ask again later.` });
    return { status: 200, body: this.#guarded(pieces()) };
  }

  *#guarded(pieces: Iterable<string>): Generator<string> {
    this.#isBusy = true;
    try {
      yield* pieces;
    } finally {
      this.#isBusy = false;
    }
  }
}
