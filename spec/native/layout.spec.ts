import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as layout from '../../actors/capture/layout.js';
import { members } from '../support/members.js';

const root = path.resolve(import.meta.dirname, '../..');
const header = path.join(root, 'native/bpf/layout.h');
const knobs = path.join(root, 'native/bpf/knobs.h');

/** `struct.field` or `struct.SIZE` to bytes; `enum constant` to its value. */
type Layout = Record<string, number>;

const structs = [
  'record_header',
  'process_record',
  'ancestor_record',
  'exit_record',
  'socket_record',
  'holder',
  'self_check_record',
] as const;

/**
 * What layout.h and knobs.h say, by their version. Whoever changes one of them raises LAYOUT_VERSION and writes down
 * what the two say from then on, so that no BPF object of another version is loaded and misread.
 */
const versions: Readonly<Record<number, string>> = {
  2: 'c05096add6618aac',
  3: '6c4d8716cf8be663',
  4: 'c39b64965b62426e',
  5: '9140654738ee0695',
};

/** What TypeScript reads by. */
function ofTypeScript(): Layout {
  return Object.fromEntries(
    structs.flatMap((name) => members(layout[name]).map(([field, offset]) => [`${name}.${field}`, offset])),
  );
}

/** The fields of every struct by the names that TypeScript has, so that a field it invented does not compile. */
function probeSource(): string {
  const lines = Object.keys(ofTypeScript()).map((entry) => {
    const [struct = '', field = ''] = entry.split('.');
    return field === 'SIZE' ? `sizeof(struct ${struct})` : `offsetof(struct ${struct}, ${field})`;
  });
  return lines.join(',\n  ');
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

describe('the layout of records', function () {
  this.timeout(60_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'collector-layout-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Offsets and sizes as a compiler for this machine has them. */
  function compiled(compiler: string, extension: string): Layout {
    const source = path.join(folder, `probe.${extension}`);
    const program = path.join(folder, `probe-${extension}`);
    writeFileSync(
      source,
      `#include <stddef.h>\n#include <stdio.h>\n#include "${header}"\n` +
        `static const size_t values[] = {\n  ${probeSource()}\n};\n` +
        'int main(void) { for (size_t i = 0; i < sizeof values / sizeof *values; i++) printf("%zu\\n", values[i]); }\n',
    );
    run(compiler, ['-Wall', '-Wextra', '-Werror', '-o', program, source]);
    const values = run(program, []).trim().split('\n').map(Number);
    return Object.fromEntries(Object.keys(ofTypeScript()).map((name, index) => [name, values[index]!]));
  }

  /** Every struct and field that the BPF compiler laid out, read off its assembly: one symbol each, valued. */
  function compiledForBpf(): Layout {
    const names = Object.keys(ofTypeScript());
    const source = path.join(folder, 'probe.bpf.c');
    writeFileSync(
      source,
      `#include "${path.join(root, 'native/bpf/kernel.h')}"\n#include "${header}"\n` +
        '#define offsetof(type, member) __builtin_offsetof(type, member)\n' +
        `const unsigned long values[] = {\n  ${probeSource()}\n};\n`,
    );
    const assembly = run('clang', ['-target', 'bpf', '-O2', '-S', '-o', '-', source]);
    const values = [...assembly.matchAll(/^\s+\.quad\s+(\d+)/gm)].map(([, value]) => Number(value));
    return Object.fromEntries(names.map((name, index) => [name, values[index]!]));
  }

  it('is the same for TypeScript and for C', () => {
    assert.deepEqual(ofTypeScript(), compiled('gcc', 'c'));
  });

  it('is the same for TypeScript and for C++', () => {
    assert.deepEqual(ofTypeScript(), compiled('g++', 'cc'));
  });

  it('is the same for TypeScript and for the BPF programs', () => {
    assert.deepEqual(ofTypeScript(), compiledForBpf());
  });

  it('has no field that TypeScript does not know', () => {
    const preprocessed = run('gcc', ['-E', '-P', '-x', 'c', header]);
    for (const name of structs) {
      const [, body = ''] = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(preprocessed) ?? [];
      const fields = [...body.matchAll(/(\w+)(?:\[\w+\])?\s*;/g)].map(([, field]) => field);
      assert.ok(fields.length > 0, `struct ${name} is in layout.h`);
      const known = members(layout[name]).map(([field]) => field);
      assert.deepEqual(new Set(fields), new Set(known.filter((field) => field !== 'SIZE')));
    }
  });

  it('has the same constants in TypeScript as in C', () => {
    const { RecordType, RecordFlag, ProcessFlag, SocketRole, SelfCheckStep } = layout;
    const constants: Record<string, number> = {
      ...prefixed('RECORD_', RecordType),
      ...prefixed('FLAG_', RecordFlag),
      ...prefixed('FLAG_', ProcessFlag),
      ...prefixed('ROLE_', SocketRole),
      ...prefixed('SELF_CHECK_', SelfCheckStep),
      RECORD_CAPACITY: layout.RECORD_CAPACITY,
      SOCKET_RECORD_IPV4: layout.SOCKET_RECORD_IPV4,
    };
    const source = path.join(folder, 'constants.c');
    writeFileSync(
      source,
      `#include "${header}"\n${Object.entries(constants)
        .map(([name, value]) => `_Static_assert(${name} == ${value}, "${name}");`)
        .join('\n')}\n`,
    );
    run('gcc', ['-fsyntax-only', source]);
  });

  it('has another version whenever it says something else', () => {
    // As for BPF: the kernel's own headers are not a part of it.
    const headers = [header, knobs].flatMap((file) => ['-include', file]);
    const text = run('gcc', ['-E', '-P', '-D__bpf__', '-x', 'c', ...headers, '/dev/null']);
    const [, version = ''] = /LAYOUT_VERSION = (\d+)/.exec(text) ?? [];
    const digest = createHash('sha256').update(text.split(/\s+/).join(' ')).digest('hex').slice(0, 16);
    assert.equal(digest, versions[Number(version)], 'see `versions` above');
  });
});

/** `pathCut` of `FLAG_` is `FLAG_PATH_CUT`. */
function prefixed(prefix: string, values: Parameters<typeof members>[0]): Record<string, number> {
  return Object.fromEntries(
    members(values).map(([name, value]) => [
      prefix + name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
      value,
    ]),
  );
}
