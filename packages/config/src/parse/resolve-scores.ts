import { componentPath, readPath, rememberPlaces } from '../component-paths.js';
import { joinPath } from '../json-path.js';
import { visitReads } from '../lint/column-reads.js';
import type { ComponentConfig, ResponseConfig } from '../model-config.js';
import {
  forEachReference,
  type MapReference,
  qualifiedScore,
  type Referrer,
  renameComponent,
  renameResponse,
  scoreNames,
} from '../score-names.js';
import { calibrationColumns, writtenColumns } from '../written-columns.js';
import type { ObjectReader } from './object-reader.js';

/** Components and response with the column names that the rest of the product uses. */
export interface Resolved {
  readonly components: readonly ComponentConfig[];
  readonly response: ResponseConfig;
}

/**
 * Gives the scores of a documented config their column names and follows references to them. A score is called
 * `<component>:<score>`, unless `score_names` says `plain` or the config only ever uses the bare names.
 */
export function resolveScores(reader: ObjectReader, components: readonly ComponentConfig[], response: ResponseConfig): Resolved {
  const scores = new ScoreTable(components);
  if (isPlain(reader, scores, components, response)) return { components, response };
  const reported = new Set<string>();
  const reference: MapReference = (name, referrer) => {
    const owners = scores.ownersOf(name, referrer);
    if (owners.length === 0) return name;
    const column = qualifiedScore(owners[0] as string, name);
    if (!reported.has(name)) report(reader, name, owners, column, () => referencePath(reader, components, response, name, referrer));
    reported.add(name);
    return column;
  };
  return {
    components: components.map((component) =>
      renameComponent(component, (score) => qualifiedScore(component.componentName, score), reference),
    ),
    response: renameResponse(response, reference),
  };
}

class ScoreTable {
  readonly #owners = new Map<string, string[]>();
  readonly #qualified = new Set<string>();
  readonly #others: ReadonlySet<string>;

  constructor(components: readonly ComponentConfig[]) {
    for (const component of components) {
      for (const score of new Set(scoreNames(component))) {
        this.#owners.set(score, [...(this.#owners.get(score) ?? []), component.componentName]);
        this.#qualified.add(qualifiedScore(component.componentName, score));
      }
    }
    const features = components.filter((component) => component.kind === 'feature');
    this.#others = new Set([
      ...features.flatMap((component) => writtenColumns(component).map((column) => column.name)),
      ...calibrationColumns(components),
    ]);
  }

  /** Components whose score a bare name can mean; a component never means its own. */
  ownersOf(name: string, referrer: Referrer): readonly string[] {
    if (this.#qualified.has(name) || this.#others.has(name)) return [];
    return (this.#owners.get(name) ?? []).filter((owner) => owner !== referrer);
  }

  isQualified(name: string): boolean {
    return this.#qualified.has(name);
  }

  /** True if two components have a score of one name. */
  get hasNamesakes(): boolean {
    return [...this.#owners.values()].some((owners) => owners.length > 1);
  }
}

function isPlain(reader: ObjectReader, scores: ScoreTable, components: readonly ComponentConfig[], response: ResponseConfig): boolean {
  if (reader.has('scoreNames')) return reader.choice('scoreNames', ['component', 'plain'], 'component') === 'plain';
  let bare = 0;
  let qualified = 0;
  forEachReference(components, response, (name, referrer) => {
    if (scores.isQualified(name)) qualified++;
    else if (scores.ownersOf(name, referrer).length > 0) bare++;
  });
  const plain = bare > 0 && qualified === 0 && !scores.hasNamesakes;
  if (plain)
    reader.context.assume(
      reader.pathOf('scoreNames'),
      'plain',
      'scores are only referred to by their bare names, so these are the column names',
    );
  return plain;
}

/** Where a component, or the response, first refers to a name. */
function referencePath(
  reader: ObjectReader,
  components: readonly ComponentConfig[],
  { features, logFeatures }: ResponseConfig,
  name: string,
  referrer: Referrer,
): string {
  const { dialect, places } = reader.context;
  const written = { dialect, components };
  rememberPlaces(written, places);
  const component = components.find(({ componentName }) => componentName === referrer);
  const found: string[] = [];
  if (component !== undefined) {
    visitReads(component, (column, member) => {
      if (column === name && found.length === 0) found.push(readPath(written, component, member));
    });
    return found[0] ?? componentPath(written, component);
  }
  if (features.includes(name)) return joinPath('$.response_config.features', features.indexOf(name));
  const logged = typeof logFeatures === 'boolean' ? -1 : logFeatures.indexOf(name);
  return logged < 0 ? '$.response_config.id_column' : joinPath('$.response_config.log_features', logged);
}

function report(reader: ObjectReader, name: string, owners: readonly string[], column: string, pathOf: () => string): void {
  const { context } = reader;
  if (owners.length === 1) {
    context.assume(reader.pathOf('scoreNames'), column, `the bare name ${JSON.stringify(name)} means this score`);
    return;
  }
  const candidates = owners.map((owner) => JSON.stringify(qualifiedScore(owner, name))).join(', ');
  context.report('INFERFLOW_CONFIG_AMBIGUOUS_SCORE', pathOf(), `the score name ${JSON.stringify(name)} can mean ${candidates}`, {
    found: name,
    expected: `one of ${candidates}`,
  });
}
