// sizes - the gate of STYLE rule 2: functions have a median of at most 12 lines, hardly any more than 40, none more than 60; a file
// at most 600, main.c 150. Lines inside a table (an initialiser that begins at the left margin) do not count. Needs Universal Ctags.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { lines, main, sources } from './files.mjs';

const limits = { median: 12, long: 40, longShare: 0.03, longest: 60, file: 600, mainFile: 150 };

/** Functions of C files: [{path, line, name, length}]. */
function functions(root, files) {
  if (files.length === 0) return [];
  const out = execFileSync('ctags', ['--output-format=json', '--fields=+ne', '--kinds-C=f', '--language-force=C', '-f', '-', ...files], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((tag) => tag.end)
    .map((tag) => ({ path: tag.path, line: tag.line, name: tag.name, length: tag.end - tag.line + 1 }));
}

/** Lines of a file that do not stand inside a table. */
export function countedLines(text) {
  let isTable = false;
  let n = 0;
  for (const line of text) {
    if (isTable && /^\}/.test(line)) isTable = false;
    if (!isTable) n++;
    if (/^[^\s/*#].*=\s*\{\s*(\/\*.*)?$/.test(line)) isTable = true;
  }
  return text.at(-1) === '' ? n - 1 : n;
}

function judgeFunctions(all) {
  const problems = [];
  const lengths = all.map((f) => f.length).sort((a, b) => a - b);
  const median = lengths[Math.floor((lengths.length - 1) / 2)] ?? 0;
  const long = all.filter((f) => f.length > limits.long).sort((a, b) => b.length - a.length);
  for (const f of long.filter((g) => g.length > limits.longest))
    problems.push(`${f.path}:${f.line}: ${f.name} is ${f.length} lines long, none may pass ${limits.longest}`);
  if (long.length > Math.max(1, all.length * limits.longShare))
    for (const f of long.filter((g) => g.length <= limits.longest))
      problems.push(`${f.path}:${f.line}: ${f.name} is ${f.length} lines long, and too many functions pass ${limits.long}`);
  if (median > limits.median)
    problems.push(`functions: the median length is ${median} lines, aim at ${limits.median}`);
  return { problems, text: `${all.length} functions, median ${median}, ${long.length} above ${limits.long}, longest ${lengths.at(-1) ?? 0}` };
}

function judgeFile(root, path) {
  const n = countedLines(lines(root, path));
  const most = path.endsWith('/main.c') ? limits.mainFile : limits.file;
  return n > most ? [`${path}:${most + 1}: the file has ${n} lines (tables left out), at most ${most} are wanted`] : [];
}

export function check(root) {
  const product = ['shared', 'shim', 'broker', 'contrib'].flatMap((folder) => sources(root, folder, ['.c', '.h', '.mjs', '.js']));
  const tests = sources(root, 'tests', ['.c', '.h', '.mjs']);
  const judged = judgeFunctions(functions(root, product.filter((path) => path.endsWith('.c'))));
  const problems = [...judged.problems, ...[...product, ...tests].flatMap((path) => judgeFile(root, path))];
  return { problems, summary: `sizes: ${product.length + tests.length} files, ${judged.text}` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(check);
