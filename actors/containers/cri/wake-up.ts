/** Ends the wait of one sleeper early; a wake-up before the wait counts too. */
export class WakeUp {
  #isSignalled = false;
  #end: (() => void) | undefined;

  wake(): void {
    this.#isSignalled = true;
    this.#end?.();
  }

  /** Sleeps until a wake-up, for `ms` at most, or until `signal` aborts. A wake-up ends one wait. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isSignalled && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          this.#end = undefined;
          resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end);
        this.#end = end;
      });
    }
    this.#isSignalled = false;
  }
}
