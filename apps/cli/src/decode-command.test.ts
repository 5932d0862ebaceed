import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, describe, expect, it } from 'vitest';
import type { CommandIo } from './command-io.js';
import { createDecodeCommand } from './decode-command.js';

interface Vector {
  readonly name: string;
  readonly schema: readonly { readonly feature_name: string; readonly feature_type: string }[];
  readonly message: string;
  readonly kafka_value: string;
}

const vectors = JSON.parse(readFileSync(new URL('../../../conformance/logs/written-by-go.json', import.meta.url), 'utf8')) as Vector[];
const vector = vectors.find(({ name }) => name === 'batches-of-two/proto/0') as Vector;
const folder = mkdtempSync(join(tmpdir(), 'inferflow-decode-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const schemaFile = join(folder, 'schema.json');
writeFileSync(schemaFile, JSON.stringify({ data: vector.schema }));

async function decode(...words: string[]): Promise<{ out: string; error: string; code: number }> {
  const result = { out: '', error: '', code: -1 };
  const io: CommandIo = {
    readStdin: async () => '',
    out: (text) => {
      result.out += text;
    },
    error: (text) => {
      result.error += text;
    },
    exitWith: (code) => {
      result.code = code;
    },
  };
  await createDecodeCommand(io).parseAsync(words, { from: 'user' });
  return result;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const rows = [
  '{"model_config_id":"m1","tracking_id":"t1","user_id":"u1","entity_id":"e1","features":{"i":0,"s":"s0"}}',
  '{"model_config_id":"m1","tracking_id":"t1","user_id":"u1","entity_id":"e2","features":{"i":1,"s":"s1"}}',
  '',
].join('\n');

describe('inferflow decode', () => {
  it('reads a message, a record value, and lines of either', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect(await decode(binary, '--schema', schemaFile)).toEqual({ out: rows, error: '', code: 0 });
    const value = file('value.bin', Buffer.from(vector.kafka_value, 'base64'));
    expect((await decode(value, '--schema', schemaFile)).out).toBe(rows);
    const lines = file(
      'lines.txt',
      `${vector.message}\n${JSON.stringify({ message: vector.message })}\n{"level":"info","msg":"listening"}\n`,
    );
    expect(await decode(lines, '--schema', schemaFile)).toEqual({ out: rows + rows, error: '', code: 0 });
  });

  it('writes CSV', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    const { out } = await decode(binary, '--schema', schemaFile, '--format', 'csv');
    expect(out).toBe('model_config_id,tracking_id,user_id,entity_id,i,s\nm1,t1,u1,e1,0,s0\nm1,t1,u1,e2,1,s1\n');
  });

  it('writes Parquet and Arrow files', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    for (const format of ['parquet', 'arrow']) {
      const path = join(folder, `rows.${format}`);
      expect(await decode(binary, '--schema', schemaFile, '--format', format, '-o', path)).toEqual({ out: '', error: '', code: 0 });
      const bytes = readFileSync(path);
      if (format === 'arrow') {
        const read = tableFromIPC(bytes).toArray();
        expect(read.map((row) => [row._tracking_id, row._entity_id, row.i, row.s])).toEqual([
          ['t1', 'e1', 0, 's0'],
          ['t1', 'e2', 1, 's1'],
        ]);
      } else expect(bytes.subarray(0, 4).toString() + bytes.subarray(-4).toString()).toBe('PAR1PAR1');
    }
    expect((await decode(binary, '--schema', schemaFile, '--format', 'parquet')).error).toContain('--format parquet needs --output <file>');
  });

  it('refuses places of a topic for a file, and places that are none', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect((await decode(binary, '--schema', schemaFile, '--follow')).error).toContain('are for topics: name --brokers too');
    const topic = ['topic', '--schema', schemaFile, '--brokers', '127.0.0.1:1'];
    expect((await decode(...topic, '--from', 'yesterday')).error).toContain('--from yesterday: expected an offset, a time');
    expect((await decode(...topic, '--from', '-5')).error).toContain('--from -5: expected an offset, a time');
    expect((await decode(...topic, '--since', '3')).error).toContain('--since 3: expected a time');
    expect((await decode(...topic, '--partition', '1,x')).error).toContain('--partition 1,x: expected numbers');
  });

  it('never writes over what it reads, and leaves its output alone when there is nothing to read', async () => {
    const log = file('kept.log', `${vector.message}\n`);
    const same = await decode(log, '--schema', schemaFile, '-o', log);
    expect(same).toMatchObject({ code: 2, error: expect.stringContaining('kept.log is what is read') });
    expect(readFileSync(log, 'utf8')).toContain(vector.message);
    expect((await decode(join(folder, 'absent.log'), '--schema', schemaFile, '-o', log)).code).toBe(2);
    expect(readFileSync(log, 'utf8')).toContain(vector.message);
  });

  it('empties its output when it has read all, not when it could not', async () => {
    const output = file('rows.json', 'of yesterday\n');
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect((await decode(binary, '--endpoint', '127.0.0.1:9', '-o', output)).code).toBe(2);
    expect((await decode('topic', '--brokers', '127.0.0.1:9', '--schema', schemaFile, '-o', output)).code).toBe(2);
    expect(readFileSync(output, 'utf8')).toBe('of yesterday\n');
    expect((await decode(binary, '--schema', schemaFile, '--model', 'other', '-o', output)).code).toBe(0);
    expect(readFileSync(output, 'utf8')).toBe('');
  });

  it('reports what it cannot read with its place, goes on, and says so with the exit status', async () => {
    const cut = Buffer.from(vector.message, 'base64').subarray(0, 21).toString('base64');
    const lines = file('damaged.txt', `not base64!\n${cut}\n${vector.message}\n`);
    const { out, error, code } = await decode(lines, '--schema', schemaFile);
    expect(out).toBe(rows);
    expect(error).toContain('damaged.txt:1: neither a record nor base64 of one');
    expect(error).toContain('damaged.txt:2: not an InferflowLog');
    expect(error).toContain('2 of 3 records could not be read');
    expect(code).toBe(1);
  });

  it('filters by model and request', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect((await decode(binary, '--schema', schemaFile, '--tracking-id', 'other')).out).toBe('');
    expect((await decode(binary, '--schema', schemaFile, '--model', 'm1', '--tracking-id', 't1')).out).toBe(rows);
    expect((await decode(binary, '--schema', schemaFile, '--since', '2030-01-01T00:00:00Z')).code).toBe(0);
  });

  it('never reads records of a model with the columns of another, unless told that they are its own', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    const other = file('other.json', JSON.stringify({ model_config_id: 'other', data: vector.schema }));
    const refused = await decode(binary, '--schema', other);
    expect(refused).toMatchObject({ out: '', code: 1 });
    expect(refused.error).toContain('message.bin: no schema for model "m1", version 15');
    expect((await decode(binary, '--schema', other, '--model', 'm1')).out).toBe(rows);
  });

  it('says when nothing is written, and where nothing can be', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect((await decode(binary, '--schema', schemaFile, '--model', 'other')).error).toContain(
      'none of 1 records is one that was asked for',
    );
    const nothing = join(folder, 'nothing.parquet');
    expect((await decode(file('empty', ''), '--schema', schemaFile, '-f', 'parquet', '-o', nothing)).error).toContain('is not written');
    const unwritable = await decode(binary, '--schema', schemaFile, '-o', join(folder, 'no-such-folder', 'rows.json'));
    expect(unwritable).toMatchObject({ out: '', code: 2 });
  });

  it('says that an endpoint does not answer, or that a file is no configuration', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    const absent = await decode(binary, '--endpoint', '127.0.0.1:9');
    expect(absent.code).toBe(2);
    expect(absent.error).toContain('http://127.0.0.1:9 cannot be asked for the schema: ');
    const none = await decode(binary, '--config', file('m1.json', '[]'));
    expect(none.code).toBe(2);
    expect(none.error).toContain('holds no usable model configuration');
  });

  it('wants exactly one source of the schema', async () => {
    const binary = file('message.bin', Buffer.from(vector.message, 'base64'));
    expect((await decode(binary)).code).toBe(2);
    expect((await decode(binary, '--schema', schemaFile, '--endpoint', 'http://localhost:1')).code).toBe(2);
    expect((await decode('/no/such/file', '--schema', schemaFile)).code).toBe(2);
  });
});
