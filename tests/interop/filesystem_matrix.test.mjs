// The reference file system server as a child, asked directly and through the shim, with roots and without.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { matrix } from '../lib/matrix.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { Server } from '../lib/servers.mjs';
import { filesystemChecks } from './checks/filesystem.mjs';

const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'aegis-fs-')));
after(() => rmSync(dir, { recursive: true, force: true }));

// Without roots: a client that has some replaces the folder by them.
const capabilities = { sampling: {} };
const ways = { stdio: () => new Server('filesystem', 'stdio', { extra: { dir } }) };

matrix('SDK 1.x client, server-filesystem', {
  ways, connect: (transport) => connectSdk1(transport, { capabilities }), disconnect: (client) => client?.close(), checks: filesystemChecks,
});

matrix('SDK 1.x client with roots, server-filesystem', {
  ways,
  connect: async (transport) => {
    const client = await connectSdk1(transport, { capabilities: { roots: { listChanged: true } } });
    client.roots = [{ uri: `file://${dir}`, name: 'root' }];
    return client;
  },
  disconnect: (client) => client?.close(),
  checks: { 'its folder comes from the roots of the client': filesystemChecks['its folder'] },
});
