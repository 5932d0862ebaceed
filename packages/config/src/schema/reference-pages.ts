import { problemTable } from '../problem-codes.js';
import { type FieldDefinition, fieldTable } from './fields.js';
import { type ObjectKind, objectKinds } from './object-kinds.js';

const generated = (from: string) => `Generated from \`${from}\` by \`node scripts/gen-config-doc.mjs\` (after a build); do not edit.`;

const introduction = `# Model configuration reference

${generated('packages/config/src/schema/fields.ts')}

A model is configured by one JSON or YAML object in one of two dialects. Both become the same thing; \`inferflow convert\` rewrites one as
the other, \`inferflow lint\` says what is wrong with either.

| | Documented | Deployed |
|---|---|---|
| Components | maps: \`feature_component_config\`, \`predator_component_config\`, … | lists: \`feature_components\`, \`predator_components\`, … |
| \`component_dependency\` | component → components that run after it | component → components it waits for |
| Values in Predict requests | bytes of the declared type | text under every type |
| Use it for | everything you write | what a control plane wrote for the Go service |

- **Which dialect** a config is in is told by its component collections; both kinds in one config are an error. Only a config without any is
  told by \`feature_initializer\`: a key of \`component_dependency\` means documented, a value deployed.
- Field names are read in any case. Unknown fields are ignored and kept when converting; one that is nearly a known name gives a warning, any other a
  hint. \`null\` counts as absent. A value of the wrong type is an error.
- **Columns** are named \`<label>:<group>:<feature>\` for fetched features. In the documented dialect the scores of models and expressions are
  named \`<component>:<score>\` (see \`score_names\`). A column that no component writes comes from the request.
- **Data types**: \`FP8E5M2\`, \`FP8E4M3\`, \`FP16\`, \`FP32\`, \`FP64\`, \`Int8\`–\`Int64\`, \`Uint8\`–\`Uint64\`, \`String\`, \`Bool\` and each with \`Vector\`
  behind it; in any case, with or without \`DataType\` in front; \`BYTES\` is \`String\`. Tensors may also be \`BF16\`:
  inputs are rounded to it from FP32, outputs are handed on as its two bytes.
- Fields marked **+** are additions of this product; the Go service ignores them.

The service settings (\`services.json\`, \`.yaml\` or \`.yml\` beside the folder \`models\`; one of them) are \`v2_logging_type\` (\`proto\`, \`arrow\` or
\`parquet\`; absent: no logs) and \`compression_enabled\`, also written with dashes.

## In an editor

\`@inferflow/config\` brings JSON Schemas of both dialects, made from the tables below: \`schema/model.schema.json\` for a file with one model,
\`schema/models.schema.json\` for one with several by id. With them an editor completes names, shows what a field means, and marks wrong types
and missing fields while you type; what only the whole graph shows is for \`inferflow lint\`. For VS Code (YAML needs the extension
\`redhat.vscode-yaml\`), in \`.vscode/settings.json\` beside \`node_modules\`:

\`\`\`json
{
  "json.schemas": [{ "fileMatch": ["models/*.json"], "url": "./node_modules/@inferflow/config/schema/model.schema.json" }],
  "yaml.schemas": { "./node_modules/@inferflow/config/schema/model.schema.json": ["models/*.yaml", "models/*.yml"] }
}
\`\`\`

In a clone of this repository the path is \`./packages/config/schema/model.schema.json\`. A single file may name its schema itself: JSON with the field
\`$schema\`, which services ignore, YAML with a first line \`# yaml-language-server: $schema=<path>\`.
`;

/** Text of `docs/reference/configuration.md`. */
export function configurationPage(): string {
  const kinds = Object.keys(objectKinds).filter((kind): kind is ObjectKind => kind in objectKinds);
  return `${introduction}\n${kinds.map(section).join('\n')}`;
}

function section(kind: ObjectKind): string {
  const { title, documented, deployed } = objectKinds[kind];
  const places: (readonly [string, string | null])[] = [
    ['documented', documented],
    ['deployed', deployed],
  ];
  const at =
    documented === deployed
      ? `\`${documented}\``
      : places.flatMap(([dialect, path]) => (path === null ? [] : [`${dialect} \`${path}\``])).join(', ');
  const rows = fieldTable.filter((field) => field.object === kind).map(row);
  return [`## ${title}`, '', at, '', '| Documented | Deployed | Type | Default | Meaning |', '|---|---|---|---|---|', ...rows, ''].join(
    '\n',
  );
}

function row(field: FieldDefinition): string {
  const mark = field.isOurs ? ' **+**' : '';
  const name = (text: string | null) => (text === null ? '–' : `\`${text}\`${mark}`);
  return `| ${name(field.documented)} | ${name(field.deployed)} | ${field.type} | ${field.default} | ${field.meaning} |`;
}

/** Text of `docs/reference/config-problems.md`. */
export function problemsPage(): string {
  const lines = [
    '# Problems of model configurations',
    '',
    generated('packages/config/src/problem-codes.ts'),
    '',
    'Found by `inferflow lint` and whenever a service loads a config. All problems of a config are reported at once, each with its path. A model',
    'with an **error** does not go live: its last good version keeps serving, and other models are not affected. A **warning** is probably a',
    'mistake; a **hint** is worth knowing. Match on the code, never on the text.',
    '',
    '| Code | Severity | Meaning | Remedy |',
    '|---|---|---|---|',
    ...Object.entries(problemTable).map(
      ([code, { severity, meaning, remedy }]) => `| \`${code}\` | ${severity} | ${meaning} | ${remedy} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
