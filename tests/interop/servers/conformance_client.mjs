// conformance_client - the client that the official conformance suite starts: it reaches the suite's server through the shim, and calls
// all its tools. node conformance_client.mjs URL
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { simpleRules } from '../../lib/place.mjs';
import { bin } from '../../lib/settings.mjs';

const dir = mkdtempSync(path.join(tmpdir(), 'aegis-conformance-client-'));
const config = path.join(dir, 'aegis.yaml');
writeFileSync(config, simpleRules(process.argv.at(-1)), { mode: 0o600 });
const args = ['--agent', 'one', '--config', config, '--state-dir', path.join(dir, 'state')];
const client = new Client({ name: 'conformance', version: '1.0.0' }, { capabilities: { elicitation: { form: { applyDefaults: true } } } });
client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: {} }));
try {
  await client.connect(new StdioClientTransport({ command: bin('aegis-shim'), args, env: { ...process.env, HOME: dir }, stderr: 'inherit' }));
  for (const { name } of (await client.listTools()).tools) await client.callTool({ name, arguments: { a: 5, b: 3 } });
} finally {
  await client.close();
  rmSync(dir, { recursive: true, force: true });
}
