import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from 'yaml';
import type { TextNode } from './text-node.js';

/** A YAML text as a tree of places, or where it stops being YAML. */
export function readYamlTree(source: string): { readonly root: TextNode } | { readonly errorAt: number } {
  const document = parseDocument(source, { logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) return { errorAt: error.pos[0] };
  // What an alias stands for is looked into once: few lines of aliases may stand for billions of nodes.
  const known = new Map<unknown, Pick<TextNode, 'items' | 'members'>>();
  const toNode = (node: unknown): TextNode => {
    const range = (node as Node | null)?.range ?? [0, 0, 0];
    const place = { start: range[0], end: range[1] };
    const target = isAlias(node) ? node.resolve(document) : node;
    if (!isSeq(target) && !isMap(target)) return place;
    if (!known.has(target)) {
      // An anchor may hold itself.
      known.set(target, {});
      known.set(target, isSeq(target) ? { items: target.items.map(toNode) } : { members: membersOf(target, place.start) });
    }
    return { ...place, ...known.get(target) };
  };
  const membersOf = (map: YAMLMap, at: number) =>
    new Map(
      map.items.map(({ key, value }) => {
        const [start, end] = (key as Node | null)?.range ?? [at, at, 0];
        return [String(isScalar(key) ? key.value : key), { start, end, node: toNode(value) }] as const;
      }),
    );
  return { root: toNode(document.contents) };
}
