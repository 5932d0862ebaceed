import type { PluginComponentConfig } from '../model-config.js';
import type { ObjectReader } from './object-reader.js';
import { readOnFailure, readScope } from './on-failure.js';

/** Reads one plugin component; its own settings are checked by the plugin when the model is compiled. */
export function parsePlugin(reader: ObjectReader, componentName: string): PluginComponentConfig {
  return {
    kind: 'plugin',
    componentName,
    onFailure: readOnFailure(reader),
    type: reader.requiredText('type', `component ${JSON.stringify(componentName)}`),
    config: reader.raw('config') ?? {},
    scope: readScope(reader),
  };
}
