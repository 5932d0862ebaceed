// Writes docs/reference/configuration.md, config-problems.md and the JSON Schemas of packages/config/schema from the tables that the parsers use (packages/config/src).
import { writeFileSync } from 'node:fs';
import { schemaFiles } from '../packages/config/dist/schema/json-schema.js';
import { configurationPage, problemsPage } from '../packages/config/dist/schema/reference-pages.js';

const reference = new URL('../docs/reference/', import.meta.url);
writeFileSync(new URL('configuration.md', reference), configurationPage());
writeFileSync(new URL('config-problems.md', reference), problemsPage());
for (const [name, content] of Object.entries(schemaFiles()))
  writeFileSync(new URL(`../packages/config/schema/${name}`, import.meta.url), content);
