// page - the approval page as a browser without scripts uses it: what it shows as text, its forms as they stand in it.
import assert from 'node:assert/strict';
import { approvalPlace } from './approvals.mjs';
import { LINK, tokenFor } from './links.mjs';

const names = { lt: '<', gt: '>', quot: '"', amp: '&', nbsp: '\u00a0', middot: '·', minus: '−', hellip: '…' };
const decode = (text) => text.replace(/&(?:#(\d+)|(\w+));/g, (all, code, name) => (code ? String.fromCodePoint(Number(code)) : names[name] ?? all));
const attribute = (tag, name) => decode(new RegExp(`\\b${name}=(?:"([^"]*)"|([^\\s>]+))`).exec(tag)?.slice(1).find((v) => v !== undefined) ?? '');

export class Page {
  constructor(url, status, headers, html) {
    Object.assign(this, { url, status, headers, html });
    this.text = decode(html.replace(/<style>.*?<\/style>/s, '').replace(/<[^>]*>/g, ' ')).replace(/[ \t]+/g, ' ');
    this.forms = [...html.matchAll(/<form\b[^>]*>(.*?)<\/form>/gs)].map(([whole, inside]) => ({
      method: attribute(whole, 'method'),
      action: attribute(/<form\b[^>]*>/.exec(whole)[0], 'action'),
      fields: Object.fromEntries([
        ...[...inside.matchAll(/<input\b[^>]*>/g)].map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value')]),
        ...[...inside.matchAll(/<textarea\b[^>]*>(.*?)<\/textarea>/gs)].map(([tag, text]) => [attribute(tag, 'name'), decode(text)]),
      ]),
    }));
  }

  static async open(url, init = {}) {
    const answer = await fetch(url, { redirect: 'manual', ...init });
    return new Page(url, answer.status, answer.headers, await answer.text());
  }

  form(decision) {
    return this.forms.find((form) => form.fields.decision === decision);
  }

  /** Presses the button of that form. */
  async press(decision, fields = {}, { headers = {} } = {}) {
    const form = this.form(decision);
    assert.ok(form, `a form to ${decision}; the page says: ${this.text}`);
    assert.equal(form.method, 'post');
    return Page.open(new URL(form.action || this.url, this.url), {
      method: 'POST', body: new URLSearchParams({ ...form.fields, ...fields }),
      headers: { origin: new URL(this.url).origin, 'sec-fetch-site': 'same-origin', ...headers },
    });
  }
}

/** A place with a broker that listens, and the person's links. under: the path of callback_base_url. */
export async function pagePlace(t, { approval = '', more = '', under = '', ...options } = {}) {
  const at = await approvalPlace(t, {
    ...options, approval: `callback_base_url: "http://127.0.0.1:1${under}"${approval ? `, ${approval}` : ''}`,
    more: `server: { listen: "127.0.0.1:0" }\n${more}`,
  });
  const broker = await at.place.broker();
  const listens = async (one, from = 0) => `http://${(await one.said(/doors\.open .*listen=(127\.0\.0\.1:\d+)/, { from }))[1]}`;
  const base = await listens(broker);
  return {
    ...at, broker, base, listens,
    pageUrl: async (approval_, from = base) => `${from}/a/${await tokenFor(at.place, LINK.page, approval_.id)}`,
    linkUrl: async (approval_, action, token) =>
      `${base}/callback/approval?id=${approval_.id}&action=${action}&token=${token ?? await tokenFor(at.place, LINK[action], approval_.id)}`,
  };
}
