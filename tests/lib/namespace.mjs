// namespace - a shim whose state directory is a mount of its own (read-only, tiny), seen by it alone and gone with it. Linux.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { bin } from './settings.mjs';

export const flags = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];

function isPossible() {
  try {
    execFileSync('unshare', [...flags, 'true'], { stdio: 'ignore' });
    return existsSync('/proc/self/ns/mnt');
  } catch {
    return false;
  }
}
/** For `skip`: false, or why not. */
export const noNamespace = isPossible() ? false : 'mount namespaces are not to be had here (unshare -Urm)';

/** Options for startShim: runs the shell commands, then the shim in their world. $STATE is the state directory. */
export function inMounts(place, commands, { agent = 'one' } = {}) {
  return {
    program: 'unshare',
    args: [...flags, 'sh', '-ec', `STATE='${place.state}'; ${commands}; exec "$@"`, 'sh', bin('aegis-shim'), '--agent', agent, ...place.options],
  };
}

/** Runs a command in the world of that process. */
export function enter(pid, command, args) {
  const userns = flags.includes('-U') ? ['-U', '--preserve-credentials'] : [];
  return execFileSync('nsenter', ['-t', String(pid), ...userns, '-m', command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}
