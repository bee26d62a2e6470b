import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

const exits = {
  object: 'process',
  property: 'exit',
  message: 'Only collector.ts and the command end the process: throw, or set process.exitCode.',
};

/** What makes two folds of the same facts differ. */
const clocks = [
  ['Date', 'now'],
  ['performance', 'now'],
  ['process', 'hrtime'],
  ['Math', 'random'],
].map(([object, property]) => ({
  object,
  property,
  message: 'State reads no clock: take the time from the fact.',
}));

export default defineConfig(
  globalIgnores(['dist/', '.cache/', 'proto/generated/']),
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-console': 'error',
      'no-restricted-properties': ['error', exits],
      // noUncheckedIndexedAccess makes every read of a typed array possibly undefined; in a hot loop over rows that
      // are known to exist, `!` says so at no cost.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Numbers print the same everywhere; it is objects and null that surprise.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Enums name the numbers in records and rows, which are read as numbers.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // The words of a key are as many as where the first word after it is.
      '@typescript-eslint/no-duplicate-enum-values': 'off',
      // `() => subject.next(x)` is how callbacks read; nobody mistakes it for a value.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // An interface may ask for a parameter that one of its implementations does not need.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['collector.ts', 'actors/command/words.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['scripts/**'],
    rules: { 'no-console': 'off' },
  },
  {
    // The same files as `pure` in .dependency-cruiser.cjs.
    files: ['actors/**/state.ts', 'actors/{processes,connections,containers}/**/*.ts'],
    ignores: ['actors/{processes,connections,containers}/{actor,cri}.ts', 'actors/containers/cri/**'],
    rules: {
      'no-restricted-properties': ['error', exits, ...clocks],
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:net', 'net'].map((name) => ({
            name,
            allowImportNames: ['isIP', 'isIPv4', 'isIPv6'],
            message: 'State does no I/O; of node:net it may have what only looks at text.',
          })),
        },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: ":matches(NewExpression, CallExpression)[callee.name='Date'][arguments.length=0]",
          message: 'State reads no clock: take the time from the fact.',
        },
      ],
    },
  },
  {
    files: ['spec/**/*.spec.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[property.name=/^(only|skip)$/]',
          message:
            'Run one with `npm test -- --grep`; skip with a reason, through spec/support/requirements.ts.',
        },
      ],
    },
  },
  {
    files: ['**/*.{js,cjs}'],
    extends: [ts.configs.disableTypeChecked],
    languageOptions: { globals: { module: 'writable' } },
  },
);
