// proc - what a process holds, from /proc. null where there is none (macOS).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export function fdsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return null;
  }
}

export const countFds = (pid) => fdsOf(pid)?.length ?? null;

/** Pids of the living children of a process, and theirs. */
export function descendantsOf(pid) {
  const parents = new Map();
  let names;
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return null;
  }
  for (const name of names) {
    try {
      const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'));
      if (state !== 'Z') parents.set(Number(name), Number(parent));
    } catch {
      // gone meanwhile
    }
  }
  const found = [];
  for (let level = [pid]; level.length; found.push(...level)) level = [...parents].filter(([, parent]) => level.includes(parent)).map(([child]) => child);
  return found;
}
