// conformance_client - the client that the official conformance suite starts: it reaches the suite's server through the shim, and uses all
// that is there. node conformance_client.mjs [legacy] URL
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { simpleRules } from '../../lib/place.mjs';
import { connectSdk2, shimSdk2 } from '../../lib/sdk2.mjs';

const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: context = '{}', MCP_CONFORMANCE_PROTOCOL_VERSION: version } = process.env;
const dir = mkdtempSync(path.join(tmpdir(), 'aegis-conformance-client-'));
const config = path.join(dir, 'aegis.yaml');
writeFileSync(config, simpleRules(process.argv.at(-1)), { mode: 0o600 });
const place = { options: ['--config', config, '--state-dir', path.join(dir, 'state')], env: { ...process.env, HOME: dir } };

const args = scenario === 'tools_call' ? { a: 5, b: 3 } : {};
async function useAll(client) {
  const { tools } = await client.listTools();
  for (const call of JSON.parse(context).toolCalls ?? tools.map(({ name }) => ({ name, arguments: args }))) await client.callTool(call);
  const { resources, prompts } = client.getServerCapabilities() ?? {};
  for (const { uri } of resources ? (await client.listResources()).resources : []) await client.readResource({ uri });
  for (const { name } of prompts ? (await client.listPrompts()).prompts : []) await client.getPrompt({ name });
}

const filling = scenario.includes('defaults') ? { form: { applyDefaults: true }, content: {} } : {};
const client = await connectSdk2(shimSdk2(place), { mode: version >= '2026' && process.argv[2] !== 'legacy' ? 'auto' : 'legacy', ...filling });
try {
  await useAll(client);
} finally {
  await client.close();
  rmSync(dir, { recursive: true, force: true });
}
