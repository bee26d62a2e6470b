/**
 * Lays out the charts of the machines: `npx tsx scripts/charts.ts` writes them for the page at /inspect, as the build
 * does. `--svg` draws them in docs/images, and `--check` compares the pictures there with the machines.
 */
import { layOutCharts } from './charts/layout.js';
console.time('l');
const c = await layOutCharts();
console.timeEnd('l');
for (const x of Object.values(c)) console.log(x.id, x.width, x.height, JSON.stringify(x).length);
