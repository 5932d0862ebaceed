export const component = {};
