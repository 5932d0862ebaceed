import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EnvVariable, envTable } from '../apps/server/src/env-table.js';
import { createLogger, createServer, readEnvironment, type Server } from '../apps/server/src/index.js';
import { declaredCodes, declaredMembers, usedCodes, warningCodes } from './docs/error-codes.js';
import { firstMissingLine, markedBlocks } from './docs/markdown-blocks.js';
import { assertBuilt, PageRunner } from './docs/page-runner.js';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const markdownIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const readmes = ['packages', 'apps', 'examples'].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => join(group, name, 'README.md'))
    .filter((file) => existsSync(join(root, file))),
);
const guides = markdownIn('docs');
const pages = ['README.md', 'CONTRIBUTING.md', ...guides, ...readmes];

describe('links', () => {
  it.each(pages)('of %s lead to files and headings that exist', (page) => {
    const broken = linksOf(read(page)).filter(({ target, anchor }) => {
      const file = target === '' ? page : relative(root, join(root, dirname(page), target));
      if (!existsSync(join(root, file))) return true;
      return anchor !== '' && file.endsWith('.md') && !anchorsOf(read(file)).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});

describe('environment variables', () => {
  it.each(pages)('that %s mentions exist', (page) => {
    const known = new Set([...environmentNames(), ...declaredCodes(), ...warningCodes()]);
    const mentioned = [
      ...read(page).matchAll(
        /\b(?:INFERFLOW|APP|ETCD|EXTERNAL_SERVICE|NUMERIX|KAFKA|TELEGRAF|METRIC|CACHE|IN_MEMORY|DAG)_[A-Z0-9_]*[A-Z0-9]\b(?![*…])/g,
      ),
    ].map(([name]) => name);
    const documented = [...read(page).matchAll(/\b(?:externalService|numerixClient|Kafka[BL])\w+/g)].map(([name]) => name);
    expect([...mentioned, ...documented].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('the error reference', () => {
  const page = read('docs/reference/error-codes.md');
  const inCells = (text: string) => new Set([...text.matchAll(/^\| `(INFERFLOW_[A-Z0-9_]+)`/gm)].map(([, code]) => code!));

  it('has a row for every code and no other rows', () => {
    const problems = inCells(read('docs/reference/config-problems.md'));
    expect([...inCells(page), ...problems].sort()).toEqual([...declaredCodes(), ...warningCodes()].sort());
  });

  it('covers every code that sources name', () => {
    const known = new Set([...environmentNames(), ...declaredCodes(), ...warningCodes()]);
    expect([...usedCodes()].filter(([code]) => !known.has(code))).toEqual([]);
  });

  it('has every failure reason and every cell status', () => {
    for (const [heading, members] of [
      ['Failure reasons', declaredMembers('packages/transport/src/failure.ts', 'FailureReason')],
      ['Cell statuses', declaredMembers('packages/matrix/src/cell-status.ts', 'CellStatus')],
    ] as const) {
      const section = page.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
      expect([...section.matchAll(/^\| `([\w-]+)`/gm)].map(([, member]) => member).sort()).toEqual([...members].sort());
    }
  });
});

describe('marked blocks', () => {
  const withBlocks = ['README.md', ...guides, ...readmes].filter((page) => markedBlocks(read(page)).length > 0);
  const hasCurl = spawnSync('curl', ['--version']).status === 0;
  let demo: Server;
  beforeAll(async () => {
    assertBuilt();
    demo = await createServer(readEnvironment({ APP_PORT: '0', INFERFLOW_SHUTDOWN_GRACE_MS: '200' }), createLogger('DISABLED', 'docs'));
  });
  afterAll(() => demo?.shutdown());

  it.concurrent.each(withBlocks)(
    'of %s run and print what the page says',
    async (page) => {
      const runner = new PageRunner(demo.port);
      try {
        let isSkipped = false;
        for (const block of markedBlocks(read(page))) {
          // Only Node is promised to be there.
          if (block.directive.kind !== 'prints') isSkipped = !hasCurl && /\bcurl -/.test(block.text) && !block.text.includes('buf curl');
          if (isSkipped) continue;
          await runner.run(block).catch((error: Error) => {
            throw new Error(`${page}:${block.line}: ${error.message}`);
          });
        }
      } finally {
        await runner.close();
      }
    },
    60_000,
  );
});

describe('the conventions for blocks', () => {
  it('find a directive above its block', () => {
    const text = [
      'text',
      '<!-- test: exit 1 -->',
      '```sh',
      'false',
      '```',
      '```sh',
      'never',
      '```',
      '<!-- prints -->',
      '',
      '```text',
      'a',
      '```',
    ].join('\n');
    expect(markedBlocks(text).map(({ directive, text }) => [directive, text])).toEqual([
      [{ kind: 'test', exitCode: 1 }, 'false\n'],
      [{ kind: 'prints' }, 'a\n'],
    ]);
    expect(() => markedBlocks('<!-- test: exits -->\n')).toThrow('unknown directive');
    expect(() => markedBlocks('<!-- test -->\ntext\n')).toThrow('right above');
  });

  it('compare what is printed line by line, with … for anything', () => {
    expect(firstMissingLine('a … c\n…\nz', 'first\na (b) c\nmore\nz\n')).toBeNull();
    expect(firstMissingLine('z\na', 'a\nz')).toBe('a');
  });
});

/** Of the server with all spellings, and those that the client reads. */
function environmentNames(): readonly string[] {
  const server = (envTable as readonly EnvVariable[]).flatMap(({ name, aliases = [] }) => [name, ...aliases.map((alias) => alias.name)]);
  return [...server, ...[...read('packages/client/src/node/client-env.ts').matchAll(/'([A-Z][A-Z0-9_]+)'/g)].map(([, name]) => name!)];
}

interface Link {
  readonly target: string;
  readonly anchor: string;
}

function linksOf(markdown: string): readonly Link[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, url]) => url!)
    .filter((url) => !/^[a-z]+:/.test(url))
    .map((url) => ({ target: url.split('#')[0]!, anchor: url.split('#')[1] ?? '' }));
}

function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = markdown.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, text]) =>
      text!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}
