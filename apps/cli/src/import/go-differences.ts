import {
  type FeatureComponentConfig,
  type ModelConfig,
  type NumerixComponentConfig,
  type PredatorComponentConfig,
  writtenColumns,
} from '@inferflow/config';
import { DataType, dataTypeInfo } from '@inferflow/matrix';

/** One behaviour of the Go service, as far as it concerns a model. */
export interface GoDifference {
  /** Its number in the migration guide. */
  readonly id: string;
  /** `kept`: with `compat` it is as it was. `moves`: it is another here even so, and can move a score. */
  readonly kind: 'kept' | 'moves';
  readonly message: string;
  /** Components or columns that it concerns; empty: the whole model. */
  readonly where: readonly string[];
}

interface Facts {
  readonly config: ModelConfig;
  readonly features: readonly FeatureComponentConfig[];
  readonly predators: readonly PredatorComponentConfig[];
  readonly numerix: readonly NumerixComponentConfig[];
  /** Columns that a component writes; all others come from the request. */
  readonly written: ReadonlySet<string>;
  /** Types of fetched columns. */
  readonly fetched: ReadonlyMap<string, DataType>;
}

interface Rule {
  readonly id: string;
  readonly kind: GoDifference['kind'];
  readonly message: string;
  /** Null: it does not concern the model. */
  readonly where: (facts: Facts) => readonly string[] | null;
}

const some = (found: readonly string[]): readonly string[] | null => (found.length === 0 ? null : [...new Set(found)]);
const always = (): readonly string[] => [];
const names = (components: readonly { readonly componentName: string }[]): readonly string[] | null =>
  some(components.map(({ componentName }) => componentName));
const info = (type: DataType) => dataTypeInfo(type);
const isText = (type: DataType): boolean => info(type).family === 'text';

