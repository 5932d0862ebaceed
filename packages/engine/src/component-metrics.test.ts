import { createFailure } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { OutcomeStatus } from '@inferflow/dag';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it, vi } from 'vitest';
import { createComponentMetrics } from './component-metrics.js';
import { modelComponent, modelConfig } from './testing/model-config.js';

async function start() {
  const source = createObjectSource({ m: modelConfig({ models: [modelComponent('ranker', { x: ['FP32', 'v'] })], answer: ['item'] }) });
  const component = (await source.start(() => {})).models.get('m')?.config?.components[0];
  if (component === undefined) throw new Error('no component');
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const lookUp = vi.spyOn(telemetry, 'counter');
  const metrics = createComponentMetrics(telemetry, 'm', component, () => '');
  const lines = async (name: string) =>
    (await telemetry.prometheusText())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .sort();
  return { metrics, lookUp, lines, telemetry };
}

const deadline = createFailure('deadline', 'took too long', 'ranker');

describe('createComponentMetrics', () => {
  it('counts a component under the status it ended with, whatever ended with the same reason before', async () => {
    const { metrics, lines, telemetry } = await start();
    metrics.ended(deadline, OutcomeStatus.failed, 1);
    metrics.ended(deadline, OutcomeStatus.abandoned, 1);
    metrics.ended(deadline, OutcomeStatus.abandoned, 1);
    metrics.ended(null, OutcomeStatus.ok, 1);
    expect(await lines('inferflow_component_outcome_total')).toEqual([
      'inferflow_component_outcome_total{model_id="m",component_name="ranker",status="abandoned",reason="deadline"} 2',
      'inferflow_component_outcome_total{model_id="m",component_name="ranker",status="failed",reason="deadline"} 1',
      'inferflow_component_outcome_total{model_id="m",component_name="ranker",status="ok"} 1',
    ]);
    await telemetry.close();
  });

  it('counts an error per failure and per group of failed rows, and looks its counters up once', async () => {
    const { metrics, lookUp, lines, telemetry } = await start();
    metrics.rowsFailed(deadline, 3);
    const before = lookUp.mock.calls.length;
    metrics.rowsFailed(deadline, 4);
    expect(lookUp.mock.calls.length).toBe(before);
    metrics.ended(deadline, OutcomeStatus.failed, 1);
    expect((await lines('inferflow_row_faults_total')).map((line) => line.split(' ').at(-1))).toEqual(['7']);
    expect((await lines('inferflow_component_execution_error_total')).map((line) => line.split(' ').at(-1))).toEqual(['3']);
    await telemetry.close();
  });
});
