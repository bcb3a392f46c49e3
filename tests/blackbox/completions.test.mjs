// Completion: what aegisctl offers, and that bash, zsh and fish really complete with it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { run } from '../lib/process.mjs';
import { bin, suite } from '../lib/settings.mjs';
import { Terminal, noTerminal } from '../lib/terminal.mjs';
import { settled, until } from '../lib/until.mjs';

const rules = simpleRules('http://127.0.0.1:9/', { agents: ['one', 'onset', 'two'], more: 'rooms: { lab: { repository: me/it } }\n' });

/** What is offered for these words, the last being at the cursor: [[candidate, about]]. It never fails and never complains. */
async function offered(place, ...words) {
  const ran = await run(bin('aegisctl'), ['__complete', ...words], { env: place.env });
  assert.deepEqual([ran.code, ran.stderr], [0, ''], words.join(' '));
  return ran.stdout.split('\n').slice(0, -1).map((line) => line.split('\t'));
}
const names = (rows) => rows.map(([name]) => name);
/** The same once something is offered: on a busy machine the rules may not be read in time. */
const offeredSome = (place, ...words) => until(async () => {
  const rows = await offered(place, ...words);
  return rows.length && rows;
}, { what: `something is offered for ${words.join(' ')}`, every: 50 });

/** The commands that help shows: [{name, options}]. */
async function commandsOf(place) {
  const { stdout } = await run(bin('aegisctl'), ['--help'], { env: place.env });
  const section = stdout.split('Commands:\n')[1].split('\n\n')[0];
  return Promise.all(section.split('\n').map(async (line) => {
    const [, name] = /^ {2}(\S+(?: \S+)?) {2,}\S/.exec(line) ?? /^ {2}(\S+ \S+) \S/.exec(line);
    const help = await run(bin('aegisctl'), ['help', ...name.split(' ')], { env: place.env });
    return { name, help: help.stdout, options: [...help.stdout.matchAll(/^ {2}(--[a-z-]+)/gm)].map((m) => m[1]) };
  }));
}

