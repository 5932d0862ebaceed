import { DataType, dataTypeInfo, decodeValue } from '@inferflow/matrix';
import type { FeatureSchema } from '@inferflow/proto';
import { ClientError, ClientErrorCode } from './errors.js';
import type { FeatureTypeName } from './feature-type.js';

/**
 * A value of an answer. Int64 and Uint64 are bigints, vectors are arrays, `null`
 * means that there is none; a Uint8Array is the raw bytes of a column of unknown
 * type, or of one that was asked for as `bytes`.
 */
export type ScoreValue =
  | number
  | bigint
  | boolean
  | string
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | readonly string[]
  | Uint8Array
  | null;

/** How to read an output column, by name, where the answer's schema does not tell the truth; `bytes` leaves it raw. */
export type OutputTypes = Readonly<Record<string, FeatureTypeName | 'bytes'>>;

/** A column of an answer. */
export interface OutputColumn {
  readonly name: string;
  /** Type that the values were read as. */
  readonly type: FeatureTypeName | 'bytes';
  /** Elements of a vector; 0 for scalars and where the server does not say. */
  readonly width: number;
}

interface Reader extends OutputColumn {
  readonly dataType: DataType;
  /** False where the schema's word is all there is. */
  readonly isStated: boolean;
}

const names = new Map(Object.entries(DataType).map(([name, dataType]) => [dataType, name as keyof typeof DataType]));

/** Reads the rows of one output table. */
export class OutputTable {
  readonly columns: readonly OutputColumn[];
  readonly #readers: readonly Reader[];
  readonly #where: string;

  /** `where` names the table in error texts: `target`, `pair` or `slate`. */
  constructor(schema: readonly FeatureSchema[], outputTypes: OutputTypes, where: string) {
    this.#where = where;
    this.#readers = schema.map((column) => createReader(column, outputTypes));
    this.columns = this.#readers.map(({ name, type, width }) => ({ name, type, width }));
  }

  /**
   * Values of a row by column name. A row without any output has null everywhere.
   * @throws ClientError when the row is not aligned with the schema or a value does not fit its type
   */
  values(outputs: readonly Uint8Array[], row: number): Readonly<Record<string, ScoreValue>> {
    if (outputs.length !== 0 && outputs.length !== this.#readers.length) {
      throw invalid(`${this.#where} row ${row} has ${outputs.length} values, its schema has ${this.#readers.length} columns`);
    }
    const values: Record<string, ScoreValue> = Object.create(null);
    for (let index = 0; index < this.#readers.length; index++) {
      const reader = this.#readers[index]!;
      const bytes = outputs[index];
      values[reader.name] = bytes === undefined || bytes.length === 0 ? null : this.#read(reader, bytes, row);
    }
    return values;
  }

  #read(reader: Reader, bytes: Uint8Array, row: number): ScoreValue {
    if (reader.type === 'bytes') {
      return bytes;
    }
    if (reader.dataType === DataType.String && !reader.isStated && !isText(bytes)) {
      throw invalid(
        `${this.#where} column ${JSON.stringify(reader.name)}, row ${row}: declared String, but the bytes are not text; ` +
          'some servers declare numbers so: state the real type in outputTypes',
      );
    }
    const value = decodeValue(reader.dataType, bytes);
    if (value === null || (reader.width > 0 && Array.isArray(value) && value.length !== reader.width)) {
      const expected = reader.width > 0 ? `${reader.type} of ${reader.width} elements` : reader.type;
      throw invalid(
        `${this.#where} column ${JSON.stringify(reader.name)}, row ${row}: ${bytes.length} bytes are no ${expected}; ` +
          'if the server declares the wrong type, state the real one in outputTypes',
      );
    }
    return value as ScoreValue;
  }
}

function createReader(column: FeatureSchema, outputTypes: OutputTypes): Reader {
  const stated = Object.hasOwn(outputTypes, column.name) ? outputTypes[column.name] : undefined;
  const declared = column.dataType === DataType.Unknown ? 'bytes' : (names.get(column.dataType) as FeatureTypeName | undefined);
  const type = stated ?? declared ?? 'bytes';
  const dataType = type === 'bytes' ? DataType.Unknown : DataType[type];
  const isVector = dataTypeInfo(dataType).isVector;
  return { name: column.name, type, dataType, width: isVector ? column.width : 0, isStated: stated !== undefined };
}

const strict = new TextDecoder('utf-8', { fatal: true });

// Numbers that pass for UTF-8 nearly always hold a control character.
function isText(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) {
      return false;
    }
  }
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function invalid(message: string): ClientError {
  return new ClientError(ClientErrorCode.answerInvalid, message);
}
