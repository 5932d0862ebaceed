export const components = [{ type: 'predator', apiVersion: 1, parseConfig: (raw) => raw, create: () => ({}) }];
