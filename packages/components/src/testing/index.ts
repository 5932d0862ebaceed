export { type ContractCheck, componentContract } from './component-contract.js';
export { ManualCall, ManualUpstream } from './manual-upstream.js';
export { runComponent, type TestFault, type TestResult } from './run-component.js';
export { createTestBackend, type TestBackendOptions } from './test-backend.js';
export { TestBench, type TestOptions, TestRequest } from './test-bench.js';
export type { TestColumn, TestColumns } from './test-table.js';
