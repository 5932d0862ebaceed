import type { ComponentDefinition } from './define-component.js';
import { featureDefinition } from './feature/feature-component.js';
import { featureInitializerDefinition } from './feature-initializer.js';
import { numerixDefinition } from './numerix/numerix-component.js';
import { predatorDefinition } from './predator/predator-component.js';

/** The component types that come with the engine. They use nothing that a plugin could not. */
export const builtIns: readonly ComponentDefinition[] = Object.freeze([
  featureInitializerDefinition,
  featureDefinition,
  predatorDefinition,
  numerixDefinition,
] as ComponentDefinition[]); // each takes its own config type; the registry hands it what its own parseConfig made
