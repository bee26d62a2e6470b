import { compile } from './workloads/compile.js';
import { connect } from './workloads/connect.js';
import { hackbench } from './workloads/hackbench.js';
import { loads } from './workloads/load.js';
import { nginx } from './workloads/nginx.js';
import { postgres } from './workloads/postgres.js';
import { redis } from './workloads/redis.js';
import type { Workload } from './workload.js';

/** In the order of the table. */
export const workloads: readonly Workload[] = [connect, ...loads, redis, nginx, postgres, compile, hackbench];
