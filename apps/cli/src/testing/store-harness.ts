import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { FakeEtcd } from '../../../../packages/config-etcd/src/testing/fake-etcd.js';
import { createModelStoreWith } from '../../../../packages/config-etcd/src/write/model-store.js';
import type { StoreCommandSurroundings } from '../store/push-command.js';

/** What a command wrote and how it ended. */
export interface CommandResult {
  out: string;
  error: string;
  code: number;
  /** What a person was asked. */
  questions: string[];
}

/** Runs the commands that use etcd over one in memory. */
export class StoreHarness {
  readonly etcd = new FakeEtcd();
  readonly directory = mkdtempSync(join(tmpdir(), 'inferflow-store-'));
  readonly base = '/config/inferflow/services/shop/model-config';
  variables: Record<string, string | undefined> = {
    ETCD_SERVER: 'http://fake:2379',
    APP_NAME: 'shop',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: '',
  };
  stdin = '';
  /** What a person answers; null: nobody is there. */
  answer: string | null = null;

  async run(create: (surroundings: StoreCommandSurroundings) => Command, ...args: readonly string[]): Promise<CommandResult> {
    const result: CommandResult = { out: '', error: '', code: 0, questions: [] };
    const io = {
      readStdin: async () => this.stdin,
      out: (text: string) => {
        result.out += text;
      },
      error: (text: string) => {
        result.error += text;
      },
      exitWith: (code: number) => {
        result.code = code;
      },
      ask: async (question: string) => {
        result.questions.push(question);
        return this.answer;
      },
    };
    const command = create({ io, variables: this.variables, createStore: (options) => createModelStoreWith(options, this.etcd.connect) });
    await command.parseAsync([...args], { from: 'user' });
    return result;
  }

  file(name: string, content: unknown): string {
    const path = join(this.directory, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  key(id: string): string {
    return `${this.base}/config-map/${id}`;
  }

  /** The value of a model's key. */
  stored(id: string): unknown {
    return JSON.parse(this.etcd.text(this.key(id)) ?? 'null');
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A model in the deployed dialect with these scores. */
export function deployedModel(scores: readonly string[], more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    dag_execution_config: { component_dependency: { p1: ['feature_initializer'] } },
    component_config: {
      cache_version: 1,
      predator_components: [
        {
          component: 'p1',
          component_id: 'item',
          model_name: 'm',
          model_end_point: 'host',
          deadline: 100,
          batch_size: 50,
          inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'o', model_scores: scores, model_scores_dims: scores.map(() => [1]), data_type: 'FP32' }],
        },
      ],
      ...more,
    },
    response_config: { features: ['item', ...scores], logging_perc: 5 },
  };
}
