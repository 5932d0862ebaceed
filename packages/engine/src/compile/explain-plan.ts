/** How one component's read gets its bytes. */
export interface ExplainedEdge {
  readonly componentName: string;
  /** The read's name in the component, such as a tensor or a column. */
  readonly read: string;
  /** `copy`, `gather n runs`, `convert k columns`, `text`, … */
  readonly how: string;
  /** Why it is not `copy`, or ''. */
  readonly why: string;
  readonly columns: readonly string[];
}

/** One block of the matrices: who writes it and what a row of it looks like. */
export interface ExplainedBlock {
  readonly writer: string;
  readonly matrix: 'target' | 'slate';
  readonly strideBytes: number;
  readonly columns: readonly { readonly name: string; readonly dataType: string; readonly widthBytes: number }[];
}

/** A compiled model in words. */
export interface ExplainedPlan {
  readonly modelConfigId: string;
  readonly configHash: string;
  /** Component names, level by level: the members of a level do not wait for each other. */
  readonly levels: readonly (readonly string[])[];
  readonly blocks: readonly ExplainedBlock[];
  readonly edges: readonly ExplainedEdge[];
}
