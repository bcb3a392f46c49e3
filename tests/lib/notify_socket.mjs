// notify_socket - a service manager's end of sd_notify. Needs python3, since node has no UNIX datagrams.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { LineReader } from './lines.mjs';
import { root } from './settings.mjs';
import { until } from './until.mjs';

/** name: a path, or '@' and an abstract name. messages(): every datagram so far, as text. It ends with the place. */
export async function notifySocket(place, name) {
  const child = spawn('python3', [path.join(root, 'tests/lib/notify_socket.py'), name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => child.once('close', resolve));
  place.started.push({ pid: child.pid, exited, letGo: () => child.kill('SIGKILL'), lastWords: () => '', assertEndedWell() {} });
  const lines = [];
  const reader = new LineReader((line) => lines.push(JSON.parse(line.toString('utf8'))));
  child.stdout.on('data', (chunk) => reader.feed(chunk));
  await until(() => lines[0] === 'bound', { what: `a socket at ${name}` });
  return {
    messages: () => lines.slice(1),
    /** The first message, from that one on, that has a line which begins so. */
    said: (text, from = 0) => until(() => lines.slice(1 + from).find((m) => m.split('\n').some((l) => l.startsWith(text))), { what: `${text} on the notify socket` }),
  };
}
