export * from '../../scripts/lab/fake-runtime.js';
