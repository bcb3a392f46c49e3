// toplevel - what may stand in the root of the repository, so that a newcomer sees the rooms and nothing else.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { main } from './files.mjs';

const agreed = ['CMakeLists.txt', 'CMakePresets.json', 'LICENSE', 'README.md', 'shared', 'shim', 'broker', 'contrib', 'tests', 'packaging'];
const wanted = ['CMakeLists.txt', 'CMakePresets.json', 'LICENSE', 'README.md'];

export function check(root) {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
  const names = [...new Set(tracked.split('\0').filter(Boolean).map((path) => path.split('/')[0]))];
  const problems = names
    .filter((name) => !name.startsWith('.') && !agreed.includes(name))
    .map((name) => `${name}:1: is not on the list of what stands at the top (tests/tools/toplevel.mjs)`);
  for (const name of wanted.filter((file) => !names.includes(file))) problems.push(`${name}:1: is missing`);
  return { problems, summary: `top level: ${names.length} names` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(check);
