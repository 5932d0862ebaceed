import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import type { ConfigSnapshot } from '../snapshot.js';
import type { ConfigSource } from '../source.js';
import { createDirectorySource } from './directory-source.js';

let directory = '';
let source: ConfigSource | null = null;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferflow-config-'));
  await mkdir(join(directory, 'models'));
});

afterEach(async () => {
  await source?.close();
  source = null;
  await rm(directory, { recursive: true, force: true });
});

function model(score: string): string {
  return JSON.stringify({
    dag_execution_config: { component_dependency: { feature_initializer: ['ranker'], ranker: [] } },
    component_config: {
      predator_component_config: {
        ranker: {
          model_name: 'm',
          model_endpoint: 'models:8080',
          inputs: { feature_map: { price: 'FP32' } },
          outputs: { score_columns: [score] },
        },
      },
    },
    response_config: { features: ['item', `ranker:${score}`] },
  });
}

const file = (name: string) => join(directory, 'models', name);
const scoreOf = (snapshot: ConfigSnapshot, id: string) => snapshot.models.get(id)?.config?.response.features[1];

class Follower {
  readonly snapshots: ConfigSnapshot[] = [];
  #wake: () => void = () => undefined;
  readonly listen = (snapshot: ConfigSnapshot) => {
    this.snapshots.push(snapshot);
    this.#wake();
  };

