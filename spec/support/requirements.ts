/** For tests that load BPF programs, enter namespaces or own a cgroup. */
export const isRoot = process.getuid?.() === 0;

/**
 * Skips the running test, or every test under a `before` hook, unless `met`; the reason stands behind each title.
 *
 *     before(function () { requires(this, isRoot, 'no root'); });
 */
export function requires(context: Mocha.Context, met: boolean, reason: string): void {
  if (met) return;
  const note = (test: Mocha.Runnable): void => {
    test.title += ` (skipped: ${reason})`;
  };
  const running = context.runnable() as Mocha.Test | Mocha.Hook;
  if (running.type === 'test') note(running);
  else running.parent?.eachTest(note);
  context.skip();
}
