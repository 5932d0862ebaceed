/** An expression as a function: one array of numbers per variable in, one number per row out. */
export type ExpressionFunction = (columns: Readonly<Record<string, Float32Array | Float64Array>>, rowCount: number) => ArrayLike<number>;

/** Expressions by compute id. */
export type ExpressionFunctions = Readonly<Record<string, ExpressionFunction>>;
