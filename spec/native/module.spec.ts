import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isProbeError, loadAddon, type Addon } from '../../native/index.js';
import { plainProbe } from '../support/probe-options.js';
import { isRoot, requires } from '../support/requirements.js';

const RINGS = {
  rings: 1,
  ringBytes: 64 * 1024,
  cpusPerRing: 1,
  allScopes: false,
  loopback: false,
  cgroupV1: false,
};

/** A kernel without modules knows no finit_module; one with them looks at what it is given. */
const refusalOfText = existsSync('/proc/modules') ? 'ENOEXEC' : 'ENOSYS';

describe('a kernel module', () => {
  let addon: Addon;

  before(function () {
    requires(this, isRoot, 'inserting a kernel module needs root');
    addon = loadAddon(path.resolve(import.meta.dirname, '../../dist/collector.node'));
  });

  const refused = [
    ['that is none', import.meta.filename, refusalOfText],
    ['that is missing', '/nowhere/collector.ko', 'ENOENT'],
  ] as const;
  for (const [what, file, errno] of refused) {
    it(`${what} is refused with the kernel's own error: ${errno}`, () => {
      assert.throws(
        () => addon.insertModule(file),
        (error) => {
          assert.ok(isProbeError(error));
          const { operation, subject, log } = error;
          assert.deepEqual(
            { operation, subject, errno: error.errno, log },
            { operation: 'insert', subject: file, errno, log: '' },
          );
          return true;
        },
      );
    });
  }

  it('that nobody has inserted can neither be removed nor opened', () => {
    const errors = [
      () => addon.removeModule('no_such_module'),
      () => new addon.Module({ ...plainProbe, ...RINGS }),
    ];
    const details = errors.map((refused) => {
      try {
        refused();
      } catch (error) {
        assert.ok(isProbeError(error));
        return [error.operation, error.subject, error.errno];
      }
      throw new Error('there is one');
    });
    const notThere = existsSync('/proc/modules') ? 'ENOENT' : 'ENOSYS';
    assert.deepEqual(details, [
      ['remove', 'no_such_module', notThere],
      ['module', '/proc/collector', 'ENOENT'],
    ]);
  });
});
