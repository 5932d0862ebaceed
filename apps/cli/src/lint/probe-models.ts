import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import {
  checkUpstreamModel,
  componentPath,
  type ModelConfig,
  type PredatorComponentConfig,
  type Problem,
  problemTable,
} from '@inferflow/config';
import { createLocalModels, findModels } from '@inferflow/model-server';
import { GRPCInferenceService } from '@inferflow/proto';

/** How model servers are reached. */
export interface ProbeOptions {
  /** Asked instead of every component's own endpoints. */
  readonly endpoint: string | undefined;
  /** Port where an endpoint names none. */
  readonly defaultPort: number;
  readonly isPlaintext: boolean;
  /** Headers of every question. */
  readonly headers: readonly (readonly [string, string])[];
  /** The models of endpoint `local`; undefined: nobody knows them. */
  readonly modelsDirectory: string | undefined;
  /** For each model server, ms. */
  readonly timeoutMs: number;
}

type Answer =
  | { readonly upstream: Parameters<typeof checkUpstreamModel>[3] }
  | { readonly unknown: string }
  | { readonly unreachable: string };

/** What a server said, once for each model: many components may ask for one. */
type Ask = (modelName: string, version: string) => Promise<Answer>;

/**
 * Asks running model servers what their models take, and holds the configs against it. Only what a server says proves anything: one that
 * cannot be asked in time is a warning.
 */
export class ModelProbe {
  readonly #options: ProbeOptions;
  readonly #servers = new Map<string, Ask>();
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  async check(config: ModelConfig): Promise<readonly Problem[]> {
    const calls = config.components.flatMap((component) =>
      component.kind === 'predator' && Object.hasOwn(config.dependencies, component.componentName) ? this.#callsOf(component) : [],
    );
    const found = await Promise.all(calls.map((call) => this.#checkCall(config, call)));
    return found.flat();
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()));
  }

