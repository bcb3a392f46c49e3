// The official Python SDK's FastMCP server. Whether it ran is said plainly: it needs `npm run python`, and that a package index.
import { test } from 'node:test';
import { matrix } from '../lib/matrix.mjs';
import { pythonWithSdk } from '../lib/python.mjs';
import { connectSdk1 } from '../lib/sdk1.mjs';
import { Server } from '../lib/servers.mjs';
import { pythonChecks } from './checks/python.mjs';

const extra = { python: pythonWithSdk };

if (pythonWithSdk) {
  console.log(`the Python SDK runs: ${pythonWithSdk}`);
  matrix('SDK 1.x client, FastMCP of the Python SDK', {
    ways: {
      stdio: () => new Server('python', 'stdio', { extra }),
      http: () => new Server('python', 'http', { extra }),
      sse: () => new Server('python', 'sse', { extra, transport: 'sse' }),
    },
    connect: (transport) => connectSdk1(transport),
    disconnect: (client) => client?.close(),
    checks: pythonChecks,
  });
} else {
  console.log('the Python SDK DID NOT RUN: no Python with it (npm run python makes one)');
  test('the Python SDK', { skip: 'not installed: npm run python' }, () => {});
}
