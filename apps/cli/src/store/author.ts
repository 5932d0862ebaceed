import { execFileSync } from 'node:child_process';
import { hostname, userInfo } from 'node:os';
import type { Variables } from './connection-options.js';

/** Who writes, for the history: as given, else who git says, else who runs the pipeline, else the user of this machine. */
export function authorOf(given: string | undefined, variables: Variables): string {
  if (given !== undefined && given.trim() !== '') return given.trim();
  const name = variables['GIT_AUTHOR_NAME'] ?? gitConfig('user.name');
  const email = variables['GIT_AUTHOR_EMAIL'] ?? gitConfig('user.email');
  if (name) return email ? `${name} <${email}>` : name;
  return email || variables['GITHUB_ACTOR'] || variables['GITLAB_USER_LOGIN'] || machineUser(variables);
}

function gitConfig(key: string): string | undefined {
  try {
    return execFileSync('git', ['config', '--get', key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 2000 }).trim();
  } catch {
    return undefined;
  }
}

function machineUser(variables: Variables): string {
  const name = variables['USER'] ?? variables['LOGNAME'] ?? nameOfUser();
  return `${name}@${hostname()}`;
}

/** An account without an entry in the user database has none. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}
