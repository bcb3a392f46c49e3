// modern_client - what a client of 2026-07-28 says to a shim: every request with its envelope, and no handshake.
import { envelope } from './modern_backend.mjs';
import { until } from './until.mjs';

export const modern = (shim) => ({
  ask: (method, params = {}, options) => shim.request(method, { ...params, _meta: { ...envelope(), ...params._meta } }, options),
  call: (name, args = {}, more = {}, options) => shim.request('tools/call', { name, arguments: args, ...more, _meta: envelope(more.meta) }, options),
});

/** server/discover until it is answered: a backend on a busy machine may be too slow for the client's patience at first. */
export const discover = (c, options) => until(async () => {
  const answer = await c.ask('server/discover', {}, options);
  return answer.result && answer;
}, { what: 'an answer to server/discover' });

export const elicitation = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object' } } };

/** The tool wants to know who; then it is done. state: null leaves requestState out. */
export function needsInput(backend, name, { state = 'state-1', ask = { who: elicitation } } = {}) {
  const complete = (result) => ({ resultType: 'complete', ...result });
  backend.onCall[name] = (x, params) => {
    if (!params.inputResponses || (params.requestState ?? null) !== state) return x.result({ resultType: 'input_required', inputRequests: ask, ...(state === null ? {} : { requestState: state }) });
    return x.result(complete({ content: [{ type: 'text', text: `for ${params.inputResponses.who.content.name}` }] }));
  };
}

export const retry = { requestState: 'state-1', inputResponses: { who: { action: 'accept', content: { name: 'Ada-private' } } } };