  async until(matches: (snapshot: ConfigSnapshot) => boolean, withinMs: number): Promise<ConfigSnapshot> {
    const end = Date.now() + withinMs;
    for (;;) {
      const found = this.snapshots.find(matches);
      if (found !== undefined) return found;
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no such snapshot within ${withinMs} ms; ${this.snapshots.length} came`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

async function start(options: { pollIntervalMs?: number; onError?: (error: Error) => void } = {}) {
  const follower = new Follower();
  source = createDirectorySource({ directory, ...options });
  return { follower, first: await source.start(follower.listen) };
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text);
  await rename(`${path}.tmp`, path);
}

describe('createDirectorySource', () => {
  it('reads models in JSON and YAML under their exact ids, and the service settings', async () => {
    await writeFile(file(`${encodeURIComponent('a/b c')}.json`), model('s'));
    await writeFile(file('A-b.yaml'), 'response_config: {features: [item]}\ncomponent_config: {}\ndag_execution_config: {}\n');
    await writeFile(file('notes.txt'), 'not a model');
    await writeFile(join(directory, 'services.json'), '{"v2-logging-type":"arrow","compression-enabled":true}');
    const { first } = await start();
    expect([...first.models.keys()].sort()).toEqual(['A-b', 'a/b c']);
    expect(first.models.get('a/b c')?.state).toBe('live');
    expect(first.models.get('A-b')?.state).toBe('rejected');
    expect(first.service).toEqual({ loggingType: 'arrow', compressionEnabled: true });
  });

  it('makes a replaced, an added and a deleted file live within half a second', { retry: 2 }, async () => {
    await writeFile(file('old.json'), model('s'));
    await writeFile(file('kept.json'), model('s'));
    const { follower, first } = await start();
    const began = Date.now();
    await replace(file('kept.json'), model('t'));
    await replace(file('new.json'), model('u'));
    await rm(file('old.json'));
    const isDone = (snapshot: ConfigSnapshot) =>
      scoreOf(snapshot, 'kept') === 'ranker:t' && snapshot.models.has('new') && !snapshot.models.has('old');
    const last = await follower.until(isDone, 1000);
    expect(Date.now() - began).toBeLessThan(500);
    expect(last.hash).not.toBe(first.hash);
    expect(scoreOf(first, 'kept')).toBe('ranker:s');
  });

  it('keeps the last good version of a model whose new version is bad, and leaves the others alone', async () => {
    await writeFile(file('a.json'), model('s'));
    await writeFile(file('b.json'), model('s'));
    const { follower, first } = await start();
    await replace(file('a.json'), '{"dag_execution_config": {');
    const bad = await follower.until((snapshot) => snapshot.models.get('a')?.state === 'rejected', 1000);
    expect(bad.models.get('a')?.config).toBe(first.models.get('a')?.config);
    expect(bad.models.get('a')?.problems[0]?.code).toBe('INFERFLOW_CONFIG_SYNTAX');
    expect(bad.models.get('b')).toBe(first.models.get('b'));
    expect(bad.hash).toBe(first.hash);
  });

  it('never sees a file that is written in pieces', async () => {
    await writeFile(file('a.yaml'), model('s'));
    const { follower } = await start();
    const text = model('longer_name');
    for (let end = 0; end < text.length; end += Math.ceil(text.length / 8)) {
      await writeFile(file('a.yaml'), text.slice(0, end));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await writeFile(file('a.yaml'), text);
    await follower.until((snapshot) => scoreOf(snapshot, 'a') === 'ranker:longer_name', 1000);
    for (const snapshot of follower.snapshots) expect(snapshot.models.get('a')?.state).toBe('live');
    expect(follower.snapshots).toHaveLength(1);
  });

  it('does not let a model vanish while its file is emptied, or moved away for a moment', async () => {
    await writeFile(file('a.json'), model('s'));
    const { follower } = await start();
    await writeFile(file('a.json'), '');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await rename(file('a.json'), file('a.json~'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    await writeFile(file('a.json'), model('t'));
    await follower.until((snapshot) => scoreOf(snapshot, 'a') === 'ranker:t', 1000);
    expect(follower.snapshots).toHaveLength(1);
  });

  it('counts a file that stays empty as absent', async () => {
    await writeFile(file('a.json'), '');
    await utimes(file('a.json'), new Date(0), new Date(0));
    const { first } = await start();
    expect(first.models.size).toBe(0);
  });

  it('reports a file that cannot be read and two files for one model on that model only', async () => {
    await mkdir(file('folder.json'));
    await writeFile(file('two.json'), model('s'));
    await writeFile(file('two.yaml'), model('s'));
    await writeFile(file('locked.json'), model('s'));
    await chmod(file('locked.json'), 0o000);
    await writeFile(file('good.json'), model('s'));
    const { first } = await start();
    expect(first.models.get('folder')?.problems[0]?.code).toBe('INFERFLOW_CONFIG_UNREADABLE');
    expect(first.models.get('two')?.problems[0]?.code).toBe('INFERFLOW_CONFIG_TWO_FILES');
    if (process.getuid?.() !== 0) expect(first.models.get('locked')?.problems[0]?.code).toBe('INFERFLOW_CONFIG_UNREADABLE');
    expect(first.models.get('good')?.state).toBe('live');
  });

  it('keeps the settings it has while two files define them', async () => {
    const [json, yaml] = ['services.json', 'services.yaml'].map((name) => join(directory, name)) as [string, string];
    await writeFile(json, '{"v2-logging-type":"arrow"}');
    const { follower, first } = await start({ pollIntervalMs: 20 });
    expect(first.service.loggingType).toBe('arrow');
    await writeFile(yaml, 'v2-logging-type: proto');
    await follower.until((snapshot) => snapshot.serviceProblems[0]?.code === 'INFERFLOW_CONFIG_TWO_FILES', 2000);
    expect(follower.snapshots.at(-1)?.service.loggingType).toBe('arrow');
    expect(follower.snapshots.at(-1)?.serviceProblems[0]?.message).toContain(
      'the settings are defined by "services.json" and "services.yaml"',
    );
    await rm(json);
    await follower.until((snapshot) => snapshot.service.loggingType === 'proto', 2000);
    expect(follower.snapshots.at(-1)?.serviceProblems).toEqual([]);
  });

  it('does not wait for the writer of a pipe that stands among the files', async () => {
    execFileSync('mkfifo', [file('pipe.json'), join(directory, 'services.yaml')]);
    await writeFile(file('good.json'), model('s'));
    const { follower, first } = await start({ pollIntervalMs: 20 });
    expect(first.models.get('pipe')?.problems).toMatchObject([
      { code: 'INFERFLOW_CONFIG_UNREADABLE', message: expect.stringContaining('no regular file') },
    ]);
    expect(first.models.get('good')?.state).toBe('live');
    await replace(file('pipe.json'), model('t'));
    await follower.until((snapshot) => snapshot.models.get('pipe')?.state === 'live', 2000);
  });

  it('says which directory is missing', async () => {
    source = createDirectorySource({ directory: join(directory, 'nowhere') });
    const failure = await source.start(() => undefined).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(failure).toMatchObject({ code: 'INFERFLOW_CONFIG_SOURCE_UNAVAILABLE', message: expect.stringContaining('nowhere') });
  });

  it('keeps its last snapshot when the directory goes away, and goes on when it is back', async () => {
    await writeFile(file('a.json'), model('s'));
    const errors: Error[] = [];
    const { follower } = await start({ pollIntervalMs: 20, onError: (error) => errors.push(error) });
    await rename(join(directory, 'models'), join(directory, 'away'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(errors).toHaveLength(1);
    expect(follower.snapshots).toHaveLength(0);
    await rename(join(directory, 'away'), join(directory, 'models'));
    await replace(file('a.json'), model('t'));
    await follower.until((snapshot) => scoreOf(snapshot, 'a') === 'ranker:t', 1000);
  });

  it('does not poll when it is told never to, and hears of changes all the same', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const { follower } = await start({ pollIntervalMs: Number.POSITIVE_INFINITY });
    await replace(file('a.json'), model('s'));
    await follower.until((snapshot) => snapshot.models.has('a'), 2000);
    process.off('warning', listen);
    expect(warnings.map(({ name }) => name)).not.toContain('TimeoutOverflowWarning');
  });

  it('delivers nothing after it was closed', async () => {
    const { follower } = await start();
    await source?.close();
    await replace(file('a.json'), model('s'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(follower.snapshots).toHaveLength(0);
  });
});
