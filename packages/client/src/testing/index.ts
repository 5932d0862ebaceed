export { createFakeInferflow, type FakeInferflowOptions, type FakeRow } from './fake-inferflow.js';