const rules: readonly Rule[] = [
  {
    id: 'D4',
    kind: 'kept',
    message: 'an answer of one row for a call of many gives its score to all of them',
    where: ({ predators, numerix }) => names([...predators, ...numerix.filter(({ expression }) => expression === undefined)]),
  },
  {
    id: 'D5',
    kind: 'kept',
    message: 'a key from a number with a fraction is written in the short form of Go (1.234567e+06)',
    where: ({ features, fetched }) =>
      some(
        features
          .flatMap(({ keys }) => keys.map(({ column }) => column))
          .filter((column) => info(fetched.get(column) ?? DataType.String).family === 'float'),
      ),
  },
  {
    id: 'D7',
    kind: 'kept',
    message: 'a list of texts keeps the length prefixes of the store when it becomes text',
    where: ({ fetched }) => some([...fetched].filter(([, type]) => type === DataType.StringVector).map(([name]) => name)),
  },
  {
    id: 'D8',
    kind: 'kept',
    message: 'conversions to FP16 cut digits off and stop at ±65000',
    where: ({ predators }) =>
      some(
        predators.flatMap(({ componentName, inputs }) =>
          inputs.filter(({ dataType }) => dataType === 'FP16').map(({ name }) => `${componentName}/${name}`),
        ),
      ),
  },
  {
    id: 'D10',
    kind: 'kept',
    message: 'a text without value reaches the model as 0.0',
    where: ({ predators }) =>
      some(
        predators.flatMap(({ componentName, inputs }) =>
          inputs.filter(({ dataType }) => dataType === 'BYTES').map(({ name }) => `${componentName}/${name}`),
        ),
      ),
  },
  {
    id: 'D11',
    kind: 'kept',
    message: 'numbers outside the range of a whole-number type become what amd64 makes of them',
    where: ({ predators, fetched }) =>
      some(
        predators.flatMap(({ componentName, inputs }) =>
          inputs
            .filter(
              ({ dataType, features }) =>
                /^U?INT/.test(dataType) && features.some((feature) => info(fetched.get(feature) ?? DataType.String).family === 'float'),
            )
            .map(({ name }) => `${componentName}/${name}`),
        ),
      ),
  },
  {
    id: 'F11',
    kind: 'kept',
    message: 'a vector that the request does not send is one default value, whatever the input needs',
    where: ({ predators, written }) =>
      some(
        predators.flatMap(({ componentName, inputs }) =>
          inputs
            .filter(({ features, shape }) => features.length === 1 && width(shape) > 1 && !written.has(features[0]!))
            .map(({ name }) => `${componentName}/${name}`),
        ),
      ),
  },
  {
    id: 'F11b',
    kind: 'kept',
    message: 'a missing vector among several features is filled with the width of the whole input',
    where: ({ predators, fetched }) =>
      some(
        predators.flatMap(({ componentName, inputs }) =>
          inputs
            .filter(
              ({ features }) => features.length > 1 && features.some((feature) => info(fetched.get(feature) ?? DataType.String).isVector),
            )
            .map(({ name }) => `${componentName}/${name}`),
        ),
      ),
  },
  {
    id: 'G3',
    kind: 'kept',
    message: 'the score holds the bytes of FP32 under its declared type',
    where: ({ numerix }) => names(numerix.filter(({ dataType }) => dataType !== DataType.FP32)),
  },
  {
    id: 'C5',
    kind: 'kept',
    message: 'lists of ids or features of another length than the first entity’s are padded, cut or left out',
    where: always,
  },
  {
    id: 'C18',
    kind: 'kept',
    message: 'scores of types written as FP32, INT64, … are announced as DataTypeString',
    where: ({ predators }) =>
      names(
        predators.filter(({ outputs }) =>
          outputs.some(({ dataTypeText }) => !/^DataType/.test(dataTypeText) && dataTypeText !== dataTypeText.toLowerCase()),
        ),
      ),
  },
  {
    id: 'H14',
    kind: 'kept',
    message: 'users are sampled by the local day, all anonymous ones alike',
    where: ({ config }) => (config.response.loggingPercent > 0 || config.response.modelSchemaPercent > 0 ? [] : null),
  },
  {
    id: 'H18',
    kind: 'kept',
    message: 'a missing text is logged as 0.0',
    where: ({ config }) => (config.response.loggingPercent > 0 ? [] : null),
  },
  {
    id: 'D3',
    kind: 'moves',
    message:
      'features written as name@type were fetched by the Go service and then lost, so models saw defaults; here models see their values',
    where: ({ features }) =>
      some(features.flatMap(({ columns }) => columns.filter(({ requestLabel }) => requestLabel.includes('@')).map(({ name }) => name))),
  },
  {
    id: 'E1',
    kind: 'moves',
    message:
      'rows whose key is empty were looked up all the same; here they get no features, also if the store has a row under the empty key',
    where: ({ features }) => names(features.filter(({ columns }) => columns.length > 0)),
  },
  {
    id: 'E8',
    kind: 'moves',
    message: 'keys of several parts that hold a pipe character could get the features of another entity; here each gets its own',
    where: ({ features }) => names(features.filter(({ keys }) => keys.length > 1)),
  },
  {
    id: 'F1',
    kind: 'moves',
    message:
      'a text value of the request that goes into inputs of different types was converted once for all of them in the Go service; here for each',
    where: ({ predators, written }) =>
      names(
        predators.filter(
          ({ inputs }) =>
            new Set(inputs.filter(({ features }) => features.some((feature) => !written.has(feature))).map(({ dataType }) => dataType))
              .size > 1,
        ),
      ),
  },
  {
    id: 'F5',
    kind: 'moves',
    message: 'the traffic split was drawn anew for each call; here a user stays with one endpoint, in the same proportions',
    where: ({ predators }) => names(predators.filter(({ endpoints }) => endpoints.length > 1)),
  },
  {
    id: 'F7',
    kind: 'moves',
    message: 'without a deadline or batch_size above 0 the Go service never called the model; here it is called with the defaults',
    where: ({ predators }) => names(predators.filter(({ deadlineMs, batchSize }) => deadlineMs === undefined || batchSize === undefined)),
  },
  {
    id: 'F8',
    kind: 'moves',
    message:
      'after a failed part of a call the scores of later rows went to other targets; here the rows of that part have no score and say so',
    where: ({ predators }) => names(predators.filter(({ batchSize }) => batchSize !== undefined)),
  },
  {
    id: 'G2',
    kind: 'moves',
    message: 'a value that could not be converted left all values after it unconverted; here it is that value’s default alone',
    where: ({ numerix }) => names(numerix),
  },
  {
    id: 'G4',
    kind: 'moves',
    message: 'a text of the request under a numeric type was sent as its raw characters; here as the number that it says',
    where: ({ numerix, written }) =>
      some(
        numerix.flatMap(({ componentName, variables }) =>
          variables
            .filter(({ column, dataType }) => !isText(dataType) && !written.has(column))
            .map(({ variable }) => `${componentName}/${variable}`),
        ),
      ),
  },
  {
    id: 'B3',
    kind: 'moves',
    message:
      'with more than one component that waits for nothing, the Go service could answer before the last ones ended; here the answer waits for all',
    where: ({ config }) => some(Object.entries(config.dependencies).flatMap(([name, waitsFor]) => (waitsFor.length === 0 ? [name] : []))),
  },
  {
    id: 'C11',
    kind: 'moves',
    message:
      'Predict calls did not read the headers user-id and app-version-code; here they are the columns user_id and app_version_code, unless the request has them',
    where: ({ config, written }) =>
      some(readColumns(config).filter((column) => ['user_id', 'app_version_code'].includes(column) && !written.has(column))),
  },
];

function width(shape: readonly number[]): number {
  return shape.filter((size) => size > 0).reduce((product, size) => product * size, 1);
}

function readColumns({ components }: ModelConfig): readonly string[] {
  return components.flatMap((component) => {
    if (component.kind === 'feature') return component.keys.map(({ column }) => column);
    if (component.kind === 'predator') return component.inputs.flatMap(({ features }) => features);
    return component.kind === 'numerix' ? component.variables.map(({ column }) => column) : [];
  });
}

/** What of the Go service's behaviour concerns a model: what `compat` keeps, and what can move a score even so. */
export function goDifferences(config: ModelConfig): readonly GoDifference[] {
  const features = config.components.filter((component) => component.kind === 'feature');
  const facts: Facts = {
    config,
    features,
    predators: config.components.filter((component) => component.kind === 'predator'),
    numerix: config.components.filter((component) => component.kind === 'numerix'),
    written: new Set(config.components.flatMap((component) => writtenColumns(component).map(({ name }) => name))),
    fetched: new Map(features.flatMap(({ columns }) => columns.map(({ name, dataType }) => [name, dataType] as const))),
  };
  return rules.flatMap(({ where, ...rule }) => {
    const found = where(facts);
    return found === null ? [] : [{ ...rule, where: found }];
  });
}
