// protoc-gen-es, with `export enum X { A = 0 }` rewritten to a const object and
// a union of its values: TypeScript that only needs its types erased. Everything
// else, descriptors included, is passed on as it is.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodeGeneratorResponseSchema } from '@bufbuild/protobuf/wkt';

const generator = createRequire(import.meta.url).resolve('@bufbuild/protoc-gen-es/bin/protoc-gen-es');
const run = spawnSync(process.execPath, [generator], { input: readFileSync(0), maxBuffer: 1 << 28 });
if (run.status !== 0) {
  process.stderr.write(run.stderr);
  process.exit(run.status ?? 1);
}

const enumDeclaration = /^export enum (\w+) \{\n([\s\S]*?)^\}$/gm;
const enumMember = /^( +)(\w+) = (-?\d+),$/gm;

const response = fromBinary(CodeGeneratorResponseSchema, run.stdout);
for (const file of response.file) {
  file.content = (file.content ?? '').replace(
    enumDeclaration,
    (_, name, members) =>
      `export const ${name} = {\n${members.replace(enumMember, '$1$2: $3,')}} as const;\n\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];`,
  );
  if (/^export enum /m.test(file.content)) {
    throw new Error(`${file.name}: an enum was not rewritten`);
  }
}
process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));
