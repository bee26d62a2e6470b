import assert from 'node:assert/strict';
import type { Lockdown } from '../../actors/capture/host.js';
import { insertKernelModule } from '../../actors/drivers/insert.js';
import { asFailure } from '../../actors/telemetry/failures.js';
import { recordingLog } from './support.js';

const PATH = '/module/collector.ko';

function refusedBy(errno: string): () => void {
  return () => {
    throw Object.assign(new Error('insert'), { errno });
  };
}

/** What is logged, and what is thrown, when the kernel says `errno`. */
function refusal(errno: string, lockdown?: Lockdown) {
  const { log, lines } = recordingLog();
  try {
    insertKernelModule(PATH, refusedBy(errno), log, lockdown);
  } catch (error) {
    return { lines, failure: asFailure(error) };
  }
  throw new Error('nothing was refused');
}

describe('inserting a kernel module', () => {
  it('hands the file to the kernel, and says so before', () => {
    const { log, lines } = recordingLog();
    const inserted: string[] = [];
    const insert = (path: string): void => {
      assert.deepEqual(lines, [
        'INFO Inserting kernel module /module/collector.ko with indefinite removal and retry if required.',
      ]);
      inserted.push(path);
    };
    insertKernelModule(PATH, insert, log);
    assert.deepEqual(inserted, [PATH]);
    assert.equal(lines.length, 1);
  });

  it('that is refused is told in the lines that people search for', () => {
    assert.deepEqual(refusal('EPERM').lines.slice(1), [
      'ERROR Error inserting kernel module: /module/collector.ko: Operation not permitted. Aborting...',
      'ERROR Failed to insert kernel module',
      'ERROR Failed to setup Kernel module',
    ]);
  });

  const remedies: readonly (readonly [string, string, RegExp])[] = [
    ['ENOSYS', 'Function not implemented', /CONFIG_MODULES/],
    ['EPERM', 'Operation not permitted', /CAP_SYS_MODULE.*lockdown/],
    ['ENOEXEC', 'Exec format error', /modinfo/],
    ['EINVAL', 'Invalid argument', /another kernel/],
    ['EKEYREJECTED', 'Key was rejected by service', /Secure Boot/],
    ['EEXIST', 'File exists', /rmmod collector/],
    ['EDEADLK', 'EDEADLK', /dmesg/],
  ];
  for (const [errno, message, remedy] of remedies) {
    it(`says what to do about ${errno}`, () => {
      const { lines, failure } = refusal(errno);
      assert.ok(
        lines.some((line) => line.endsWith(`${PATH}: ${message}. Aborting...`)),
        lines.join('\n'),
      );
      assert.equal(failure.code, 'MODULE_REFUSED');
      assert.match(failure.message, new RegExp(`/module/collector\\.ko: ${errno}`));
      assert.match(failure.remedy, remedy);
    });
  }

  it('puts a refusal down to lockdown where the kernel is in it', () => {
    for (const lockdown of ['integrity', 'confidentiality'] as const) {
      const { failure } = refusal('EPERM', lockdown);
      assert.match(failure.message, new RegExp(`lockdown=${lockdown}, and takes signed modules only`));
      assert.doesNotMatch(failure.remedy, /CAP_SYS_MODULE/);
    }
    assert.doesNotMatch(refusal('ENOEXEC', 'integrity').failure.message, /lockdown/);
  });

  it('passes on what is no answer of the kernel', () => {
    const { log } = recordingLog();
    const bug = new TypeError('no add-on');
    const insert = (): void => {
      throw bug;
    };
    assert.throws(
      () => insertKernelModule(PATH, insert, log),
      (error) => error === bug,
    );
  });
});
