import {
  type ConfigChange,
  checkModelConfig,
  convertModel,
  type Dialect,
  hasErrors,
  type ModelConfig,
  type Problem,
  parseServiceConfig,
  planChange,
  readDocument,
  type ServiceConfig,
  sameMeaning,
} from '@inferflow/config';
import { looksAlike, type StoredModels } from '@inferflow/config-etcd';
import { type InputModel, settingProblems } from '../config-input.js';
import { expressionProblems } from '../expression-problems.js';
import { logSchemaChanges } from '../log-schema-changes.js';

/** What writing a model would do. */
export interface ReviewedModel {
  readonly modelConfigId: string;
  readonly file: string;
  /** `unchanged`: etcd has it already. `respelled`: the same for requests, in other words. */
  readonly action: 'refused' | 'added' | 'changed' | 'respelled' | 'unchanged';
  /** Null if the model is refused. */
  readonly config: ModelConfig | null;
  /** As it would be written. */
  readonly document: unknown;
  readonly problems: readonly Problem[];
  /** Those that what etcd has does not have. */
  readonly newProblems: readonly Problem[];
  readonly changes: readonly ConfigChange[];
  /** What a person should know besides. */
  readonly notes: readonly string[];
}

/** The same for the service settings. */
export interface ReviewedSettings {
  readonly file: string;
  readonly document: unknown;
  readonly problems: readonly Problem[];
  readonly changes: readonly string[];
}

/**
 * What a server says of a model before it takes it.
 * @param isStrict as `lint`, which refuses more than a server does
 */
export function checkInput(
  { modelConfigId, value, problem }: Pick<InputModel, 'modelConfigId' | 'value' | 'problem'>,
  isStrict: boolean,
): { readonly config: ModelConfig | null; readonly problems: readonly Problem[] } {
  if (problem !== undefined) return { config: null, problems: [problem] };
  const { config, problems } = checkModelConfig(modelConfigId, value, { isStrict });
  const found = config === null ? [] : expressionProblems(config);
  return { config: hasErrors(found) ? null : config, problems: [...problems, ...found] };
}

/** How a model is reviewed. */
export interface ReviewOptions {
  /** The dialect to write. @default the documented one, where the model changes */
  readonly to?: Dialect | undefined;
  /** Whether errors are let pass that only `lint` finds, and servers only warn of. */
  readonly isForced: boolean;
}

/** Compares a model with what etcd has. */
export function reviewModel(input: InputModel, stored: StoredModels, { to, isForced }: ReviewOptions): ReviewedModel {
  const { modelConfigId, file } = input;
  const { config, problems } = checkInput(input, !isForced);
  const base = { modelConfigId, file, problems, newProblems: problems };
  if (config === null) {
    const canBeForced = !isForced && checkInput(input, false).config !== null;
    return { ...base, action: 'refused', config, document: null, changes: [], notes: canBeForced ? [FORCEABLE] : [] };
  }
  const { document, losses } = convertModel(config, to ?? 'documented');
  const notes = losses.map(({ message }) => message);
  const alike = looksAlike(modelConfigId, stored.models.keys());
  if (alike.length > 0) notes.push(`the Go service cannot tell ${modelConfigId} from ${alike.join(', ')}: it drops dashes and case`);
  const before = stored.models.get(modelConfigId);
  if (before === undefined) return { ...base, action: 'added', config, document, changes: [], notes };
  if (before.form === 'parts') notes.push('its three keys become one');
  const read = readDocument(before.document);
  const { config: old, problems: oldProblems } =
    'problem' in read ? { config: null, problems: [] } : checkInput({ modelConfigId, value: read.value }, false);
  if (old === null) {
    notes.push(NOTHING_TO_COMPARE);
    return { ...base, action: 'changed', config, document, changes: [], notes };
  }
  const isSame = sameMeaning(old, config);
  const isWrittenSo = (to === undefined || old.dialect === to) && JSON.stringify(old.extra) === JSON.stringify(config.extra);
  if (isSame && isWrittenSo) return { ...base, action: 'unchanged', config, document, changes: [], notes: [] };
  if (old.dialect === 'deployed' && (to ?? 'documented') === 'documented') {
    notes.push(
      'etcd holds it in the deployed dialect, and this writes the documented one, which the Go service cannot read: use --to deployed while one reads these keys',
    );
  }
  const known = new Set(oldProblems.map(({ code, message }) => `${code} ${message}`));
  const newProblems = problems.filter(({ code, message }) => !known.has(`${code} ${message}`));
  const changes = isSame ? [] : [...planChange(old, config), ...logSchemaChanges(old, config)];
  return { ...base, action: isSame ? 'respelled' : 'changed', config, document, newProblems, changes, notes };
}

/** Compares service settings with what etcd has; null if nothing changes. */
export function reviewSettings({ file, value, problem }: InputModel, stored: StoredModels, isForced: boolean): ReviewedSettings | null {
  if (problem !== undefined) return { file, document: null, problems: [problem], changes: [] };
  const { service } = parseServiceConfig(value);
  const problems = isForced ? parseServiceConfig(value).problems : settingProblems(value);
  const read = stored.service === undefined ? { value: undefined } : readDocument(stored.service);
  const old = parseServiceConfig('problem' in read ? undefined : read.value).service;
  const texts = (settings: ServiceConfig): readonly string[] => [
    `v2-logging-type ${settings.loggingType === '' ? 'none' : settings.loggingType}`,
    `compression-enabled ${settings.compressionEnabled}`,
  ];
  const changes = texts(service).flatMap((text, index) =>
    text === texts(old)[index] ? [] : [`${texts(old)[index]} → ${text.split(' ')[1]}`],
  );
  if (changes.length === 0 && !hasErrors(problems)) return null;
  const document = { 'v2-logging-type': service.loggingType, 'compression-enabled': service.compressionEnabled };
  return { file, document, problems, changes };
}

/** A change in a line, for reports and histories. */
export function changeText({ subject, action, name, detail }: ConfigChange): string {
  return `${action} ${subject} ${name}${detail === '' ? '' : `: ${detail}`}`;
}

/** A note of a model that servers would take. */
export const FORCEABLE = 'servers would take it, with warnings: --force writes it all the same';

/** A note of a model whose version in etcd is broken. */
const NOTHING_TO_COMPARE = 'servers refuse what etcd holds now, so there is nothing to compare with; they go on with the version before it';

const MOST_LINES = 20;

/** What a version changed, short enough to be kept. */
export function summaryOf({ action, changes, config, notes }: ReviewedModel): readonly string[] {
  if (action === 'added') return [`new, ${config?.components.length ?? 0} components`];
  if (action === 'respelled') return ['other words, the same for requests'];
  const lines = changes.map(changeText);
  if (lines.length === 0)
    return [notes.includes(NOTHING_TO_COMPARE) ? 'replaces a version that could not be read' : 'the same for requests'];
  return lines.length <= MOST_LINES ? lines : [...lines.slice(0, MOST_LINES - 1), `and ${lines.length - MOST_LINES + 1} more`];
}
