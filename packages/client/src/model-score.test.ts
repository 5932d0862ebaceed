import { createRouterTransport } from '@connectrpc/connect';
import { Inferflow, type InferflowRequestProto } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createInferflowClient } from './client.js';
import type { ClientError } from './errors.js';

type Answer = { componentData: { data: string[] }[]; rowErrors?: { row: number; error: string }[] };

function clientOf(answer: Answer, seen: (request: InferflowRequestProto, headers: Headers) => void = () => undefined) {
  const transport = createRouterTransport(({ service }) => {
    service(Inferflow, {
      retrieveModelScore(request, context) {
        seen(request, context.requestHeader);
        return answer;
      },
    });
  });
  return createInferflowClient({ transport });
}

const request = { modelConfigId: 'm', entities: [{ entity: 'film', ids: ['f1', 'f2'] }] };

describe('retrieveModelScore', () => {
  it.each([
    [undefined, 'request', 'expected an object'],
    [{ modelConfigId: 'm' }, 'entities', 'expected at least one'],
    [{ modelConfigId: 'm', entities: [null] }, 'entities[0]', 'is missing'],
    [{ modelConfigId: 'm', entities: [{ entity: 'film' }] }, 'entities[0].ids', 'expected an array'],
    [{ modelConfigId: 'm', entities: [{ entity: 5, ids: ['f1'] }] }, 'entities[0].entity', 'expected a string, got a number'],
    [{ ...request, trackingId: 5 }, 'trackingId', 'expected a string, got a number'],
    [{ modelConfigId: 'm', entities: [{ entity: 'film', ids: ['f1', 2] }] }, 'entities[0].ids[1]', 'expected a string, got a number'],
    [
      { modelConfigId: 'm', entities: [{ entity: 'film', ids: ['f1'], features: { age: 3 } }] },
      'entities[0].features["age"]',
      'expected an array',
    ],
    [
      { modelConfigId: 'm', entities: [{ entity: 'film', ids: ['f1'], features: { age: [{}] } }] },
      'entities[0].features["age"][0]',
      'expected a text, a number, a boolean or a list of them',
    ],
    [
      { modelConfigId: 'm', entities: [{ entity: 'film', ids: ['f1'], features: { age: [[1, Symbol('x')]] } }] },
      'entities[0].features["age"][0]',
      'expected a text, a number, a boolean or a list of them',
    ],
  ])('names what has not the shape of a request: %j', async (wrong, path, message) => {
    const call = clientOf({ componentData: [] }).retrieveModelScore(wrong as never);
    await expect(call).rejects.toMatchObject({ code: 'INFERFLOW_CLIENT_REQUEST_INVALID', problems: [{ path, message }] });
  });

  it('sends entities as text and reads rows by column', async () => {
    let message: InferflowRequestProto | undefined;
    let headers = new Headers();
    const client = clientOf(
      {
        componentData: [{ data: ['film_id', 'score'] }, { data: ['f1', '0.5'] }, { data: ['f2', ''] }],
        rowErrors: [{ row: 1, error: 'ranker: deadline' }],
      },
      (seenMessage, seenHeaders) => {
        message = seenMessage;
        headers = seenHeaders;
      },
    );
    const result = await client.retrieveModelScore({
      modelConfigId: 'm',
      trackingId: 't',
      userId: 'u1',
      appVersionCode: '7',
      entities: [
        { entity: 'film', ids: ['f1', 'f2'], features: { age: [3, null], tags: [['a', 'b'], ['c']] } },
        { entity: 'user', ids: ['u1'], features: { vip: [true] } },
      ],
    });
    expect(
      message!.entities.map((entity) => [
        entity.entity,
        entity.ids,
        entity.features.map((feature) => [feature.name, feature.idsFeatureValue]),
      ]),
    ).toEqual([
      [
        'film',
        ['f1', 'f2'],
        [
          ['age', ['3', '']],
          ['tags', ['a:b', 'c']],
        ],
      ],
      // One id stands for all rows, but values do not: one per row is sent.
      ['user', ['u1'], [['vip', ['true', 'true']]]],
    ]);
    expect(headers.get('user-id')).toBe('u1');
    expect(headers.get('app-version-code')).toBe('7');
    expect(result).toEqual({
      trackingId: 't',
      columns: ['film_id', 'score'],
      rows: [
        { index: 0, values: { film_id: 'f1', score: '0.5' }, error: '' },
        { index: 1, values: { film_id: 'f2', score: null }, error: 'ranker: deadline' },
      ],
      faults: [{ index: 1, error: 'ranker: deadline' }],
      quality: null,
    });
  });

  it('refuses misaligned requests and answers', async () => {
    const client = clientOf({ componentData: [{ data: ['a'] }, { data: ['1'] }] });
    const wrong = await client
      .retrieveModelScore({
        modelConfigId: 'm',
        entities: [
          { entity: 'film', ids: ['1', '2', '3'], features: { user: ['x', 'y'] } },
          { entity: 'user', ids: ['1', '2'] },
        ],
      })
      .catch((error: ClientError) => error);
    expect((wrong as ClientError).problems.map((problem) => problem.path)).toEqual([
      'entities[0].features["user"]',
      'entities[1].entity',
      'entities[1].ids',
    ]);
    await expect(client.retrieveModelScore(request)).rejects.toThrow(/1 rows, 2 were asked/);
    const ragged = clientOf({ componentData: [{ data: ['a', 'b'] }, { data: ['1', '2'] }, { data: ['1'] }] });
    await expect(ragged.retrieveModelScore(request)).rejects.toThrow(/row 1 has 1 values, the header has 2 columns/);
  });
});
