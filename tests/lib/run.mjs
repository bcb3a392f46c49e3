// run - `npm run blackbox|interop|fault|all`: node's test runner over folders; its own summary comes last.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { bin, factor, isSanitized, root, scale } from './settings.mjs';

if (!existsSync(bin('aegis-shim'))) {
  console.error(`${bin('aegis-shim')} is missing: build first, or set AEGIS_BIN to the folder of the programs`);
  process.exit(1);
}
const files = process.argv.slice(2).flatMap((folder) => {
  const at = path.join(root, 'tests', folder);
  return readdirSync(at).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => path.join(at, name));
});
console.log(`# ${files.length} files, programs ${path.dirname(bin('x'))}${isSanitized ? ' (sanitized)' : ''}, scale ${scale} (x${factor})`);
// Most tests wait for processes, so more of them than cores fit side by side.
const reporters = [
  `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`, '--test-reporter-destination=stdout',
  `--test-reporter=${path.join(root, 'tests', 'lib', 'failures.mjs')}`, '--test-reporter-destination=stderr',
];
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=4', ...reporters, ...files], { stdio: 'inherit' });
process.exit(status ?? 1);
