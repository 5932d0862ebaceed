// Writes docs/reference/configuration.md and config-problems.md from the tables that the parsers use (packages/config/src).
import { writeFileSync } from 'node:fs';
import { configurationPage, problemsPage } from '../packages/config/dist/schema/reference-pages.js';

const reference = new URL('../docs/reference/', import.meta.url);
writeFileSync(new URL('configuration.md', reference), configurationPage());
writeFileSync(new URL('config-problems.md', reference), problemsPage());
