// Each check of this folder is run against a small tree that breaks its rule: a gate that lets everything through is none.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const here = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname);

/** Runs a check on a tree of {path: text}; gives its exit code and lines. */
function run(t, check, tree) {
  const root = mkdtempSync(join(tmpdir(), 'aegis-tools-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  execFileSync('git', ['init', '-q'], { cwd: root });
  execFileSync('git', ['add', '-A'], { cwd: root });
  const ran = spawnSync(process.execPath, [join(here, check), root], { encoding: 'utf8' });
  return { code: ran.status, out: ran.stdout + ran.stderr };
}

const body = (name, n) => `void ${name}(void)\n{\n${'\tx();\n'.repeat(n - 3)}}\n`;

const upward = {
  'base includes data': ['shared/base/a.c', '#include "data/jsonscan.h"'],
  'domain includes store': ['shared/domain/a.h', '#include "store/store.h"'],
  'net includes domain': ['shared/net/a.c', '#include "domain/config.h"'],
  'shim includes broker': ['shim/a.c', '#include "broker/ctl/ctl.h"'],
  'broker includes shim': ['broker/ctl/a.c', '#  include "shim/upstream.h"'],
  'an include without its folder': ['shim/a.c', '#include "call.h"'],
  'domain opens files': ['shared/domain/a.c', '#include <fcntl.h>'],
  'domain reads the clock': ['shared/domain/a.c', '#include "base/clock.h"'],
  'SQLite outside the store': ['shim/a.c', '#include <sqlite3.h>'],
};
for (const [what, [path, line]] of Object.entries(upward))
  test(`layers: ${what}`, (t) => {
    const { code, out } = run(t, 'layers.mjs', { [path]: `/* a */\n${line}\n` });
    assert.equal(code, 1, out);
    assert.match(out, new RegExp(`^${path}:2: `, 'm'));
  });

test('layers: downward includes pass', (t) => {
  const tree = {
    'shim/a.c': '#include "shim/b.h"\n#include "store/store.h"\n#include <curl/curl.h>\n#include <unistd.h>\n',
    'shared/domain/a.c': '#include "data/jsonscan.h"\n#include <sys/types.h>\n#include <string.h>\n',
  };
  assert.deepEqual(run(t, 'layers.mjs', tree), { code: 0, out: 'layers: 2 files in 2 folders: ok\n' });
});

test('sizes: a function above 60 lines', (t) => {
  const { code, out } = run(t, 'sizes.mjs', { 'shim/a.c': body('huge', 61) });
  assert.equal(code, 1, out);
  assert.match(out, /^shim\/a\.c:1: huge is 61 lines long/m);
});

test('sizes: one function of 60 lines is borne, many above 40 are not', (t) => {
  const small = Array.from({ length: 20 }, (_, i) => body(`s${i}`, 5)).join('\n');
  assert.equal(run(t, 'sizes.mjs', { 'shim/a.c': small + body('long', 60) }).code, 0);
  const { code, out } = run(t, 'sizes.mjs', { 'shim/a.c': small + body('one', 41) + body('two', 41) });
  assert.equal(code, 1, out);
  assert.match(out, /too many functions pass 40/);
});

test('sizes: a median above 12', (t) => {
  const { code, out } = run(t, 'sizes.mjs', { 'shim/a.c': body('a', 13) + body('b', 13) });
  assert.equal(code, 1, out);
  assert.match(out, /median length is 13/);
});

test('sizes: a long file, a long main.c, and a table that does not count', (t) => {
  const lines = (n) => '/* line */\n'.repeat(n);
  const table = `static const int table[] = {\n${'\t1,\n'.repeat(700)}};\n`;
  assert.match(run(t, 'sizes.mjs', { 'shim/a.c': lines(601) }).out, /^shim\/a\.c:601: the file has 601 lines/m);
  assert.match(run(t, 'sizes.mjs', { 'shim/main.c': lines(151) }).out, /^shim\/main\.c:151: the file has 151 lines/m);
  assert.match(run(t, 'sizes.mjs', { 'tests/lib/a.mjs': lines(601) }).out, /^tests\/lib\/a\.mjs:601: /m);
  assert.equal(run(t, 'sizes.mjs', { 'shim/a.c': lines(598) + table }).code, 0);
});

test('toplevel: a stray file and a missing one', (t) => {
  const { code, out } = run(t, 'toplevel.mjs', { 'NOTES.txt': '', 'README.md': '', 'CMakeLists.txt': '', 'CMakePresets.json': '' });
  assert.equal(code, 1, out);
  assert.match(out, /^NOTES\.txt:1: is not on the list/m);
  assert.match(out, /^LICENSE:1: is missing/m);
});

test('toplevel: the agreed names pass', (t) => {
  const tree = { LICENSE: '', 'README.md': '', 'CMakeLists.txt': '', 'CMakePresets.json': '', 'shim/a.c': '', '.ci/run': '' };
  assert.equal(run(t, 'toplevel.mjs', tree).code, 0);
});