  #callsOf(component: PredatorComponentConfig): readonly Call[] {
    const { endpoint } = this.#options;
    const routes = component.endpoints.filter(({ percentage }) => percentage > 0);
    const own = routes.map((route): Call => ({ component, endpoint: route.endpoint, modelName: route.modelName ?? component.modelName }));
    if (component.endpoint !== '') own.push({ component, endpoint: component.endpoint, modelName: component.modelName });
    const asked = endpoint === undefined ? own : own.map((call) => ({ ...call, endpoint }));
    return [...new Map(asked.map((call) => [JSON.stringify([call.endpoint, call.modelName]), call])).values()];
  }

  async #checkCall(config: ModelConfig, { component, endpoint, modelName }: Call): Promise<readonly Problem[]> {
    const answer = await this.#server(endpoint)(modelName, component.modelVersion);
    const path = componentPath(config, component);
    const name = JSON.stringify(component.componentName);
    if ('upstream' in answer)
      return [
        ...versionProblem(component, modelName, answer.upstream.versions, path),
        ...checkUpstreamModel(config, component, modelName, answer.upstream),
      ];
    if ('unreachable' in answer) {
      const at = endpoint === 'local' ? 'the models of this process' : `the model server at ${endpoint}`;
      return [
        problem(
          'INFERFLOW_CONFIG_MODEL_UNREACHABLE',
          path,
          `${at} could not be asked about ${JSON.stringify(modelName)} of component ${name}: ${answer.unreachable}`,
          modelName,
        ),
      ];
    }
    const message = `component ${name} asks ${endpoint} for model ${JSON.stringify(modelName)} version ${JSON.stringify(component.modelVersion)}, which it does not have: ${answer.unknown}`;
    return [problem('INFERFLOW_CONFIG_UNKNOWN_MODEL', `${path}.model_name`, message, modelName)];
  }

  #server(endpoint: string): Ask {
    let server = this.#servers.get(endpoint);
    if (server === undefined) {
      const ask = endpoint === 'local' ? this.#local() : this.#remote(endpoint);
      const answers = new Map<string, Promise<Answer>>();
      server = (modelName, version) => {
        const key = JSON.stringify([modelName, version]);
        const answer = answers.get(key) ?? ask(modelName, version);
        answers.set(key, answer);
        return answer;
      };
      this.#servers.set(endpoint, server);
    }
    return server;
  }

  #remote(endpoint: string): Ask {
    const { defaultPort, isPlaintext, headers, timeoutMs } = this.#options;
    const authority = /:\d+$/.test(endpoint) ? endpoint : `${endpoint}:${defaultPort}`;
    const baseUrl = `${isPlaintext ? 'http' : 'https'}://${authority}`;
    const sessions = new Http2SessionManager(baseUrl);
    this.#closing.push(async () => sessions.abort());
    const transport: Transport = createGrpcTransport({ baseUrl, sessionManager: sessions });
    const client = createClient(GRPCInferenceService, transport);
    const options = { headers: headers.map(([name, value]): [string, string] => [name, value]) };
    const deadline = (): { readonly timeoutMs: number; readonly headers: [string, string][] } => ({ ...options, timeoutMs });
    // A server that is still loading its models has none of them, which proves nothing.
    let readiness: Promise<string | null> | null = null;
    const notReady = async (): Promise<string | null> => {
      try {
        return (await client.serverReady({}, deadline())).ready ? null : 'it is not ready';
      } catch (error) {
        const { code, rawMessage } = ConnectError.from(error);
        return code === Code.Unimplemented ? null : `${Code[code]}: ${rawMessage}`;
      }
    };
    return async (modelName, version) => {
      readiness ??= notReady();
      const reason = await readiness;
      if (reason !== null) return { unreachable: reason };
      try {
        const { name, versions, inputs, outputs } = await client.modelMetadata({ name: modelName, version }, deadline());
        const tensors = (list: typeof inputs) =>
          list.map((tensor) => ({ name: tensor.name, dataType: tensor.datatype, shape: tensor.shape.map(Number) }));
        return { upstream: { name, versions, inputs: tensors(inputs), outputs: tensors(outputs) } };
      } catch (error) {
        const { code, rawMessage } = ConnectError.from(error);
        if (code === Code.NotFound) return { unknown: rawMessage };
        return { unreachable: code === Code.Unimplemented ? 'it does not say what its models take' : `${Code[code]}: ${rawMessage}` };
      }
    };
  }

  #local(): Ask {
    const { modelsDirectory } = this.#options;
    if (modelsDirectory === undefined) {
      return async () => ({ unreachable: 'name their directory with --models or INFERFLOW_MODELS_DIR' });
    }
    const loading = findModels(modelsDirectory).then((models) => createLocalModels({ models }));
    this.#closing.push(async () => (await loading.catch(() => undefined))?.close(0));
    return async (modelName, version) => {
      try {
        const models = await loading;
        const model = models.find(modelName, version);
        const names = [...new Set(models.models.map(({ name }) => name))].join(', ');
        if (model === undefined) return { unknown: names === '' ? `${modelsDirectory} holds no model` : `there are ${names}` };
        const tensors = (list: typeof model.inputs) => list.map(({ name, datatype, shape }) => ({ name, dataType: datatype, shape }));
        return { upstream: { name: modelName, versions: [], inputs: tensors(model.inputs), outputs: tensors(model.outputs) } };
      } catch (error) {
        return { unreachable: (error as Error).message };
      }
    };
  }
}

interface Call {
  readonly component: PredatorComponentConfig;
  readonly endpoint: string;
  readonly modelName: string;
}

/** It answered, so it may not care about versions: not proven. */
function versionProblem(
  { modelVersion }: PredatorComponentConfig,
  modelName: string,
  versions: readonly string[],
  path: string,
): readonly Problem[] {
  if (modelVersion === '' || versions.length === 0 || versions.includes(modelVersion)) return [];
  const message = `the model server has versions ${versions.join(', ')} of model ${JSON.stringify(modelName)}; version ${JSON.stringify(modelVersion)} is asked for`;
  return [{ ...problem('INFERFLOW_CONFIG_UNKNOWN_MODEL', `${path}.model_version`, message, modelVersion), severity: 'warning' }];
}

function problem(
  code: 'INFERFLOW_CONFIG_MODEL_UNREACHABLE' | 'INFERFLOW_CONFIG_UNKNOWN_MODEL',
  path: string,
  message: string,
  found: string,
): Problem {
  return { severity: problemTable[code].severity, code, path, message, found };
}
