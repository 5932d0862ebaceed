import { describe, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { type EnvVariable, envTable } from './env-table.js';
import { ServerStartError } from './errors.js';

function problemsOf(source: Record<string, string>): readonly string[] {
  try {
    readEnvironment(source);
  } catch (error) {
    if (error instanceof ServerStartError) return error.problems;
    throw error;
  }
  return [];
}

describe('readEnvironment', () => {
  it('has a default for everything that is not optional by nature', () => {
    const environment = readEnvironment({});
    expect(environment.number('APP_PORT')).toBe(8085);
    expect(environment.number('EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE')).toBe(200);
    expect(environment.boolean('NUMERIX_CLIENT_V1_PLAINTEXT')).toBe(true);
    expect(environment.text('TELEGRAF_HOST')).toBeUndefined();
    expect(environment.notices).toEqual([]);
  });

  it('reads the documents’ names in any case, with their units', () => {
    const environment = readEnvironment({
      externalServiceOnFs_deadline: '250ms',
      EXTERNALSERVICEONFS_HOST: 'onfs:50051',
      CACHE_SIZE_MB: '2',
      numerixClientV1_deadline: '1.5s',
    });
    expect(environment.number('EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE')).toBe(250);
    expect(environment.text('EXTERNAL_SERVICE_ONFS_FS_HOST')).toBe('onfs:50051');
    expect(environment.number('IN_MEMORY_CACHE_SIZE_IN_BYTES')).toBe(2 * 1024 * 1024);
    expect(environment.number('NUMERIX_CLIENT_V1_DEADLINE_MS')).toBe(1500);
  });

  it('lists every invalid variable at once', () => {
    const problems = problemsOf({
      APP_PORT: 'x',
      APP_LOG_LEVEL: 'LOUD',
      METRIC_SAMPLING_RATE: '2',
      EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE: '0',
    });
    expect(problems).toHaveLength(4);
    expect(problems.join('\n')).toMatch(/APP_PORT: expected a whole number[\s\S]*APP_LOG_LEVEL: expected one of/);
  });

  it('refuses two names of one setting with different values, and accepts equal ones', () => {
    expect(problemsOf({ ETCD_SERVER: 'a:1', ETCD_ENDPOINTS: 'b:1' })).toHaveLength(1);
    expect(problemsOf({ ETCD_SERVER: 'a:1', ETCD_ENDPOINTS: 'a:1' })).toHaveLength(0);
  });

  it('refuses two sources of configuration', () => {
    expect(problemsOf({ ETCD_SERVER: 'a:1', INFERFLOW_CONFIG_DIR: '/x' })[0]).toContain('one place');
  });

  it('never shows the text of a secret', () => {
    const secrets = (envTable as readonly EnvVariable[]).filter((variable) => variable.isSecret === true);
    expect(secrets.length).toBeGreaterThan(2);
    const problems = problemsOf({ EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN: 'hush', externalServiceOnFs_callerToken: 'hush2' });
    expect(problems.join()).not.toContain('hush');
  });

  it('names unknown variables of ours with the nearest known one', () => {
    expect(readEnvironment({ INFERFLOW_CONFIG_DIRS: 'x' }).notices[0]).toContain('did you mean INFERFLOW_CONFIG_DIR?');
    expect(readEnvironment({ INFERFLOW_PORT: '1' }).notices[0]).toContain('did you mean APP_PORT?');
  });

  it('tells where every value came from, secrets masked', () => {
    const { settings } = readEnvironment({ externalServiceOnFs_callerToken: 'hush', ETCD_ENDPOINTS: 'a:1,b:2' });
    const setting = (name: string) => settings.find((each) => each.name === name);
    expect(setting('ETCD_SERVER')).toMatchObject({ value: 'a:1,b:2', from: 'ETCD_ENDPOINTS' });
    expect(setting('EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN')).toMatchObject({ value: '(hidden)', from: 'externalServiceOnFs_callerToken' });
    expect(setting('APP_PORT')).toMatchObject({ value: '8085', from: null, default: '8085' });
    const moved = readEnvironment({ APP_PORT: '1', ETCD_SERVER: 'http://root:hush@a:1,b:2' }).settings;
    expect(moved.find(({ name }) => name === 'APP_PORT')).toMatchObject({ value: '1', from: 'APP_PORT', default: '8085' });
    expect(moved.find(({ name }) => name === 'ETCD_SERVER')?.value).toBe('http://(hidden)@a:1,b:2');
    expect(setting('TELEGRAF_HOST')).toMatchObject({ value: null, from: null });
    expect(JSON.stringify(settings)).not.toContain('hush');
  });

  it('names slips in the other names, and leaves alone what may belong to somebody else', () => {
    const slips = {
      EXTERNAL_SERVICE_ONFS_FS_DEADLINE: '5',
      NUMERIX_CLIENT_V1_BATCH_SIZE: '5',
      ETCD_SERVERS: 'a:1',
      KAFKA_BOOTSTRAP_SERVER: 'a:1',
      externalServiceOnFs_hots: 'a:1',
    };
    expect(readEnvironment(slips).notices.map((notice) => notice.replace(/ is not.*mean /, ' → '))).toEqual([
      'ETCD_SERVERS → ETCD_SERVER?',
      'EXTERNAL_SERVICE_ONFS_FS_DEADLINE → EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE?',
      'KAFKA_BOOTSTRAP_SERVER → KAFKA_BOOTSTRAP_SERVERS?',
      'NUMERIX_CLIENT_V1_BATCH_SIZE → NUMERIX_CLIENT_V1_BATCHSIZE?',
      'externalServiceOnFs_hots → externalServiceOnFs_host?',
    ]);
    const others = {
      ETCD_SERVICE_HOST: 'x',
      KAFKA_PORT: 'x',
      APP_HOST: 'x',
      ETCD_UNSUPPORTED_ARCH: 'x',
      EXTERNAL_SERVICE_SEARCH_HOST: 'x',
    };
    expect(readEnvironment(others).notices).toEqual([]);
  });

  it.each([
    [{ INFERFLOW_TLS_CLIENT_CA: 'ca.pem' }, 'INFERFLOW_TLS_CLIENT_CA is set and INFERFLOW_TLS_CERT is not'],
    [{ INFERFLOW_TLS_KEY: 'key.pem' }, 'INFERFLOW_TLS_CERT and INFERFLOW_TLS_KEY go together'],
    [{ EXTERNAL_SERVICE_ONFS_FS_TLS_CERT: 'c.pem' }, 'EXTERNAL_SERVICE_ONFS_FS_TLS_CERT and EXTERNAL_SERVICE_ONFS_FS_TLS_KEY go together'],
    [{ ETCD_TLS_KEY: 'k.pem' }, 'ETCD_TLS_CERT and ETCD_TLS_KEY go together'],
    [{ NUMERIX_CLIENT_V1_TLS_CA: 'ca.pem', NUMERIX_CLIENT_V1_PLAINTEXT: 'true' }, 'NUMERIX_CLIENT_V1_PLAINTEXT=true says plaintext'],
    [{ KAFKA_TLS_CA: 'ca.pem', KAFKA_TLS: 'false' }, 'KAFKA_TLS=false says plaintext'],
    [{ ETCD_USERNAME: 'me' }, 'ETCD_USERNAME and ETCD_PASSWORD go together'],
    [{ KAFKA_SASL_USERNAME: 'me' }, 'KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD go together'],
    [{ KAFKA_SASL_PASSWORD: 'hush' }, 'KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD go together'],
  ])('refuses what would be passed over in silence: %j', (source, problem) => {
    const problems = problemsOf(source as Record<string, string>);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems.join()).not.toContain('hush');
  });

  it('takes brokers with and without a port', () => {
    const brokers = (text: string) => readEnvironment({ KAFKA_BOOTSTRAP_SERVERS: text }).list('KAFKA_BOOTSTRAP_SERVERS');
    expect(brokers('a:1, b ,[::1]:3,[::2]')).toEqual(['a:1', 'b:9092', '[::1]:3', '[::2]:9092']);
    expect(brokers('')).toEqual([]);
    for (const text of ['not a host', ',', 'a:x', 'a:1:2', 'a:0', 'a:99999', 'kafka://a:1'])
      expect(() => brokers(text), text).toThrow(/KAFKA_BOOTSTRAP_SERVERS: expected host:port/);
  });

  it('refuses times that no timer can wait for', () => {
    expect(readEnvironment({ INFERFLOW_SHUTDOWN_GRACE_MS: '28800m' }).number('INFERFLOW_SHUTDOWN_GRACE_MS')).toBe(20 * 24 * 3600 * 1000);
    for (const name of (envTable as readonly EnvVariable[]).filter(({ kind }) => kind === 'duration').map((variable) => variable.name))
      expect(problemsOf({ [name]: '99999999999' }), name).toEqual([expect.stringMatching(/^\w+: expected at most /)]);
  });

  it('says what is accepted without effect', () => {
    expect(readEnvironment({ CACHE_TYPE: 'freecache' }).notices[0]).toContain('CACHE_TYPE');
  });

  it('takes origins as browsers write them, and nothing that no browser ever sends', () => {
    const origins = (text: string) => readEnvironment({ INFERFLOW_CORS_ORIGINS: text }).list('INFERFLOW_CORS_ORIGINS');
    expect(origins(' https://Shop.example:443/, http://localhost:3000,capacitor://localhost ')).toEqual([
      'https://shop.example',
      'http://localhost:3000',
      'capacitor://localhost',
    ]);
    expect(origins('*')).toEqual(['*']);
    expect(readEnvironment({ INFERFLOW_CORS_ORIGINS: '*' }).notices).toEqual([expect.stringContaining('every origin may call')]);
    expect(origins('')).toEqual([]);
    for (const [text, problem] of [
      ['shop.example', /"shop.example" is not an origin.*did you mean "https:\/\/shop.example"/],
      ['localhost:3000', /did you mean "https:\/\/localhost:3000"/],
      ['https://shop.example/cart', /an origin has no path/],
      ['https://*.shop.example', /no patterns/],
      ['*,https://shop.example', /leave the others out/],
      ['null', /not an origin/],
      ['a b,https://ok.example,c', /"a b" is not[^;]*;.*"c" is not/],
    ] as const)
      expect(() => origins(text), text).toThrow(problem);
  });
});
