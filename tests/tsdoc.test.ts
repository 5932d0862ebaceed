import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const rooms = ['packages', 'apps'].flatMap((kind) => readdirSync(join(root, kind)).map((name) => join(kind, name)));
const declaration = /^export (?:declare |abstract )*(?:async )?(const|function|class|interface|type) ([A-Za-z0-9_$]+)/;

describe('TSDoc', () => {
  it.each(rooms)('%s says of every export what it is', (room) => {
    const folder = join(root, room, 'src');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !/(^|\/)(gen|testing)\/|\.(test|fixture)\.ts$/.test(name),
    );
    const silent = files.flatMap((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n');
      const said = new Set<string>();
      return lines.flatMap((line, at) => {
        const [, , exported = ''] = declaration.exec(line) ?? [];
        if (exported === '') return [];
        // A constant and the type of its values share one comment, overloads too.
        const isTold = lines[at - 1]?.trimEnd().endsWith('*/') === true || said.has(exported);
        said.add(exported);
        return isTold ? [] : [`${name}: ${exported}`];
      });
    });
    expect(silent).toEqual([]);
  });
});
