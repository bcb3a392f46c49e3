// translation - a client of the older revisions, the shim, and a scripted backend that knows only the stateless revision 2026-07-28.
import { tool } from './backend.mjs';
import { complete, startModern } from './modern_backend.mjs';
import { makePlace, simpleRules } from './place.mjs';
import { openShim } from './shim.mjs';

export const KEY = 'io.modelcontextprotocol/';
export const declared = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

export async function setUp(t, { capabilities = declared, rules, backend: options, tools = ['echo', 'asks'].map((name) => tool(name)) } = {}) {
  const backend = await startModern(t, { tools, ...options });
  const place = makePlace(t, simpleRules(backend.url, rules));
  const shim = await openShim(place, { capabilities });
  return { backend, place, shim };
}

export const who = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } };
export const needs = (inputRequests, requestState) => ({ resultType: 'input_required', inputRequests, ...(requestState && { requestState }) });

export const STATE = 'st ✓';

/** A tool that needs `asked` first, and says then what it was given. */
export function asking(backend, asked = { who }, name = 'asks') {
  backend.onCall[name] = (x, params) => (params.requestState === STATE
    ? x.result(complete({ content: [{ type: 'text', text: JSON.stringify(params.inputResponses) }] }))
    : x.result(needs(asked, STATE)));
}

export const asked = (shim, method = 'elicitation/create') => shim.message((m) => m.method === method, method);
export const accept = { action: 'accept', content: { name: 'Ada' } };
