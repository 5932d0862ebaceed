import type { ModelConfig } from '@inferflow/config';

/** What a model says that the Go service does not know, so that it would answer otherwise, or not at all. */
export function notForGo(config: ModelConfig): readonly string[] {
  const notes: string[] = [];
  if (config.requestValues === 'typed') notes.push('read typed values of Predict requests: it takes every value as text');
  if (config.deadlineMs !== undefined) notes.push('keep a deadline for the whole request');
  for (const component of config.components) {
    const { componentName: name } = component;
    if (component.onFailure !== 'default') notes.push(`act on on_failure of ${name}`);
    if (component.kind === 'plugin') notes.push(`run ${name}, a plugin`);
    if (component.kind === 'numerix' && component.expression !== undefined) notes.push(`compute the expression of ${name} itself`);
    if (component.kind === 'feature' && component.columnLabel !== component.entityLabel)
      notes.push(`name the columns of ${name} after ${component.columnLabel}`);
    if (component.kind === 'feature' && component.columns.some(({ requestLabel }) => requestLabel.includes('@')))
      notes.push(`deliver the features of ${name} that are written name@type`);
    if (component.kind !== 'predator') continue;
    if (component.endpoints.some(({ modelName, percentage }) => modelName !== undefined || !Number.isInteger(percentage)))
      notes.push(`split the traffic of ${name} by route_config`);
    if (component.modelVersion !== '1') notes.push(`ask for version ${component.modelVersion} of ${component.modelName}`);
    if (component.deadlineMs === undefined || component.batchSize === undefined) notes.push(`call ${name} without deadline and batch_size`);
    if (component.slateCalls !== 'per_slate' || component.coalesce) notes.push(`share calls of ${name} between slates or requests`);
  }
  return notes;
}
