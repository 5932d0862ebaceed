import { readFileSync } from 'node:fs';
import type { ModelScoreRequest, PairWiseRequest, PointWiseRequest, SlateWiseRequest } from '@inferflow/client';
import type { CommandIo } from './command-io.js';

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

/**
 * The request of a JSON file (`-` is standard input), of flags, or of both. Members that no request has are refused: a slip of the pen
 * would be ignored in silence.
 */
export async function readInferRequest(file: string | undefined, flags: RequestFlags, io: CommandIo): Promise<AnyRequest> {
  const fromFile = file === undefined ? {} : parseObject(file === '-' ? await io.readStdin() : readFileSync(file, 'utf8'), file);
  const targets = flags.targets?.split(',').map((id) => ({ id: id.trim() }));
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
  const unknown = Object.keys(request).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const wire = 'contextFeatures' in request || 'targetInputSchema' in request;
  throw new Error(
    `the request has no member ${unknown.map((name) => JSON.stringify(name)).join(', ')}; it takes ${known.join(', ')}${
      wire ? ' (this looks like the JSON of the protocol, which is for curl: see the guide on calling)' : ''
    }`,
  );
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
