import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  findModule,
  holderBelow,
  moduleKernel,
  readModuleFile,
} from '../../actors/drivers/inserted-modules.js';

describe('What is known of kernel modules', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'collector-modules-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(name: string, text: string): void {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }

  it('is nothing of one that is not there', () => {
    assert.equal(findModule(path.join(folder, 'collector')), undefined);
  });

  it("is that it is one of ours by its records' layout, of any version", () => {
    write('collector/version', '0.1.0\n');
    write('collector/parameters/layout', '4\n');
    assert.deepEqual(findModule(path.join(folder, 'collector')), { isOurs: true, version: '0.1.0' });
  });

  it('is that it is a foreign one without', () => {
    write('collector/parameters/max_consumers', '5\n');
    assert.deepEqual(findModule(path.join(folder, 'collector')), { isOurs: false, version: undefined });
  });

  it('is who has it open, by the name of its file in any mount of procfs', () => {
    write('12/comm', 'sh\n');
    mkdirSync(path.join(folder, '12/fd'));
    symlinkSync('/proc/12/status', path.join(folder, '12/fd/0'));
    assert.equal(holderBelow(folder), undefined);
    write('4711/comm', 'node\n');
    mkdirSync(path.join(folder, '4711/fd'));
    symlinkSync('/host/proc/collector', path.join(folder, '4711/fd/17'));
    assert.equal(holderBelow(folder), 'node (pid 4711)');
    assert.equal(holderBelow(path.join(folder, 'nowhere')), undefined);
  });

  it('is which kernel a file is for, and whether it is one of ours', () => {
    const ko = path.join(folder, 'x.ko');
    assert.deepEqual(readModuleFile(ko), { builtFor: undefined, isOurs: false });
    writeFileSync(ko, 'license=GPL\0vermagic=5.10.0-28-amd64 SMP mod_unload \0name=x\0');
    assert.deepEqual(readModuleFile(ko), { builtFor: '5.10.0-28-amd64', isOurs: false });
    writeFileSync(ko, 'parm=layout:version\0vermagic=5.10.0-28-amd64\0');
    assert.deepEqual(readModuleFile(ko), { builtFor: '5.10.0-28-amd64', isOurs: true });
  });

  it('is asked of the kernel through the add-on', () => {
    const asked: string[] = [];
    const kernel = moduleKernel(
      {
        insertModule: (file) => asked.push(`insert ${file}`),
        removeModule: (name) => asked.push(`remove ${name}`),
      },
      folder,
    );
    kernel.insert('/module/collector.ko');
    kernel.remove('collector');
    assert.deepEqual(asked, ['insert /module/collector.ko', 'remove collector']);
    assert.equal(kernel.find('no such module'), undefined);
  });
});
