import type { ExpressionEngine } from '@inferflow/components';

/** An expression as a function: one array of numbers per variable in, one number per row out. */
export type ExpressionFunction = (columns: Readonly<Record<string, Float32Array | Float64Array>>, rowCount: number) => ArrayLike<number>;

/** Expressions by compute id. */
export type ExpressionFunctions = Readonly<Record<string, ExpressionFunction>>;

/** Tells an expression engine from functions by compute id. */
export function isExpressionEngine(expressions: ExpressionEngine | ExpressionFunctions): expressions is ExpressionEngine {
  return typeof expressions['compile'] === 'function' && typeof expressions['forComputeId'] === 'function';
}

/** Functions as an expression engine: a compute id is its own expression. */
export function createFunctionExpressions(functions: ExpressionFunctions): ExpressionEngine {
  return {
    forComputeId: (computeId) => (Object.hasOwn(functions, computeId) ? computeId : undefined),
    compile(expression, precision, columnNames) {
      const compute = Object.hasOwn(functions, expression) ? functions[expression] : undefined;
      if (compute === undefined)
        throw new TypeError(`there is no expression function "${expression}"; there are ${Object.keys(functions).join(', ') || 'none'}`);
      return {
        evaluate(columns, rowCount) {
          const byName: Record<string, Float32Array | Float64Array> = {};
          columnNames.forEach((name, index) => {
            byName[name] = (columns[index] as Float32Array | Float64Array).subarray(0, rowCount);
          });
          const values = compute(byName, rowCount);
          return precision === 'fp64' ? Float64Array.from(values) : Float32Array.from(values);
        },
      };
    },
  };
}
