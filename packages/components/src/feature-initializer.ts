import { component, defineComponent } from './define-component.js';

/** The root of every graph. The matrices are made from the request before any component runs, so it has nothing left to do. */
export const featureInitializerDefinition = defineComponent({
  type: 'feature_initializer',
  apiVersion: 1,
  parseConfig: () => null,
  create: () => component({ reads: {}, writes: {}, execute() {} }),
});
