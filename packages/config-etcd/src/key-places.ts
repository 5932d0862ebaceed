/** A key and its value as text. Immutable: a new value is a new object. */
export interface KeyEntry {
  readonly key: string;
  readonly text: string;
  /** Etcd's revision when it was last written; 0 or absent where that is not known. */
  readonly revision?: number;
}

const parts = {
  dagexecutionconfig: 'dag_execution_config',
  componentconfig: 'component_config',
  responseconfig: 'response_config',
} as const;
/** @internal A part of a model that has a key of its own. */
export type Part = (typeof parts)[keyof typeof parts];
/** @internal */
export const partOrder: readonly Part[] = Object.values(parts);

const serviceFields = { v2loggingtype: 'v2-logging-type', compressionenabled: 'compression-enabled' } as const;
/** @internal A service setting that has a key of its own. */
export type ServiceField = (typeof serviceFields)[keyof typeof serviceFields];
/** Kept beside the settings by the control plane, for itself. */
const foreignServiceField = 'predatorhosts';

/** @internal Where a key puts its value. */
export type Place =
  | { readonly kind: 'map' | 'service' | 'foreign' | 'unknown' }
  | { readonly kind: 'model'; readonly id: string }
  | { readonly kind: 'part'; readonly id: string; readonly part: Part }
  | { readonly kind: 'serviceField'; readonly field: ServiceField };

/** @internal Keys sorted by what they are. Of several spellings of one key the usual one counts, else the first in the alphabet. */
export class FoundKeys<Entry extends KeyEntry = KeyEntry> {
  map: Entry | null = null;
  service: Entry | null = null;
  readonly models = new Map<string, Entry>();
  readonly parts = new Map<string, Map<Part, Entry>>();
  readonly serviceFields = new Map<ServiceField, Entry>();
  readonly ignored: string[] = [];

  add(entry: Entry, place: Place): void {
    switch (place.kind) {
      case 'map':
        this.map = preferred(this.map, entry);
        break;
      case 'service':
        this.service = preferred(this.service, entry);
        break;
      case 'model':
        this.models.set(place.id, preferred(this.models.get(place.id) ?? null, entry));
        break;
      case 'part': {
        const byPart = this.parts.get(place.id) ?? new Map<Part, Entry>();
        byPart.set(place.part, preferred(byPart.get(place.part) ?? null, entry));
        this.parts.set(place.id, byPart);
        break;
      }
      case 'serviceField':
        this.serviceFields.set(place.field, preferred(this.serviceFields.get(place.field) ?? null, entry));
        break;
      case 'unknown':
        this.ignored.push(entry.key);
        break;
      case 'foreign':
        break;
    }
  }
}

/** The usual spelling has the most dashes of all that mean the same, and no capitals. */
function preferred<Entry extends KeyEntry>(first: Entry | null, second: Entry): Entry {
  if (first === null) return second;
  const [left, right] = [usualness(first.key), usualness(second.key)];
  if (left !== right) return left > right ? first : second;
  return first.key < second.key ? first : second;
}

function usualness(key: string): number {
  return usualWords.reduce((count, word) => (key.includes(`/${word}`) ? count + 1 : count), 0);
}
const usualWords = [
  'config-map',
  'service-config',
  'dag-execution-config',
  'component-config',
  'response-config',
  ...Object.values(serviceFields),
];

/** @internal What a key under a base stands for. */
export function placeOf(base: string, key: string): Place {
  if (!key.startsWith(`${base}/`)) return { kind: 'unknown' };
  const [first = '', second, third, ...deeper] = key.slice(base.length + 1).split('/');
  if (deeper.length > 0) return { kind: 'unknown' };
  if (wordOf(first) === 'configmap') {
    if (second === undefined) return { kind: 'map' };
    if (second === '') return { kind: 'unknown' };
    if (third === undefined) return { kind: 'model', id: second };
    const part = ownValue(parts, wordOf(third));
    return part === undefined ? { kind: 'unknown' } : { kind: 'part', id: second, part };
  }
  if (wordOf(first) !== 'serviceconfig' || third !== undefined) return { kind: 'unknown' };
  if (second === undefined) return { kind: 'service' };
  if (wordOf(second) === foreignServiceField) return { kind: 'foreign' };
  const field = ownValue(serviceFields, wordOf(second));
  return field === undefined ? { kind: 'unknown' } : { kind: 'serviceField', field };
}

function wordOf(segment: string): string {
  return segment.replaceAll('-', '').toLowerCase();
}

function ownValue<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