describe('what is offered', suite, () => {
  test('every command and option that help shows, and nothing else; X --help is help X', async (t) => {
    const place = makePlace(t, rules);
    const commands = await commandsOf(place);
    assert.ok(commands.length > 20);
    assert.deepEqual(names(await offered(place, '')), [...new Set(commands.map((c) => c.name.split(' ')[0]))]);
    for (const { name, help, options } of commands) {
      const words = name.split(' ');
      const same = await run(bin('aegisctl'), [...words, '--help'], { env: place.env });
      assert.deepEqual([same.code, same.stdout], [0, help], name);
      assert.match(help, /exit codes?:?\s/i, name);
      assert.deepEqual(names(await offered(place, ...words, '-')).sort(), [...options].sort(), name);
      if (words.length === 2) assert.ok(names(await offered(place, words[0], words[1].slice(0, 3))).includes(words[1]), name);
    }
  });

  test('options before and between the words change nothing; --option=value is understood whole and split', async (t) => {
    const place = makePlace(t, rules);
    const at = ['--config', place.config];
    assert.deepEqual(names(await offered(place, ...at, 'approvals', '--json', 'app')), ['approve']);
    assert.deepEqual(names(await offeredSome(place, ...at, 'limits', '--agent', 'on')), ['one', 'onset']);
    assert.deepEqual(names(await offeredSome(place, `--config=${place.config}`, 'limits', '--agent=on')), ['--agent=one', '--agent=onset']);
    assert.deepEqual(names(await offeredSome(place, ...at, 'limits', '--agent', '=', 'tw')), ['two']);
    assert.deepEqual(names(await offeredSome(place, ...at, 'limits', '--agent', '=')), ['one', 'onset', 'two']);
    assert.deepEqual(names(await offeredSome(place, ...at, 'queue', '--backend', '')), ['demo']);
    assert.deepEqual(names(await offeredSome(place, ...at, 'pause', '--room', '')), ['lab']);
    assert.deepEqual(names(await offered(place, 'unknown', 'settle', '0123', '')), ['done', 'not_done']);
    assert.deepEqual(await offered(place, '--config', 'x'), [[':files']]);
    assert.deepEqual(await offered(place, '--state-dir', ''), [[':folders']]);
    assert.deepEqual(await offered(place, 'config', 'check', ''), [[':files']]);
    assert.deepEqual(names(await offered(place, 'help', 'audit', 'l')), ['list']);
    assert.deepEqual(await offered(place, 'audit', 'list', '--limit', ''), []);
    assert.deepEqual(await offered(place, 'nonsense', ''), []);
    assert.deepEqual(await offered(place, 'limits', '--', '-'), []);
  });

  test('without rules or with bad ones: nothing, without a word, and nothing is made', async (t) => {
    const place = makePlace(t, 'agnts: {}\n');
    assert.deepEqual(await offered(place, '--config', place.config, 'limits', '--agent', ''), []);
    assert.deepEqual(await offered(place, ...place.options, 'approvals', 'show', ''), []);
    place.writeRules(rules);
    assert.deepEqual(await offered(place, ...place.options, 'approvals', 'show', ''), []);
    assert.deepEqual(readdirSync(place.dir).sort(), ['aegis.yaml', 'home']);
  });

  test('approvals that wait, by their short names; the tool named so that it cannot steer a terminal', async (t) => {
    const { place, person, open } = await approvalPlace(t, { mode: 'defer' });
    const shim = await open();
    void shim.call('publish', { message: 'x' });
    const { short } = await person.asked();
    assert.deepEqual(await offeredSome(place, ...place.options, 'approvals', 'approve', 'APR'), [[short, 'publish for one']]);
    assert.deepEqual(await offered(place, ...place.options, 'approvals', 'approve', short, ''), []);
    await person.decide('reject', short);
    await until(async () => !(await offered(place, ...place.options, 'approvals', 'approve', 'APR')).length);
  });

  test('it ends although the store cannot be had', { skip: process.platform !== 'linux' && 'flock(1) is needed' }, async (t) => {
    const { place, open } = await approvalPlace(t);
    await (await open()).call('echo', { message: 'the store is made' });
    const holder = spawn('flock', [path.join(place.state, 'gate'), 'sh', '-c', 'echo held; read x'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(holder, 'exit');
    t.after(() => holder.kill());
    await settled(once(holder.stdout, 'data'), 'the gate is held');
    assert.deepEqual(await offered(place, ...place.options, 'approvals', 'approve', ''), []);
    holder.stdin.end('\n');
    await settled(ended, 'end of the holder');
  });
});

/* ---- the shells themselves ---- */

const has = (shell) => spawnSync(shell, ['--version']).status === 0;

/** A shell at a terminal of its own. */
class Shell {
  constructor(t, place, argv, setup) {
    const env = { ...place.env, PATH: `${path.dirname(bin('aegisctl'))}:${process.env.PATH}`, TERM: 'xterm' };
    this.n = 0;
    this.terminal = new Terminal(t, argv, { env, columns: 400 });
    this.terminal.press(`${setup}; echo rea''dy\r`);
    this.ready = until(() => /^ready\r?$/m.test(this.terminal.raw), { what: 'the shell is ready' });
  }

  /** The line as it stands after its last key, by letting the shell print it. */
  async completes(line) {
    await this.ready;
    const n = ++this.n;
    this.terminal.press(`${line}\t`);
    this.terminal.press(`\x01echo ${n}:\r`);
    const found = new RegExp(`^${n}:(.*?)\\r?$`, 'm');
    await until(() => found.test(this.terminal.raw), { what: `${line}: ${this.terminal.raw}` }).catch((error) => {
      error.message += this.terminal.raw;
      throw error;
    });
    return found.exec(this.terminal.raw)[1].trimEnd();
  }

  async leave() {
    this.terminal.press('exit 0\r');
    await this.terminal.end();
  }
}

async function completesAll(shell, place) {
  const at = `--config ${place.config}`;
  assert.equal(await shell.completes('aegisctl queu'), 'aegisctl queue');
  assert.equal(await shell.completes('aegisctl approvals rej'), 'aegisctl approvals reject');
  assert.equal(await shell.completes('aegisctl limits --wa'), 'aegisctl limits --watch');
  assert.equal(await shell.completes(`aegisctl config check ${place.dir}/aegis.y`), `aegisctl config check ${place.config}`);
  for (const option of ['--agent tw', '--agent=tw']) {
    const line = `aegisctl ${at} limits ${option}`;
    await until(async () => (await shell.completes(line)) === `${line}o`, { what: `${line} is completed`, every: 100 });
  }
}

describe('the shells', suite, () => {
  test('bash completes', { skip: noTerminal || (!has('bash') && 'no bash here') }, async (t) => {
    const place = makePlace(t, rules);
    const shell = new Shell(t, place, ['bash', '--noprofile', '--norc', '-i'], 'source <(aegisctl completion bash)');
    await completesAll(shell, place);
    await shell.leave();
  });

  test('zsh completes', { skip: noTerminal || (!has('zsh') && 'no zsh here') }, async (t) => {
    const place = makePlace(t, rules);
    const setup = 'unsetopt beep prompt_sp; bindkey -e; autoload -U compinit; compinit -u -D; source <(aegisctl completion zsh)';
    const shell = new Shell(t, place, ['zsh', '-f', '-i'], setup);
    await completesAll(shell, place);
    await shell.leave();
  });

  test('fish completes', { skip: !has('fish') && 'no fish here' }, async (t) => {
    const place = makePlace(t, rules);
    const env = { ...place.env, PATH: `${path.dirname(bin('aegisctl'))}:${process.env.PATH}` };
    const ask = async (line) => {
      const script = `aegisctl completion fish | source; complete -C '${line}'`;
      const ran = await run('fish', ['--no-config', '-c', script], { env });
      assert.equal(ran.code, 0, ran.stderr);
      return ran.stdout.split('\n').slice(0, -1).map((one) => one.split('\t')[0]);
    };
    assert.deepEqual(await ask('aegisctl queu'), ['queue']);
    assert.deepEqual(await ask('aegisctl approvals a'), ['approve']);
    assert.deepEqual(await ask(`aegisctl config check ${place.dir}/aegis.y`), [place.config]);
    for (const [option, found] of [['--agent tw', 'two'], ['--agent=tw', '--agent=two']]) {
      await until(async () => (await ask(`aegisctl --config ${place.config} limits ${option}`)).join() === found, { what: option, every: 50 });
    }
  });

  test('what is printed is what contrib/completions holds', async (t) => {
    const place = makePlace(t, rules);
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await run(bin('aegisctl'), ['completion', shell], { env: place.env });
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^#.*[\\s\\S]*Completion of aegisctl for ${shell}`));
    }
    assert.equal((await run(bin('aegisctl'), ['completion', 'tcsh'], { env: place.env })).code, 2);
  });
});
