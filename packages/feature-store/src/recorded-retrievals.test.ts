import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { RetrieveDecodedResultSchema, RetrieveResultSchema } from '@inferflow/proto';
import type { LocalHandler } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { createFeatureStoreHandler, RETRIEVE_DECODED_PATH, RETRIEVE_FEATURES_PATH } from './feature-store-handler.js';
import { createMemoryFeatureStore } from './memory-feature-store.js';

/** Rows written to, and queries answered by, the store that this one stands in for. */
interface Recording {
  readonly schema: {
    readonly entities: Record<
      string,
      { readonly keys: string[]; readonly groups: Record<string, { readonly features: Record<string, unknown> }> }
    >;
  };
  readonly steps: readonly (PutStep | QueryStep)[];
}
interface PutStep {
  readonly put: { readonly entity: string; readonly key: Record<string, string>; readonly values: Record<string, unknown> };
}
interface QueryStep {
  readonly id: string;
  readonly op: 'retrieve' | 'decoded';
  readonly request: string;
  readonly code: number;
  readonly message?: string;
  readonly response?: string;
}

const { schema, steps }: Recording = JSON.parse(readFileSync(new URL('./testdata/recorded-retrievals.json', import.meta.url), 'utf8'));
const INTERNAL = 13;
// The original answers defaults of these types in the form its storage has, not in the form of values. Ours have one form.
const DEFAULTS_DIFFER = [
  'retrieve-Bool',
  'retrieve-Bool-decoded',
  'retrieve-StringVector',
  'retrieve-StringVector-decoded',
  'retrieve-eleven-bools',
  'retrieve-eleven-bools-decoded',
];

class Replay {
  readonly #rows = new Map<string, Map<string, Record<string, unknown>>>();
  #handler: LocalHandler | undefined;

  put({ entity, key, values }: PutStep['put']): void {
    let rows = this.#rows.get(entity);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(entity, rows);
    }
    const identity = JSON.stringify(schema.entities[entity]!.keys.map((name) => key[name]));
    rows.set(identity, {
      ...rows.get(identity),
      ...Object.fromEntries(schema.entities[entity]!.keys.map((name) => [name, key[name]])),
      ...values,
    });
    this.#handler = undefined;
  }

  async query(step: QueryStep): Promise<Uint8Array> {
    this.#handler ??= createFeatureStoreHandler(
      await createMemoryFeatureStore({
        schema,
        sources: Object.entries(schema.entities).map(([entity, { groups }]) => {
          const names = Object.entries(groups).flatMap(([group, { features }]) =>
            Object.keys(features).map((feature) => `${group}:${feature}`),
          );
          return {
            entity,
            rows: [...(this.#rows.get(entity)?.values() ?? [])],
            columns: Object.fromEntries(names.map((name) => [name, name])),
          };
        }),
      }),
    );
    return this.#handler(
      step.op === 'retrieve' ? RETRIEVE_FEATURES_PATH : RETRIEVE_DECODED_PATH,
      Buffer.from(step.request, 'base64'),
      {},
      () => new AbortController().signal,
    );
  }
}

describe('createFeatureStoreHandler', () => {
  it('answers recorded queries with the recorded bytes and statuses', async () => {
    const replay = new Replay();
    const differences: unknown[] = [];
    let compared = 0;
    for (const step of steps) {
      if ('put' in step) {
        replay.put(step.put);
        continue;
      }
      compared++;
      let outcome: { code: number; message: string; bytes?: Uint8Array };
      try {
        outcome = { code: 0, message: '', bytes: await replay.query(step) };
      } catch (error) {
        const { grpcCode: code, message } = error as { grpcCode: number; message: string };
        outcome = { code, message };
      }
      const difference = compare(step, outcome);
      if (difference !== undefined) differences.push({ id: step.id, difference });
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(100);
  });
});

interface DecodedAnswer {
  rows: { readonly keys: readonly string[]; readonly columns: readonly (string | Uint8Array)[] }[];
}

function compare(step: QueryStep, outcome: { code: number; message: string; bytes?: Uint8Array }): unknown {
  // 13 marks a crash of the original: any refusal is right.
  if (step.code === INTERNAL && outcome.code !== 0) return undefined;
  if (outcome.code !== step.code || (step.code !== 0 && outcome.message !== step.message))
    return { expected: [step.code, step.message], got: [outcome.code, outcome.message] };
  if (step.code !== 0) return undefined;
  const expected = new Uint8Array(Buffer.from(step.response!, 'base64'));
  if (Buffer.from(outcome.bytes!).equals(expected)) return undefined;
  const messageSchema = step.op === 'retrieve' ? RetrieveResultSchema : RetrieveDecodedResultSchema;
  const want: DecodedAnswer = fromBinary(messageSchema, expected);
  const got: DecodedAnswer = fromBinary(messageSchema, outcome.bytes!);
  if (DEFAULTS_DIFFER.includes(step.id)) {
    want.rows = want.rows.filter((row) => row.keys[0] !== 'nobody');
    got.rows = got.rows.filter((row) => row.keys[0] !== 'nobody');
    try {
      expect(got).toEqual(want);
      return undefined;
    } catch {
      // Reported below.
    }
  }
  const texts = (rows: readonly { readonly columns: readonly (string | Uint8Array)[] }[]) =>
    rows.map((row) => row.columns.map((column) => (typeof column === 'string' ? column : Buffer.from(column).toString('hex'))).join(' '));
  return { want: texts(want.rows), got: texts(got.rows) };
}
