// several - a shim in front of several backends, for the suites about them.
import { startBackend } from './backend.mjs';
import { makePlace } from './place.mjs';
import { startShim } from './shim.mjs';

export const ALL = { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true }, logging: {}, completions: {} };
export const unused = 'http://127.0.0.1:9/mcp';

/** Rules that allow agent `one` all of them; grants: name -> YAML of its grant. */
export function rules(urls, grants = {}) {
  const backends = Object.entries(urls).map(([name, url]) => `  ${name}: { url: "${url}" }\n`).join('');
  const allowed = Object.keys(urls).map((name) => `      ${name}: { allowed: true${grants[name] ? `, ${grants[name]}` : ''} }\n`).join('');
  return `backends:\n${backends}agents:\n  one:\n    backends:\n${allowed}`;
}

/** Backends by name, each with the options of startBackend; null = nobody listens. */
export async function setUp(t, wanted, { grants, ...options } = {}) {
  const backends = {};
  const urls = {};
  for (const [name, how] of Object.entries(wanted)) {
    if (how) backends[name] = await startBackend(t, how);
    urls[name] = how ? backends[name].url : unused;
  }
  const place = makePlace(t, rules(urls, grants));
  const shim = startShim(place, options);
  const opened = await shim.initialize(options);
  return { ...backends, backends, place, shim, opened };
}

export const names = (answer) => answer.result.tools.map((one) => one.name);
export const line = (backend, method) => backend.of(method).at(-1).text;
