import { describe, expect, it } from 'vitest';
import { component, defineComponent } from './define-component.js';
import { createRegistry } from './registry.js';

describe('createRegistry', () => {
  const definition = defineComponent({
    type: 'tested',
    apiVersion: 1,
    parseConfig: () => null,
    create: () => component({ reads: {}, writes: {}, execute() {} }),
  });

  it('sees its parent, not its children', () => {
    const parent = createRegistry().register(definition);
    const child = createRegistry(parent).register({ ...definition, type: 'own' });
    expect(child.types()).toEqual(['own', 'tested']);
    expect(parent.get('own')).toBeUndefined();
    expect(() => child.register(definition)).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_DUPLICATE_TYPE' }));
    expect(() => child.require('gone')).toThrow(/own, tested/);
  });

  it('refuses what is no definition, another version, and everything once it is frozen', () => {
    const registry = createRegistry();
    expect(() => registry.register({ ...definition, type: 'Not a name' })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_DEFINITION_INVALID' }),
    );
    expect(() => registry.register({ ...definition, apiVersion: 2 as unknown as 1 })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_API_VERSION' }),
    );
    expect(() => registry.register({ type: 'half', apiVersion: 1 } as unknown as typeof definition)).toThrow(/parseConfig/);
    createRegistry(registry).freeze();
    expect(registry.frozen).toBe(true);
    expect(() => registry.register(definition)).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_REGISTRY_FROZEN' }));
  });
});
