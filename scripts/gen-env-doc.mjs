// Writes docs/reference/environment.md from the table the server reads (apps/server/src/env-table.ts).
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { envTable } from '../apps/server/dist/env-table.js';

const kinds = {
  text: 'text',
  integer: 'integer',
  number: 'number',
  boolean: 'true/false',
  duration: 'duration',
  list: 'comma list',
  brokers: 'comma list',
  origins: 'comma list of origins',
  level: 'level',
  hostPort: 'host:port',
  megabytes: 'megabytes',
  workers: 'number or `auto`',
};
const lines = [
  '# Environment reference',
  '',
  'Generated from `apps/server/src/env-table.ts` by `node scripts/gen-env-doc.mjs`; do not edit.',
  '',
  'The server reads the environment once, at start. An empty value counts as unset. Every invalid variable is listed before it gives up;',
  'two names of one setting with different values are an error; unknown `INFERFLOW_` names and slips in others are pointed out. Durations are',
  'milliseconds (`200`) or have a unit (`200ms`, `5s`, `1m`), at most 20 days. The second name of a variable is the one of the product documents,',
  'in any case.',
];
let section = '';
for (const variable of envTable) {
  if (variable.section !== section) {
    section = variable.section;
    lines.push('', `## ${section}`, '', '| Variable | Type | Default | Meaning |', '|---|---|---|---|');
  }
  const names = [
    variable.name,
    ...(variable.aliases ?? []).map((alias) => (alias.kind ? `${alias.name}\` (${kinds[alias.kind]})` : alias.name)),
  ]
    .map((name) => (name.includes('`') ? `\`${name}` : `\`${name}\``))
    .join(', ');
  const standard =
    variable.default === undefined ? 'unset' : variable.default === '' ? 'empty' : variable.isSecret ? 'hidden' : `\`${variable.default}\``;
  lines.push(
    `| ${names} | ${kinds[variable.kind]}${variable.isSecret ? ', secret' : ''} | ${standard} | ${variable.meaning}${variable.acceptedWith ? ` (It ${variable.acceptedWith}.)` : ''} |`,
  );
}
writeFileSync(fileURLToPath(new URL('../docs/reference/environment.md', import.meta.url)), `${lines.join('\n')}\n`);
