/** Codes of the 21 operations. The number is the position in the tables below. */
export const Operation = {
  add: 0,
  subtract: 1,
  multiply: 2,
  divide: 3,
  power: 4,
  min: 5,
  max: 6,
  greater: 7,
  less: 8,
  greaterOrEqual: 9,
  lessOrEqual: 10,
  equal: 11,
  and: 12,
  or: 13,
  exp: 14,
  log: 15,
  abs: 16,
  normMinMax: 17,
  percentileRank: 18,
  normPercentile0To99: 19,
  normPercentile5To95: 20,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

const BINARY: ReadonlyMap<string, Operation> = new Map([
  ['+', Operation.add],
  ['-', Operation.subtract],
  ['*', Operation.multiply],
  ['/', Operation.divide],
  ['^', Operation.power],
  ['min', Operation.min],
  ['max', Operation.max],
  ['>', Operation.greater],
  ['<', Operation.less],
  ['>=', Operation.greaterOrEqual],
  ['<=', Operation.lessOrEqual],
  ['==', Operation.equal],
  ['&', Operation.and],
  ['|', Operation.or],
]);

const UNARY: ReadonlyMap<string, Operation> = new Map([
  ['exp', Operation.exp],
  ['log', Operation.log],
  ['abs', Operation.abs],
  ['norm_min_max', Operation.normMinMax],
  ['percentile_rank', Operation.percentileRank],
  ['norm_percentile_0_99', Operation.normPercentile0To99],
  ['norm_percentile_5_95', Operation.normPercentile5To95],
]);

/** Operation of a token with two operands, undefined when it is none. */
export function binaryOperation(token: string): Operation | undefined {
  return BINARY.get(token);
}

/** Operation of a token with one operand, undefined when it is none. */
export function unaryOperation(token: string): Operation | undefined {
  return UNARY.get(token);
}

/** The 14 operators and 7 functions, as written. */
export const OPERATION_NAMES: readonly string[] = [...BINARY.keys(), ...UNARY.keys()];
