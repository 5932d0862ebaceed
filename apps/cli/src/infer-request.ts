import { randomUUID } from 'node:crypto';
import type { Message } from '@bufbuild/protobuf';
import type { ModelScoreRequest, PairWiseRequest, PointWiseRequest, SlateWiseRequest } from '@inferflow/client';
import type { CommandIo } from './command-io.js';
import { readText } from './config-input.js';
import { isWireJson, readWireRequest } from './wire-request.js';

/** One request of any method, as the typed client takes it. */
export type AnyRequest = PointWiseRequest | PairWiseRequest | SlateWiseRequest | ModelScoreRequest;

/** What flags say about a request; they win over the file. */
export interface RequestFlags {
  readonly model?: string;
  readonly targets?: string;
  readonly context?: Readonly<Record<string, string>>;
  readonly trackingId?: string;
  readonly userId?: string;
}

const shared = ['modelConfigId', 'trackingId', 'omitQuality', 'includeConfigHash'];
const predict = [...shared, 'tenantId', 'targets', 'targetTypes', 'context', 'contextTypes'];
const members: Readonly<Record<'entities' | 'pairs' | 'slates' | 'targets', readonly string[]>> = {
  entities: [...shared, 'entities', 'userId', 'appVersionCode'],
  pairs: [...predict, 'pairs', 'pairTypes'],
  slates: [...predict, 'slates', 'slateTypes'],
  targets: predict,
};

const itemMembers: Readonly<Record<string, readonly string[]>> = {
  targets: ['id', 'features'],
  pairs: ['first', 'second', 'features'],
  slates: ['targetIndices', 'features'],
  entities: ['entity', 'ids', 'features'],
};

/** What is sent. */
export interface InferRequest {
  readonly request: AnyRequest;
  /** The message of the protocol that the file holds; null where the client makes one of the request. */
  readonly message: Message | null;
}

/**
 * The request of a JSON file (`-` is standard input), of flags, or of both. Members that no request has are refused: a slip of the pen
 * would be ignored in silence. A file may hold the message of the protocol instead, as curl sends it.
 */
export async function readInferRequest(file: string | undefined, flags: RequestFlags, io: CommandIo): Promise<InferRequest> {
  const fromFile = file === undefined ? {} : parseObject(file === '-' ? await io.readStdin() : await readText(file), file);
  if (isWireJson(fromFile)) return wireRequest(fromFile, flags);
  return { request: typedRequest(fromFile, flags), message: null };
}

function wireRequest(fromFile: Readonly<Record<string, unknown>>, { model, targets, context, trackingId }: RequestFlags): InferRequest {
  if (targets !== undefined || context !== undefined)
    throw new Error('the file holds a message of the protocol, which is sent as it is: --targets and --context do not go with it');
  const { model_config_id: id, tracking_id: tracking, ...rest } = fromFile;
  return readWireRequest({
    ...rest,
    modelConfigId: model ?? fromFile['modelConfigId'] ?? id ?? '',
    trackingId: trackingId ?? fromFile['trackingId'] ?? tracking ?? randomUUID(),
  });
}

function typedRequest(fromFile: Readonly<Record<string, unknown>>, flags: RequestFlags): AnyRequest {
  const targets = flags.targets?.split(',').map((id) => ({ id: id.trim() }));
  if (targets?.some(({ id }) => id === '') === true) throw new Error('--targets has an empty id; it takes a comma list of ids');
  const context = { ...(fromFile['context'] as object | undefined), ...flags.context };
  const request: Record<string, unknown> = {
    ...fromFile,
    ...(flags.model !== undefined && { modelConfigId: flags.model }),
    ...(targets !== undefined && { targets }),
    ...(Object.keys(context).length > 0 && { context }),
    ...(flags.trackingId !== undefined && { trackingId: flags.trackingId }),
    ...(flags.userId !== undefined && 'entities' in fromFile && { userId: flags.userId }),
  };
  checkMembers(request);
  if (!('modelConfigId' in request)) throw new Error('no model: give --model, or modelConfigId in the file');
  if (!('targets' in request) && !('entities' in request))
    throw new Error('nothing to score: give --targets, or targets or entities in the file');
  // The client checks every member's value and names what is wrong.
  return request as unknown as AnyRequest;
}

function checkMembers(request: Readonly<Record<string, unknown>>): void {
  const known = members[(['entities', 'pairs', 'slates'] as const).find((name) => name in request) ?? 'targets'];
  const problems = unknownMembers('the request', request, known);
  if (problems.length > 0) throw new Error(problems.join('; '));
  for (const [name, ofItem] of Object.entries(itemMembers)) {
    const list = request[name];
    if (list === undefined) continue;
    if (!Array.isArray(list)) throw new Error(`${name} must be a list`);
    list.forEach((item: unknown, index) => {
      if (typeof item !== 'object' || item === null || Array.isArray(item)) {
        problems.push(`${name}[${index}] must be an object with ${ofItem.join(', ')}`);
      } else problems.push(...unknownMembers(`${name}[${index}]`, item, ofItem));
    });
  }
  if (problems.length > 0) throw new Error([...problems.slice(0, 10), ...(problems.length > 10 ? ['…'] : [])].join('; '));
}

function unknownMembers(place: string, item: object, known: readonly string[]): string[] {
  return Object.keys(item)
    .filter((name) => !known.includes(name))
    .map((name) => `${place} has no member ${JSON.stringify(name)}; it takes ${known.join(', ')}`);
}

function parseObject(content: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new Error(`${file === '-' ? 'standard input' : file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('the request must be a JSON object');
  return value as Record<string, unknown>;
}
