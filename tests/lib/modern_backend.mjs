// modern_backend - the scripted backend in the stateless revision 2026-07-28: server/discover, results with resultType, no sessions.
import { Backend } from './backend.mjs';

export const REVISION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';

/** The _meta of every modern request. */
export const envelope = (more = {}) => ({ [`${KEY}protocolVersion`]: REVISION, [`${KEY}clientCapabilities`]: {}, [`${KEY}clientInfo`]: { name: 'modern-test', version: '1' }, ...more });

export const complete = (result) => ({ resultType: 'complete', ...result });

export async function startModern(t, { tools, only = true, capabilities = { tools: { listChanged: true }, resources: {}, prompts: {} } } = {}) {
  const backend = await new Backend({ tools, capabilities }).start();
  t.after(() => backend.stop());
  Object.assign(backend.onMethod, {
    'server/discover': (x) => x.result(complete({ supportedVersions: [REVISION], capabilities, instructions: 'modern', _meta: { [`${KEY}serverInfo`]: { name: 'scripted-modern', version: '1' } }, ttlMs: 1000, cacheScope: 'public' })),
    'tools/list': (x) => x.result(complete({ tools: backend.tools, ttlMs: 300_000, cacheScope: 'public' })),
  });
  if (only) {
    backend.onMethod.initialize = (x) => x.send(400, JSON.stringify({
      jsonrpc: '2.0', id: x.message.id, error: { code: -32022, message: 'Unsupported protocol version', data: { supported: [REVISION], requested: x.message.params.protocolVersion } },
    }), { 'content-type': 'application/json' });
  }
  backend.onCall['*'] = (x) => x.result(complete({ content: [{ type: 'text', text: String(x.message.params.arguments?.message ?? 'done') }] }));
  return backend;
}
