export * from '../../scripts/lab/black-hole.js';
