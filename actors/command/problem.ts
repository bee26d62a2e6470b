/** Why a question could not be asked or answered: the command says it in one line and ends with 2. */
export class Problem extends Error {
  override readonly name = 'Problem';

  /** @param problem the cause @param remedy the way to mend it; each a sentence */
  constructor(problem: string, remedy: string, options?: ErrorOptions) {
    super(`${problem} ${remedy}`, options);
  }
}
