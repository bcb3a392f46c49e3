// The short form: aegis-shim ... -- npx -y @modelcontextprotocol/server-filesystem DIR, with the official SDK client in front. What comes
// through must equal what comes directly, but for what the rules forbid.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Place, simpleRules } from '../lib/place.mjs';
import { isAlive, processesNaming } from '../lib/process.mjs';
import { bin, inTurn, root } from '../lib/settings.mjs';
import { until } from '../lib/until.mjs';

const call = (client, name, args = {}) => client.callTool({ name, arguments: args });

async function connect(transport, folders) {
  const client = new Client({ name: 'interop', version: '1' }, folders && { capabilities: { roots: {} } });
  if (folders) client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: folders.map((dir) => ({ uri: `file://${dir}` })) }));
  await client.connect(transport);
  return client;
}

describe('server-filesystem by the short form', inTurn, () => {
  let place;
  let served;
  before(() => {
    place = new Place(simpleRules('http://127.0.0.1:9/mcp', { grant: 'tool_denylist: ["write_*", edit_file]\nrate_limits: { list_directory: { window: 1h, max_count: 1 } }' }));
    served = path.join(realpathSync(place.dir), 'served');
    mkdirSync(path.join(served, 'inner'), { recursive: true });
    writeFileSync(path.join(served, 'a.txt'), 'päper\n');
  });
  after(() => place.leave());

  // npx finds the pinned package in the folder it is started in.
  const argv = () => ['npx', '--no-install', 'mcp-server-filesystem', served];
  const options = () => ({ cwd: path.join(root, 'tests'), env: { ...place.env, npm_config_update_notifier: 'false' }, stderr: 'pipe' });
  const direct = () => new StdioClientTransport({ command: argv()[0], args: argv().slice(1), ...options() });
  const throughShim = () => new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', 'one', ...place.options, '--', ...argv()], ...options() });

  test('what is allowed comes as it comes directly', async () => {
    const [plain, ruled] = await Promise.all([connect(direct()), connect(throughShim())]);
    for (const [name, args] of [['read_text_file', { path: path.join(served, 'a.txt') }], ['get_file_info', { path: served }], ['list_allowed_directories', {}], ['read_text_file', { path: '/etc/passwd' }]]) {
      assert.deepEqual(await call(ruled, name, args), await call(plain, name, args), name);
    }
    assert.deepEqual(ruled.getServerVersion(), plain.getServerVersion());
    await Promise.all([plain.close(), ruled.close()]);
  });

  test('what is forbidden is neither listed nor done', async () => {
    const client = await connect(throughShim());
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'read_text_file'));
    assert.equal(tools.some((tool) => tool.name.startsWith('write_') || tool.name === 'edit_file'), false);
    await assert.rejects(call(client, 'write_file', { path: path.join(served, 'a.txt'), content: 'x' }), /-32001/);
    assert.equal(readFileSync(path.join(served, 'a.txt'), 'utf8'), 'päper\n');
    await call(client, 'list_directory', { path: served });
    await assert.rejects(call(client, 'list_directory', { path: served }), /rate limit/);
    await client.close();
  });

  test('the server asks the client for its roots', async () => {
    const client = await connect(throughShim(), [path.join(served, 'inner')]);
    await until(async () => JSON.stringify(await call(client, 'list_allowed_directories')).includes('inner'), { what: 'the roots at the server', every: 50 });
    await client.close();
  });

  test('no process is left: not after close(), not after SIGKILL, npx and its own children included', async () => {
    for (const kill of [false, true]) {
      const transport = throughShim();
      const client = await connect(transport);
      await call(client, 'list_allowed_directories');
      const { pid } = transport;
      const before = processesNaming(served).length;
      assert.ok(before >= 2, `${before} processes`);
      if (kill) process.kill(pid, 'SIGKILL');
      else await client.close();
      await until(() => !isAlive(pid) && processesNaming(served).length === 0, { what: 'end of all' });
    }
  });
});
