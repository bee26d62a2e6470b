export * from '../../scripts/lab/eventually.js';
