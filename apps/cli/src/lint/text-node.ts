/** Where a value stands in a text; offsets count UTF-16 code units. */
export interface TextNode {
  readonly start: number;
  readonly end: number;
  /** Members of an object, by key, with the place of the key. */
  readonly members?: ReadonlyMap<string, { readonly start: number; readonly end: number; readonly node: TextNode }>;
  /** Items of a list. */
  readonly items?: readonly TextNode[];
}
