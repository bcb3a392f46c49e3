// files - what the checks of this folder share: walking the tree, and saying what was found.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths below root/folder (relative to root) whose name ends with one of endings; build trees and packages left out. */
export function sources(root, folder, endings) {
  const found = [];
  const walk = (at) => {
    for (const entry of readdirSync(join(root, at), { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && !['build', 'node_modules', 'corpus'].includes(entry.name)) walk(path);
      else if (entry.isFile() && endings.some((ending) => entry.name.endsWith(ending))) found.push(path);
    }
  };
  try {
    walk(folder);
  } catch (e) {
    if (e.code !== 'ENOENT') throw e;
  }
  return found.sort();
}

export const lines = (root, path) => readFileSync(join(root, path), 'utf8').split('\n');

/** Runs check(root) -> {problems, summary} as a program: prints both, exits 1 when there are problems. */
export function main(check) {
  const { problems, summary } = check(process.argv[2] ?? process.cwd());
  for (const problem of problems) console.log(problem);
  console.log(`${summary}: ${problems.length === 0 ? 'ok' : `${problems.length} problem(s)`}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
