/**
 * Writes docs/configuration.md from the table of settings: `npx tsx scripts/configuration.ts`. A spec holds the file
 * against the table, so that it is never out of date.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { configurationReference } from './reference.js';

writeFileSync(path.resolve(import.meta.dirname, '../docs/configuration.md'), configurationReference());
