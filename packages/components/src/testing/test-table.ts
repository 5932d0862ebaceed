import {
  type Block,
  Block as BlockClass,
  type BlockShape,
  CellStatus,
  ColumnWriter,
  createBlockShape,
  DataType,
  dataTypeInfo,
  type EncodableValue,
  type MemoryPool,
  type SlotSpec,
} from '@inferflow/matrix';

/** A column of test data: plain values (numbers: FP64, booleans: Bool, texts: as given in a request), or values of a type. null = missing. */
export type TestColumn =
  | readonly (EncodableValue | null)[]
  | { readonly type: DataType; readonly values: readonly (EncodableValue | null)[] };

/** Columns by name, all of one length. */
export type TestColumns = Readonly<Record<string, TestColumn>>;

/** A block of test data. */
export interface TestTable {
  readonly shape: BlockShape;
  readonly rowCount: number;
  /** Columns given as plain texts, which count as given in the request. */
  readonly texts: ReadonlySet<string>;
  fill(pool: MemoryPool): Block;
}

/** Prepares a block of test data. Throws when the columns differ in length. */
export function createTestTable(columns: TestColumns, rows: number | undefined): TestTable {
  const entries = Object.entries(columns).map(([name, column]) => ({ name, ...typed(column) }));
  const rowCount = rows ?? entries[0]?.values.length ?? 0;
  for (const entry of entries) {
    if (entry.values.length !== rowCount)
      throw new TypeError(`column "${entry.name}" has ${entry.values.length} values for ${rowCount} rows`);
  }
  const shape = createBlockShape(entries.map(({ name, type }) => slotOf(name, type)));
  return {
    shape,
    rowCount,
    texts: new Set(entries.filter((entry) => entry.isPlainText).map((entry) => entry.name)),
    fill(pool) {
      const block = BlockClass.create(pool, shape, rowCount);
      const writer = new ColumnWriter();
      entries.forEach(({ values }, slot) => {
        writer.bind(block, slot);
        writer.writtenStatus = CellStatus.provided;
        values.forEach((value, row) => {
          if (value === null || value === '') block.markCell(row, slot, CellStatus.missing);
          else writer.setValue(row, value);
        });
      });
      return block;
    },
  };
}

function slotOf(name: string, type: DataType): SlotSpec {
  const info = dataTypeInfo(type);
  return info.isVector || info.isText || info.elementBytes === 0 ? { name, type } : { name, type, width: info.elementBytes };
}

function typed(column: TestColumn): { type: DataType; values: readonly (EncodableValue | null)[]; isPlainText: boolean } {
  if (isTyped(column)) return { type: column.type, values: column.values, isPlainText: false };
  const sample = column.find((value) => value !== null);
  const type =
    typeof sample === 'string'
      ? DataType.String
      : typeof sample === 'boolean'
        ? DataType.Bool
        : typeof sample === 'bigint'
          ? DataType.Int64
          : DataType.FP64;
  return { type, values: column, isPlainText: type === DataType.String };
}

function isTyped(column: TestColumn): column is Exclude<TestColumn, readonly unknown[]> {
  return !Array.isArray(column);
}
