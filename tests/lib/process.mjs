// process - what the kernel knows about a process, and programs run to their end.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { HANG_MS } from './settings.mjs';
import { settled } from './until.mjs';

/** Peak and present resident memory in MiB, from /proc; null where there is none (macOS). */
export function memoryMiB(pid) {
  let status;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { peak: field('VmHWM'), now: field('VmRSS') };
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

function isZombie(pid) {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Pids of living processes that were started with this text in their arguments: what a test left behind. */
export function processesNaming(text) {
  let pids;
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return pids.map(Number).filter((pid) => {
    if (pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) && !isZombie(pid);
    } catch {
      return false;
    }
  });
}

/** Runs a program to its end. */
export async function run(command, args, { env, input, cwd, within = HANG_MS, uid, gid } = {}) {
  const child = spawn(command, args, { env, cwd, uid, gid, stdio: ['pipe', 'pipe', 'pipe'] });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text) => { out[name] += text; });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  try {
    return { ...await settled(ended, `${command} ${args.join(' ')}`, within), ...out };
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
  }
}
