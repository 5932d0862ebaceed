import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Which of our packages each room may import; arrows point down only (docs/architecture.md). */
const allowedImports: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  matrix: [],
  dag: [],
  telemetry: [],
  transport: ['proto'],
  config: ['matrix', 'dag'],
  'config-etcd': ['config', 'proto', 'transport'],
  components: ['matrix', 'dag', 'transport', 'telemetry', 'proto', 'config'],
  engine: ['proto', 'matrix', 'dag', 'telemetry', 'transport', 'config', 'components'],
  logging: ['matrix', 'proto', 'telemetry'],
  numerix: ['matrix', 'proto', 'transport'],
  'feature-store': ['matrix', 'proto', 'transport'],
  'model-server': ['proto', 'matrix', 'transport', 'telemetry'],
  client: ['proto', 'matrix'],
};

/** Libraries that only the rooms named here may load, and only as optional peers. */
const heavyLibraries: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node': ['model-server'],
  kafkajs: ['logging'],
  etcd3: ['config-etcd'],
  'apache-arrow': ['logging'],
  hyparquet: ['feature-store', 'logging'],
};

const root = join(import.meta.dirname, '..');
const rooms = readdirSync(join(root, 'packages'));

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}

function sourcesOf(folder: string): string[] {
  const directory = join(root, folder, 'src');
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(directory, file));
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import|import\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1]!);
}

describe('allowed imports', () => {
  it.each(rooms)('%s imports only the rooms below it', (room) => {
    const allowed = allowedImports[room];
    expect(allowed, `packages/${room} is not in the table`).toBeDefined();
    const surplus = sourcesOf(`packages/${room}`).flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('@inferflow/'))
        .map((name) => name.split('/')[1]!)
        .filter((name) => name !== room && !allowed!.includes(name))
        .map((name) => `${file.slice(root.length + 1)} imports ${name}`),
    );
    expect(surplus).toEqual([]);
    const declared = Object.keys(manifestOf(`packages/${room}`).dependencies ?? {}).filter((name) => name.startsWith('@inferflow/'));
    expect(declared.filter((name) => !allowed!.includes(name.split('/')[1]!))).toEqual([]);
  });

  it.each(rooms)('%s reaches other rooms through their front doors only', (room) => {
    const deep = sourcesOf(`packages/${room}`).flatMap((file) =>
      importsOf(file).filter((name) => /^@inferflow\/[^/]+\/(?!hot$|testing$|node$)/.test(name) || /\.\.\/\.\.\/\.\.\/.*src/.test(name)),
    );
    expect(deep).toEqual([]);
  });

  it('loads heavy libraries only where they are used, as optional peers', () => {
    const wrong: string[] = [];
    for (const room of rooms) {
      const manifest = manifestOf(`packages/${room}`);
      for (const [library, users] of Object.entries(heavyLibraries)) {
        if (manifest.dependencies?.[library] !== undefined) wrong.push(`${room} depends on ${library}`);
        if (
          !users.includes(room) &&
          sourcesOf(`packages/${room}`).some((file) => importsOf(file).some((name) => name === library || name.startsWith(`${library}/`)))
        ) {
          wrong.push(`${room} imports ${library}`);
        }
        if (
          users.includes(room) &&
          manifest.peerDependenciesMeta?.[library]?.optional !== true &&
          sourcesOf(`packages/${room}`).some((file) => importsOf(file).includes(library))
        ) {
          wrong.push(`${room} uses ${library} without declaring it an optional peer`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('keeps folders flat: at most one level below src', () => {
    const deep = rooms.flatMap((room) =>
      sourcesOf(`packages/${room}`)
        .map((file) => file.slice(root.length + 1))
        .filter((file) => file.split('/').length > 5 && !file.includes('/gen/')),
    );
    expect(deep).toEqual([]);
  });
});
