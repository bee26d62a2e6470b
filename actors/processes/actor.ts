import { map, type Observable } from 'rxjs';
import type { Fact } from '../capture/facts.js';
import type { ProcessSignal } from './signal.js';
import type { ProcessState } from './state.js';

/** A fact with the process signals that it gave. Its records are only valid until the next fact. */
export interface ProcessNews {
  readonly fact: Fact;
  readonly signals: readonly ProcessSignal[];
}

/** Folds every fact into the state and passes it on with what it gave. */
export function processNews(facts: Observable<Fact>, state: ProcessState): Observable<ProcessNews> {
  return facts.pipe(map((fact) => ({ fact, signals: state.fold(fact) })));
}
