// aegisctl approvals watch: a person at a terminal.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { Terminal, noTerminal } from '../lib/terminal.mjs';
import { settled, until } from '../lib/until.mjs';

async function setUp(t, options) {
  const it = await approvalPlace(t, options);
  const shim = await it.open();
  const watch = (size) => new Terminal(t, [bin('aegisctl'), 'approvals', 'watch', ...it.place.options], { env: it.place.env, ...size });
  return { ...it, shim, watch };
}

describe('approvals watch on a terminal', { ...suite, skip: noTerminal }, () => {
  test('a call appears as it comes, and a approves it', async (t) => {
    const { shim, watch, backend } = await setUp(t);
    const terminal = watch();
    await terminal.shows(/nobody waits/);
    const answer = shim.call('publish', { message: 'hello' });
    await terminal.shows(/> APR-\S+ .* one +demo +publish +\{"message":"hello"\}/);
    terminal.press('a');
    assertSaid(await answer, 'hello');
    await terminal.shows(/approved: publish for agent one/);
    await terminal.shows(/nobody waits/);
    terminal.press('q');
    assert.deepEqual(await terminal.end(), { code: 0, signal: null, restored: true });
    assert.equal(backend.arrivals.length, 1);
    assert.ok(terminal.raw.includes('\x1b[?1049l'), 'the screen before is back');
  });

  test('r asks why and refuses with it; j and k choose', async (t) => {
    const { shim, watch, person } = await setUp(t);
    const first = shim.call('publish', { message: 'one' });
    await person.wait(1);
    const second = shim.call('publish', { message: 'two' });
    await person.wait(2);
    const terminal = watch();
    await terminal.shows(/> APR-\S+ .*"one"/);
    terminal.press('j');
    await terminal.shows(/> APR-\S+ .*"two"/);
    terminal.press('r');
    await terminal.shows(/why refuse/);
    terminal.press('not nöx');
    terminal.press('\x7f\x7f');
    terminal.press('w');
    await terminal.shows(/not nw_/);
    terminal.press('\r');
    const { message } = assertRefused(await second, CODE.approval, { reason: 'refused' });
    assert.match(message, /: not nw\b/);
    await terminal.shows((screen) => /"one"/.test(screen) && !/"two"/.test(screen));
    terminal.press('a');                       // the one that was meant is gone: nothing is meant now
    await terminal.shows(/choose one first/);
    terminal.press('\x1b[B');
    await terminal.shows(/> APR-\S+ .*"one"/);
    terminal.press('a');
    assertSaid(await first, 'one');
    terminal.press('q');
    await terminal.end();
  });

  test('a reason can be taken back', async (t) => {
    const { shim, watch, person } = await setUp(t);
    const answer = shim.call('publish', { message: 'one' });
    const terminal = watch();
    await terminal.shows(/> APR-/);
    terminal.press('r');
    await terminal.shows(/why refuse/);
    terminal.press('\x1b');
    await terminal.shows(/a approve/);
    assert.equal((await person.asked()).state, 'PENDING');
    terminal.press('a');
    assertSaid(await answer, 'one');
    terminal.press('q');
    await terminal.end();
  });

  test('what does not fit into its line is approved only after it was read to the end', async (t) => {
    const { shim, watch, backend } = await setUp(t);
    const lines = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, `value ${n}`]));
    const answer = shim.call('publish', { message: 'x'.repeat(300), ...lines });
    const terminal = watch({ rows: 20, columns: 60 });
    await terminal.shows(/> APR-.*\.\.\./);
    terminal.press('a');
    await terminal.shows(/press v and read to the end first/);
    terminal.press('v');
    await terminal.shows(/lines 1 to \d+ of \d+, space goes on/);
    terminal.press('a');
    await terminal.shows(/read to the end first: space/);
    assert.equal(backend.arrivals.length, 0);
    const seen = new Set();
    for (let n = 0; n < 20 && !/lines \d+ to (\d+) of \1\b/.test(terminal.screen); n++) {
      const before = terminal.screen.match(/lines (\d+) to/)[1];
      for (const line of terminal.screen.split('\n')) seen.add(line.trim());
      terminal.press(' ');
      await terminal.shows((screen) => /lines \d+ to \d+ of \d+/.test(screen) && screen.match(/lines (\d+) to/)[1] !== before);
    }
    for (const line of terminal.screen.split('\n')) seen.add(line.trim());
    for (const key of Object.keys(lines)) assert.ok([...seen].some((line) => line.includes(`"${key}": "${lines[key]}"`)), key);
    terminal.press('a');
    assertSaid(await answer, 'x'.repeat(300));
    terminal.press('q');
    await terminal.end();
  });

  test('what an agent wrote moves no cursor and hides nothing', async (t) => {
    const { shim, watch } = await setUp(t);
    const evil = '\u001b]0;pwned\u0007\u001b[2J\u202Egnp\u200b\u0000\u009b31m\r\n';
    const answer = shim.call('publish', { message: evil });
    const terminal = watch({ columns: 200 });
    await terminal.shows(/> APR-\S+/);
    terminal.press('v');
    await terminal.shows(/"message": /);
    terminal.press('q');
    await terminal.shows(/> APR-\S+/);
    terminal.press('a');
    assertSaid(await answer, evil);
    terminal.press('q');
    await terminal.end();
    assert.ok(terminal.raw.includes('\\u001b]0;pwned\\u0007\\u001b[2J\\u202egnp\\u200b\\u0000\\u009b31m\\r\\n'), terminal.screen);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(terminal.raw, /\x1b\]|\x1b\[2J|\u202e|\u200b|\u009b|\x07|\x00/);
  });

  for (const [name, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1], ['SIGSEGV', 11], ['SIGABRT', 6], ['SIGQUIT', 3]]) {
    test(`${name} gives the terminal back`, async (t) => {
      const { watch } = await setUp(t);
      const terminal = watch();
      await terminal.shows(/nobody waits/);
      terminal.signal(number);
      const end = await terminal.end();
      assert.equal(end.restored, true);
      assert.ok(end.signal === number || end.code !== 0, JSON.stringify(end));
      assert.ok(terminal.raw.lastIndexOf('\x1b[?1049l') > terminal.raw.lastIndexOf('\x1b[?1049h'));
    });
  }
});

describe('approvals watch elsewhere', suite, () => {
  test('one line for each change', async (t) => {
    const { shim, place, person } = await setUp(t);
    const child = spawn(bin('aegisctl'), ['approvals', 'watch', ...place.options], { env: place.env, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('close', resolve));
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => { said += text; });
    const answer = shim.call('publish', { message: 'a\u001b[2J' });
    await until(() => said.endsWith('\n'), { what: 'the first line' });
    await person.decide('reject', (await person.asked()).short, '--reason', 'never');
    assertRefused(await answer, CODE.approval);
    await until(() => said.split('\n').length === 3, { what: `the second line after ${said}` });
    const [asked, over] = said.split('\n');
    assert.match(asked, /^\d{4}-\S+Z APR-\S{4} PENDING one demo publish \{"message":"a\\u001b\[2J"\}$/);
    assert.match(over, / REJECTED .* by \S+ \(cli\) at \S+: never$/);
    child.kill('SIGTERM');
    await settled(ended, 'end of watch');
  });
});
