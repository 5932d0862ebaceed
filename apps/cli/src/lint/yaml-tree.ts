import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import type { TextNode } from './text-node.js';

/** A YAML text as a tree of places, or where it stops being YAML. */
export function readYamlTree(source: string): { readonly root: TextNode } | { readonly errorAt: number } {
  const document = parseDocument(source, { logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) return { errorAt: error.pos[0] };
  const seen = new Set<unknown>();
  const toNode = (node: unknown): TextNode => {
    const range = (node as Node | null)?.range ?? [0, 0, 0];
    const place = { start: range[0], end: range[1] };
    const target = isAlias(node) ? node.resolve(document) : node;
    // An anchor may hold itself.
    if (target === undefined || seen.has(target)) return place;
    seen.add(target);
    try {
      if (isSeq(target)) return { ...place, items: target.items.map(toNode) };
      if (!isMap(target)) return place;
      const members = target.items.map(({ key, value }) => {
        const [start, end] = (key as Node | null)?.range ?? [place.start, place.start, 0];
        return [String(isScalar(key) ? key.value : key), { start, end, node: toNode(value) }] as const;
      });
      return { ...place, members: new Map(members) };
    } finally {
      seen.delete(target);
    }
  };
  return { root: toNode(document.contents) };
}
