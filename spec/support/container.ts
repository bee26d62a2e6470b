export * from '../../scripts/lab/container.js';
