import type { InferflowClient, ModelScoreResult, PredictCallOptions } from '@inferflow/client';
import { answerNotes } from './answer-notes.js';
import type { AnyRequest } from './infer-request.js';
import { toJson } from './json-text.js';
import { rankedRows } from './ranked-rows.js';
import { renderTable } from './render-table.js';

/** How an answer is shown. */
export interface AnswerForm {
  readonly format: 'table' | 'json';
  /** The column that tables are sorted by. @default the last one with numbers */
  readonly sort?: string;
}

/** Sends the request with the method that it is for. @returns the answer as text. @throws ClientError */
export async function inferAnswer(
  client: InferflowClient,
  request: AnyRequest,
  call: PredictCallOptions,
  { format, sort }: AnswerForm,
): Promise<string> {
  const show = (result: Pick<ModelScoreResult, 'faults' | 'quality'>, tables: readonly string[]): string => {
    if (format === 'json') return toJson(result);
    const notes = answerNotes(
      result.faults.map(({ error }) => error),
      result.quality,
    );
    return (notes === '' ? tables : [...tables, notes.trimEnd()]).join('\n\n');
  };
  const ranked = (columns: readonly string[], rows: Parameters<typeof rankedRows>[1]): string => {
    if (sort !== undefined && !columns.includes(sort))
      throw new Error(`--sort ${sort}: the answer has no such column; it has ${columns.join(', ')}`);
    return table(columns, rows, sort);
  };
  const table = (columns: readonly string[], rows: Parameters<typeof rankedRows>[1], by?: string): string => {
    const { columns: shown, rows: sorted } = rankedRows(columns, rows, by);
    return renderTable(shown, sorted);
  };
  if ('entities' in request) {
    const result = await client.retrieveModelScore(request, call);
    return show(result, [ranked(result.columns, result.rows)]);
  }
  if ('pairs' in request) {
    const result = await client.inferPairWise(request, call);
    const pairs = result.pairs.map((row) => ({ ...row, values: { pair: `${row.first}, ${row.second}`, ...row.values } }));
    return show(result, [ranked(names(result.targetColumns), result.targets), table(['pair', ...names(result.pairColumns)], pairs)]);
  }
  if ('slates' in request) {
    const result = await client.inferSlateWise(request, call);
    const slates = result.slates.map((row) => ({ ...row, values: { slate: row.targetIndices.join(', '), ...row.values } }));
    return show(result, [ranked(names(result.targetColumns), result.targets), table(['slate', ...names(result.slateColumns)], slates)]);
  }
  const result = await client.inferPointWise(request, call);
  return show(result, [ranked(names(result.targetColumns), result.targets)]);
}

function names(columns: readonly { readonly name: string }[]): readonly string[] {
  return columns.map(({ name }) => name);
}
