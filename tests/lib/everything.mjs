// everything - the official reference server, @modelcontextprotocol/server-everything: its argv for stdio, or running over Streamable
// HTTP on a free port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { root } from './settings.mjs';
import { until } from './until.mjs';

const program = path.join(root, 'tests/node_modules/@modelcontextprotocol/server-everything/dist/index.js');

export const everythingCommand = [process.execPath, program, 'stdio'];

/** The server expects the global `crypto`, which Node 18 has behind an option. */
const webCrypto = Number(process.versions.node.split('.')[0]) < 20 ? ['--experimental-global-webcrypto'] : [];

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export class Everything {
  static async start() {
    const self = new Everything();
    self.port = await freePort();
    self.url = `http://127.0.0.1:${self.port}/mcp`;
    self.child = spawn(process.execPath, [...webCrypto, program, 'streamableHttp'], {
      env: { PATH: process.env.PATH, PORT: String(self.port) }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    self.output = '';
    for (const stream of [self.child.stdout, self.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => { self.output += text; });
    }
    await until(() => {
      if (self.child.exitCode !== null) throw new Error(`server-everything ended: ${self.output}`);
      return self.output.includes(`listening on port ${self.port}`);
    }, { what: 'server-everything listening' });
    return self;
  }

  /** How often a line of its log says this. */
  count(text) {
    return this.output.split(text).length - 1;
  }

  async stop() {
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}
