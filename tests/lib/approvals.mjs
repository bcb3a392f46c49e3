// approvals - a place whose agents need a person's word for `publish`, and the person.
import assert from 'node:assert/strict';
import { startBackend, tool } from './backend.mjs';
import { makePlace, simpleRules } from './place.mjs';
import { openShim } from './shim.mjs';
import { until } from './until.mjs';

export const tools = [tool('publish'), tool('erase'), tool('echo')];

/** approval: YAML below approval:; limits: of publish. Clients hold until the end unless mode says otherwise. */
export const rulesFor = (backend, { approval = '', mode = 'hold', grant = '', agents = ['one'], agent = '', more = '' } = {}) =>
  simpleRules(backend.url, {
    agents, agent, grant: `approval_required: ["publish", "erase"]\n${grant}`,
    more: `approval: { mode: ${mode}${approval ? `, ${approval}` : ''} }\n${more}`,
  });

export async function approvalPlace(t, options = {}) {
  const backend = await startBackend(t, { tools });
  const place = makePlace(t, rulesFor(backend, options));
  return { backend, place, person: new Person(place), open: (more) => openShim(place, more) };
}

/** Who decides, by aegisctl. */
export class Person {
  constructor(place) {
    this.place = place;
  }

  async list(...more) {
    const { code, stdout, stderr } = await this.place.ctl(['approvals', 'list', '--json', ...more]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The approvals that fit, once there are n of them. */
  wait(n = 1, fits = (a) => a.state === 'PENDING') {
    return until(async () => {
      const all = (await this.list()).filter(fits);
      return all.length === n && all;
    }, { what: `${n} approvals`, every: 50 });
  }

  async asked(fits) {
    const [one] = await this.wait(1, fits);
    return one;
  }

  run(verb, id, ...more) {
    return this.place.ctl(['approvals', verb, id, ...more]);
  }

  async decide(verb, id, ...more) {
    const end = await this.run(verb, id, ...more);
    assert.equal(end.code, 0, end.stdout + end.stderr);
    return end;
  }
}
