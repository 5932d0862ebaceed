/** A decoded value: null = not there; 64-bit integers beyond 2^53 as bigint; vectors as arrays. */
export type DecodedCell = null | boolean | number | bigint | string | readonly DecodedCell[] | { readonly [key: string]: DecodedCell };

/** How floats are given: as stored, or rounded to six decimals as the published Python decoder does. */
export type FloatStyle = 'exact' | 'rounded';
