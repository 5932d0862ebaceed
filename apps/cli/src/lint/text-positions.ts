import type { DocumentFormat } from '@inferflow/config';
import { readJsonTree } from './json-tree.js';
import type { TextNode } from './text-node.js';
import { readYamlTree } from './yaml-tree.js';

/** A place in a text; lines and columns count from 1, columns in UTF-16 code units. The end is exclusive. */
export interface TextRange {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Finds where paths such as `$.component_config.predator_components[0].inputs` stand in the text of a document. */
export class TextPositions {
  readonly #root: TextNode | null;
  readonly #errorAt: number;
  readonly #lineStarts: readonly number[];
  readonly #length: number;

  constructor(source: string, format: DocumentFormat) {
    const tree = format === 'yaml' ? readYamlTree(source) : readJsonTree(source);
    this.#root = 'root' in tree ? tree.root : null;
    this.#errorAt = 'errorAt' in tree ? Math.min(tree.errorAt, source.length) : 0;
    this.#length = source.length;
    const starts = [0];
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
    this.#lineStarts = starts;
  }

  /**
   * The key of a member, or the first line of an item; of the nearest that is there, if the path leads to what is missing.
   * In a text with a mistake in its syntax: that mistake.
   * @param prefix keys that lead to what the path starts from
   */
  find(path: string, prefix: readonly string[] = []): TextRange {
    if (this.#root === null) return this.#range(this.#errorAt, this.#errorAt + 1);
    let node = this.#root;
    let range = this.#head(node);
    for (const segment of [...prefix, ...segmentsOf(path)]) {
      if (typeof segment === 'number' && node.items !== undefined) {
        const item = node.items[segment];
        if (item === undefined) break;
        node = item;
        range = this.#head(item);
        continue;
      }
      const member = memberOf(node, String(segment));
      if (member === undefined) break;
      node = member.node;
      range = this.#range(member.start, member.end);
    }
    return range;
  }

  /** A value, as far as it stands on its first line. */
  #head({ start, end }: TextNode): TextRange {
    const nextLine = this.#lineStarts[this.#lineOf(start) + 1] ?? this.#length + 1;
    return this.#range(start, Math.max(start + 1, Math.min(end, nextLine - 1)));
  }

  #range(start: number, end: number): TextRange {
    const [line, endLine] = [this.#lineOf(start), this.#lineOf(Math.max(start, end))];
    return {
      line: line + 1,
      column: start - (this.#lineStarts[line] as number) + 1,
      endLine: endLine + 1,
      endColumn: end - (this.#lineStarts[endLine] as number) + 1,
    };
  }

  #lineOf(offset: number): number {
    let [low, high] = [0, this.#lineStarts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Field names may be written in any case. */
function memberOf(node: TextNode, key: string) {
  const exact = node.members?.get(key);
  if (exact !== undefined || node.members === undefined) return exact;
  return [...node.members].find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
}

function segmentsOf(path: string): readonly (string | number)[] {
  const segments: (string | number)[] = [];
  for (const [, name, index, quoted] of path.matchAll(/\.([A-Za-z_][\w-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    segments.push(name ?? (index === undefined ? (JSON.parse(quoted as string) as string) : Number(index)));
  }
  return segments;
}
