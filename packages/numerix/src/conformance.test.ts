import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createExpressionEngine } from './expression-engine.js';

interface Vector {
  readonly id: string;
  readonly group: string;
  readonly requestBytes: Uint8Array;
  readonly expect: { readonly kind: 'reply' | 'status' | 'crash' };
}

const kitUrl = new URL('../../../conformance/numerix/', import.meta.url);
const kit: {
  loadVectors(file?: URL): { vectors: Vector[]; configs: Record<string, { expression: string }> };
  compareReply(vector: Vector, bytes: Uint8Array): string | undefined;
  decodeResponse(bytes: Uint8Array): { error?: string };
} = await import(new URL('lib.mjs', kitUrl).href);

const { vectors, configs } = kit.loadVectors();
const engine = createExpressionEngine({ expressions: configs });
const groups = [...new Set(vectors.map((vector) => vector.group))].filter((group) => group !== 'transport');

describe('computeReply', () => {
  it.each(groups)('answers every recorded request of group %s as recorded', (group) => {
    const members = vectors.filter((vector) => vector.group === group);
    const differences: string[] = [];
    let compared = 0;
    for (const vector of members) {
      const reply = Buffer.from(engine.computeReply(vector.requestBytes));
      compared++;
      if (vector.expect.kind === 'reply') {
        const difference = kit.compareReply(vector, reply);
        if (difference !== undefined) differences.push(`${vector.id}: ${difference}`);
      } else if (kit.decodeResponse(reply).error === undefined) {
        differences.push(`${vector.id}: scores for a request that has no answer`);
      }
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(0);
  });

  it('covers every vector outside the transport group', () => {
    const { vectors: all } = JSON.parse(readFileSync(new URL('vectors.json', kitUrl), 'utf8')) as { vectors: { group: string }[] };
    expect(vectors.length).toBe(all.length);
    expect(vectors.filter((vector) => groups.includes(vector.group)).length).toBe(
      all.filter((vector) => vector.group !== 'transport').length,
    );
  });
});
