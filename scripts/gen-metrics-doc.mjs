// Writes docs/reference/metrics.md from the metric table (packages/telemetry/src/metric-table.ts). Run it after a build.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderMetricReference } from '../packages/telemetry/dist/metric-reference.js';

const target = fileURLToPath(new URL('../docs/reference/metrics.md', import.meta.url));
mkdirSync(fileURLToPath(new URL('.', new URL('../docs/reference/metrics.md', import.meta.url))), { recursive: true });
writeFileSync(target, renderMetricReference());
