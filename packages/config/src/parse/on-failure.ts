import type { ComponentScope, OnFailure } from '../model-config.js';
import type { ObjectReader } from './object-reader.js';

const policies: readonly OnFailure[] = ['default', 'fail', 'skip_dependents'];

/** `on_failure` of a component. */
export function readOnFailure(reader: ObjectReader): OnFailure {
  return reader.choice('onFailure', policies, 'default');
}

/** `slate_component` of a component. */
export function readScope(reader: ObjectReader): ComponentScope {
  return reader.boolean('slate') ? 'slate' : 'target';
}
