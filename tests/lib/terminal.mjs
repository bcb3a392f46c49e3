// terminal - a program on a pseudo-terminal: its screen as text, keys to press. Needs python3.
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { settled, until } from './until.mjs';

const driver = path.join(path.dirname(fileURLToPath(import.meta.url)), 'terminal.py');
export const noTerminal = spawnSync('python3', ['-c', 'import pty']).status === 0 ? false : 'python3 is needed for pseudo-terminals';

export class Terminal {
  constructor(t, argv, { env, rows = 24, columns = 100 } = {}) {
    this.rows = rows;
    this.raw = '';
    this.child = spawn('python3', [driver, rows, columns, ...argv], { env });
    this.child.stdout.setEncoding('utf8');
    this.child.stdout.on('data', (text) => { this.raw += text; });
    this.child.stderr.on('data', (text) => { this.raw += text; });
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => this.child.once('close', () => resolve(JSON.parse(this.raw.trimEnd().split('\n').at(-1)))));
    t.after(async () => {
      this.child.stdin.end();
      await settled(this.ended, 'end of a program on a terminal').catch(() => {});
    });
  }

  /** The picture drawn last, without what colours it. */
  get screen() {
    const frame = this.raw.slice(this.raw.lastIndexOf('\x1b[H'));
    // eslint-disable-next-line no-control-regex
    return frame.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
  }

  press(keys) {
    this.child.stdin.write(keys);
  }

  signal(number) {
    this.child.stdin.write(`\0kill ${number}\n`);
  }

  /** A whole picture that fits. */
  async shows(fits, what = String(fits)) {
    const test = fits instanceof RegExp ? () => fits.test(this.screen) : () => fits(this.screen);
    return until(test, { what, every: 20 }).catch((error) => {
      error.message += `; the screen:\n${this.screen}`;
      throw error;
    });
  }

  end() {
    return settled(this.ended, 'end of a program on a terminal');
  }
}
