export { closestName, editDistance } from './closest-name.js';
export { compileTopology } from './compile-topology.js';
export { DagError, DagErrorCode, type DagErrorDetails } from './errors.js';
export { type ComponentOutcome, type ExecutableComponent, type ExecuteOptions, type ExecutionResult, execute } from './execute.js';
export { Execution, type ExecutionHost } from './execution.js';
export { OutcomeStatus, Outcomes, outcomeStatusName } from './outcome.js';
export { type ComponentDeclaration, type OnFailure, reaches, type Topology, type TopologyInput } from './topology.js';
export { createTopologyCache, type TopologyCache, type TopologyCacheOptions } from './topology-cache.js';
export { findTopologyProblems, type TopologyProblem } from './topology-problems.js';
