import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Recorder } from '../../actors/capture/recorder.js';
import { Failure } from '../../actors/telemetry/failures.js';
import { startFact } from '../support/facts.js';
import { removeFolder } from '../support/folder.js';
import { recordingWriter } from '../support/recording-writer.js';
import { isRoot, requires } from '../support/requirements.js';

describe('the file of a recording', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-recording-'));
    file = path.join(folder, 'run');
  });
  afterEach(() => removeFolder(folder));

  function record(name = file): void {
    const writer = recordingWriter();
    const recorder = new Recorder(name, writer);
    recorder.write(startFact());
    recorder.end();
    assert.ok(writer.flush(5000));
    recorder.close();
  }

  function refuses(reason: RegExp, name = file): void {
    assert.throws(
      () => new Recorder(name, recordingWriter()),
      (error) => error instanceof Failure && error.code === 'RECORD_UNWRITABLE' && reason.test(error.message),
    );
  }

  const mode = (): number => statSync(file).mode & 0o7777;

  it('can be read and written by its owner alone, whatever the umask', () => {
    for (const umask of [0o000, 0o022, 0o777]) {
      const before = process.umask(umask);
      try {
        record(`${file}${umask}`);
      } finally {
        process.umask(before);
      }
      assert.equal(statSync(`${file}${umask}`).mode & 0o7777, 0o600);
    }
  });

  it('replaces an earlier recording, whose mode and other names it leaves alone', () => {
    record();
    chmodSync(file, 0o666);
    linkSync(file, `${file}.kept`);
    const kept = readFileSync(file);
    record();
    assert.equal(mode(), 0o600);
    assert.deepEqual(readFileSync(`${file}.kept`), kept);
    assert.notEqual(statSync(file).ino, statSync(`${file}.kept`).ino);
  });

  it('replaces a recording of another version, and an empty file', () => {
    for (const content of ['CLCTREC1 and what it had', '']) {
      writeFileSync(file, content, { mode: 0o644 });
      record();
      assert.equal(mode(), 0o600);
    }
  });

  it('never truncates what is no recording', () => {
    for (const content of ['x', 'CLCTRE', 'precious, and longer than the mark of a recording']) {
      writeFileSync(file, content);
      refuses(/it is there already, and no recording/);
      assert.equal(readFileSync(file, 'utf8'), content);
    }
  });

  it('follows no link, to a file or to nowhere', () => {
    const target = path.join(folder, 'target');
    symlinkSync(target, file);
    refuses(/symbolic link/);
    assert.ok(!existsSync(target));
    record(target);
    const before = readFileSync(target);
    refuses(/symbolic link/);
    assert.deepEqual(readFileSync(target), before);
    assert.ok(lstatSync(file).isSymbolicLink());
  });

  it('is no folder, pipe or device', () => {
    mkdirSync(file);
    refuses(/EISDIR|and no file/);
    execFileSync('mkfifo', [`${file}.pipe`]);
    refuses(/and no file/, `${file}.pipe`);
    refuses(/and no file/, '/dev/full');
  });

  it('takes the place of nothing that is another user’s', function () {
    requires(this, isRoot, 'no root');
    record();
    chownSync(file, 65_534, 65_534);
    const before = readFileSync(file);
    refuses(/a file of user 65534/);
    assert.deepEqual(readFileSync(file), before);
  });
});
