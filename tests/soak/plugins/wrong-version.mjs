export const components = [{ type: 'soak_from_the_future', apiVersion: 2, parseConfig: (raw) => raw, create: () => ({}) }];
