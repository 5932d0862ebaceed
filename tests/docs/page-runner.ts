import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../scripts/free-ports.mjs';
import { firstMissingLine, isShortenedJson, type MarkedBlock } from './markdown-blocks.js';

const root = join(import.meta.dirname, '../..');
const patienceMs = 20_000;

/**
 * Runs the marked blocks of one page as its reader would, one after another, in a directory of the page's own that shows the repository
 * and its built packages. `localhost:8085` is the demo that already runs, `localhost:8086` a server that the page starts itself.
 */
export class PageRunner {
  readonly #directory = mkdtempSync(join(tmpdir(), 'inferflow-docs-'));
  readonly #demoPort: number;
  readonly #servers: ChildProcess[] = [];
  #ownPort = 0;
  #printed = '';
  #lastRun: MarkedBlock | null = null;

  constructor(demoPort: number) {
    this.#demoPort = demoPort;
    for (const name of ['apps', 'examples', 'packages', 'proto', 'package.json'])
      symlinkSync(join(root, name), join(this.#directory, name));
    const modules = join(this.#directory, 'node_modules');
    mkdirSync(join(modules, '@inferflow'), { recursive: true });
    for (const name of readdirSync(join(root, 'node_modules'))) {
      if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    for (const [folder, names] of [
      ['packages', readdirSync(join(root, 'packages'))],
      ['apps', ['server']],
    ] as const) {
      for (const name of names) symlinkSync(join(root, folder, name), join(modules, '@inferflow', name));
    }
    mkdirSync(join(this.#directory, 'bin'));
    const command = join(this.#directory, 'bin', 'inferflow');
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'apps/cli/dist/main.js')}" "$@"\n`);
    chmodSync(command, 0o755);
  }

  /** Throws with what the block printed when it does not do what the page says. */
  async run(block: MarkedBlock): Promise<void> {
    const { directive, text } = block;
    switch (directive.kind) {
      case 'file': {
        const file = join(this.#directory, directive.path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
        return;
      }
      case 'prints': {
        const missingIn = (printed: string) =>
          block.language !== 'json' ? firstMissingLine(text, printed) : isShortenedJson(text, printed) ? null : text;
        let missing = missingIn(this.#printed);
        // The first model call of a server may be too late on a busy machine, and the answer says so: asked again, it is not.
        for (let again = 0; missing !== null && again < 3 && /\binfer\b|\bcurl\b/.test(this.#lastRun?.text ?? ''); again++) {
          this.#printed = (await this.#execute(this.#lastRun as MarkedBlock)).printed;
          missing = missingIn(this.#printed);
        }
        if (missing !== null) throw new Error(`not printed: ${missing}\nprinted:\n${this.#printed}`);
        return;
      }
      case 'server':
        return this.#serve(text);
      case 'test': {
        const { code, printed } = await this.#execute(block);
        this.#printed = printed;
        this.#lastRun = block;
        if (code !== directive.exitCode) throw new Error(`exit status ${code}, expected ${directive.exitCode}:\n${printed}`);
      }
    }
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      if (server.exitCode === null && server.kill('SIGTERM')) await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #execute(block: MarkedBlock): Promise<{ code: number | null; printed: string }> {
    const text = await this.#withPorts(block.text);
    let child: ChildProcess;
    if (block.language === 'sh') child = this.#spawn('sh', ['-ec', text.replaceAll(/\bnpx (--no-install )?/g, '')]);
    else if (block.language === 'js') child = this.#spawn(process.execPath, [this.#write(block, text, 'mjs')]);
    else if (block.language === 'ts') {
      // Type-checked against the builds, then run.
      const file = this.#write(block, text, 'mts');
      const compile = `tsc --module nodenext --target es2023 --strict --skipLibCheck --noEmitOnError --types node "${file}"`;
      child = this.#spawn('sh', ['-ec', `${compile}; exec node "${file.replace(/mts$/, 'mjs')}"`]);
    } else throw new Error(`blocks of "${block.language}" cannot be run`);
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    const printed = outputOf(child);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    clearTimeout(timer);
    return { code, printed: printed() };
  }

  async #serve(text: string): Promise<void> {
    const server = this.#spawn('sh', ['-ec', (await this.#withPorts(text)).trimEnd().replace(/(^|\n)(.*)$/, '$1exec env $2')]);
    this.#servers.push(server);
    const printed = outputOf(server);
    for (const until = Date.now() + patienceMs; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (server.exitCode !== null) break;
      const answer = await fetch(`http://127.0.0.1:${this.#ownPort}/health/ready`).catch(() => null);
      if (answer?.ok) return;
    }
    throw new Error(`the server did not become ready:\n${printed()}`);
  }

  #write(block: MarkedBlock, text: string, ending: string): string {
    const file = join(this.#directory, `block-${block.line}.${ending}`);
    writeFileSync(file, text);
    return file;
  }

  #spawn(command: string, args: readonly string[]): ChildProcess {
    const path = [join(this.#directory, 'bin'), join(root, 'node_modules/.bin'), process.env['PATH']].join(':');
    const env = { ...process.env, PATH: path, TMPDIR: this.#directory, EXTERNAL_SERVICE_PREDATOR_DEADLINE: '5s' };
    return spawn(command, args, { cwd: this.#directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async #withPorts(text: string): Promise<string> {
    if (/\b8086\b/.test(text) && this.#ownPort === 0) this.#ownPort = await freePort();
    return text.replaceAll(/\b8085\b/g, String(this.#demoPort)).replaceAll(/\b8086\b/g, String(this.#ownPort));
  }
}

/** The builds that documents are run against. */
export function assertBuilt(): void {
  for (const file of ['apps/cli/dist/main.js', 'packages/engine/dist/index.js']) {
    if (!existsSync(join(root, file)))
      throw new Error(`${file} is not there: documents run against the build, so build first (npm run build)`);
  }
}

function outputOf(child: ChildProcess): () => string {
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return () => printed;
}
