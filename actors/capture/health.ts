import type { Publication } from '../telemetry/publication.js';
import { Links } from './links.js';

/** Whether events flow from the kernel. */
export type Readiness =
  /** Not yet, or no more. */
  | { readonly is: 'waiting' }
  | { readonly is: 'ready' }
  /** The self-check or a look at the programs found that they do not. @param cause in one line */
  | { readonly is: 'blind'; readonly cause: string };

/** Health of the collection: the outcome of the self-check, and the links of the programs. */
export class Health {
  readonly links = new Links();
  #selfCheck: Readiness = { is: 'waiting' };

  /** As of the self-check and of the latest look at the links. */
  get readiness(): Readiness {
    const { failure } = this.links;
    if (this.#selfCheck.is !== 'ready' || failure === undefined) return this.#selfCheck;
    return { is: 'blind', cause: failure.message };
  }

  get publication(): Publication {
    return {
      losses: () => [{ stage: 'kernel', cause: 'program_detached', count: this.links.detached }],
      problem: () => this.links.failure,
      selfCheckPassed: () => ({ waiting: undefined, ready: true, blind: false })[this.#selfCheck.is],
    };
  }

  /** Notes the outcome of the self-check; `waiting` before it and after the collection. */
  set selfCheck(outcome: Readiness) {
    this.#selfCheck = outcome;
  }
}
