import type { OnePortListener } from './one-port-options.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { ServerLoad } from './server-load.js';

const unbounded = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Wraps the listener of everything that is no hot method: bounds it, counts it, and keeps stream errors from ending the process. */
export function guardListener(options: ResolvedOnePortOptions, load: ServerLoad, isDraining: () => boolean): OnePortListener {
  return (request, response) => {
    // An aborted request emits an error that nobody may be listening for; whoever reads it learns of it through its own listeners.
    request.on('error', () => {});
    response.on('error', () => {});
    load.coldInFlight++;
    response.once('close', () => {
      load.coldInFlight--;
    });
    if ('shouldKeepAlive' in response && isDraining()) response.shouldKeepAlive = false;
    if (load.coldInFlight <= options.maxColdInFlight || unbounded.has(request.method ?? '')) options.listener(request, response);
    else {
      options.onRefused?.('in-flight', 'other');
      refuse(request.headers['content-type'] ?? '', response as unknown as PlainResponse);
      request.resume();
    }
  };
}

/** The part that both kinds of response share; their overloads do not unify. */
interface PlainResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

function refuse(contentType: string, response: PlainResponse): void {
  const message = 'the server works on as many requests as it takes';
  if (contentType.startsWith('application/grpc')) {
    response.writeHead(200, { 'content-type': contentType, 'grpc-status': '8', 'grpc-message': message });
    response.end();
  } else {
    response.writeHead(429, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ code: 'resource_exhausted', message }));
  }
}
