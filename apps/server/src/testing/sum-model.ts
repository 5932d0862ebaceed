/** A model that needs no service: `total = a + b` of the request, for targets; `together = 2 × x` for pairs and slates. */
export function sumModel(fields: Readonly<Record<string, unknown>> = {}): object {
  const part = (
    component: string,
    scoreColumn: string,
    expression: string,
    mapping: Readonly<Record<string, string>>,
    isSlate: boolean,
  ) => ({
    component,
    component_id: 'item',
    score_col: scoreColumn,
    data_type: 'DataTypeFP32',
    expression,
    score_mapping: mapping,
    ...(isSlate && { slate_component: true }),
  });
  return {
    request_values: 'text',
    dag_execution_config: { component_dependency: { sum: ['feature_initializer'], together: ['sum'] } },
    component_config: {
      numerix_components: [
        part('sum', 'total', 'a b +', { 'a@DataTypeFP32': 'a', 'b@DataTypeFP32': 'b' }, false),
        part('together', 'together', 'x 2 *', { 'x@DataTypeFP32': 'x' }, true),
      ],
    },
    response_config: { features: ['item', 'total', 'together'] },
    ...fields,
  };
}

/** A model that is refused: its graph is a cycle. */
export const cyclicModel: object = {
  dag_execution_config: { component_dependency: { sum: ['other'], other: ['sum'] } },
  component_config: { numerix_components: [] },
  response_config: { features: ['item'] },
};

const encoder = new TextEncoder();

/** A pointwise request for {@link sumModel}. */
export function sumRequest(modelConfigId: string, rows: readonly (readonly [id: string, a: string, b: string])[] = [['t0', '1', '2']]) {
  return {
    modelConfigId,
    targetInputSchema: [{ name: 'a' }, { name: 'b' }],
    targets: rows.map(([id, ...values]) => ({ id, featureValues: values.map((value) => encoder.encode(value)) })),
  };
}
