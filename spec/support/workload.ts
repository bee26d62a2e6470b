export * from '../../scripts/lab/workload.js';
