// The approval page in a real browser, without scripts: it is decided by its buttons, and by nothing another page or what it shows can do.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { CODE, assertRefused, assertSaid } from '../lib/check.mjs';
import { pagePlace } from '../lib/page.mjs';
import { HANG_MS, inTurn } from '../lib/settings.mjs';

const { chromium } = await import('playwright-core').catch(() => ({}));
const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find((file) => existsSync(file));

/** Text that other places would obey: terminals, chats, markup, tables, logs. */
const corpus = [
  '<script>document.title="owned"</script>', '"><img src=x onerror=alert(1)>', '</pre></section><form action=//evil.example><button>Approve this call</button></form>',
  '<!--', '</textarea></title></style>', '&lt;b&gt; &#60;', '\u001b[2J\u001b]8;;http://evil.example\u0007link\u001b]8;;\u0007', '\u001b]52;c;ZXZpbA==\u0007', '<!channel> <@U1> *bold*',
  '<at id=all></at> **x** [a](http://evil.example)', 'a\r\nSet-Cookie: x=1', '\u202eevoba\u202c \u2066x\u2069', 'a\u200bb\u2060c\ufeff\u00ad', '=HYPERLINK("http://evil.example")', '\u0000\u007f\u0085', '\ud800', '\u{e0041}\u{e0042}',
  'javascript:alert(1)', '{{7*7}} ${7*7}', '\u3164\u00a0\u3000',
];

async function asked(t, args, options) {
  const at = await pagePlace(t, options);
  const answer = (await at.open()).call('publish', args, { within: 5 * HANG_MS });
  answer.catch(() => {});
  const approval = await at.person.asked();
  return { ...at, answer, approval, url: await at.pageUrl(approval) };
}

const stateOf = async (at) => (await at.place.query(`SELECT state FROM approval WHERE id = '${at.approval.id}'`))[0].state;

/** Another site, on an origin of its own, with one page. */
async function otherSite(t, html) {
  const asked_ = [];
  const server = http.createServer((request, response) => {
    asked_.push(request.url);
    response.writeHead(200, { 'content-type': 'text/html' }).end(html);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }));
  return { url: `http://localhost:${server.address().port}/`, asked: asked_ };
}

describe('the approval page in a browser', { ...inTurn, skip: !program ? 'no Chromium here' : !chromium && 'no playwright-core here: npm ci' }, () => {
  let browser;

  before(async () => {
    browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu'], timeout: 3 * HANG_MS });
  });
  after(() => browser?.close());

  /** A tab of its own; scripts are off unless asked for, as the page needs none. */
  async function tab(t, options = {}) {
    const context = await browser.newContext({ javaScriptEnabled: false, ...options });
    context.setDefaultTimeout(HANG_MS);
    t.after(() => context.close());
    const page = await context.newPage();
    page.loud = [];
    page.on('console', (message) => page.loud.push(message.text()));
    page.on('dialog', (dialog) => { page.loud.push(`dialog: ${dialog.message()}`); dialog.dismiss().catch(() => {}); });
    return page;
  }

  test('a person reads it and presses Approve', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const page = await tab(t, { viewport: { width: 390, height: 844 } });
    await page.goto(at.url);
    assert.match(await page.title(), new RegExp(at.approval.short));
    await page.getByRole('link', { name: 'To your decision' }).click();
    await page.getByRole('button', { name: 'Approve this call' }).click();
    await page.getByRole('status').waitFor();
    assert.match(await page.getByRole('status').innerText(), /approved: publish for agent one/);
    assertSaid(await at.answer, 'hello');
    assert.deepEqual(page.loud, [], 'style and forms are what the policy allows');
  });

  test('a person refuses it with a reason, by the keyboard', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const page = await tab(t);
    await page.goto(at.url);
    await page.getByLabel(/^Reason/).fill('not today, <b>please</b>');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('status').waitFor();
    assert.match(assertRefused(await at.answer, CODE.approval, { reason: 'refused' }).message, /not today, <b>please<\/b>/);
    assert.match(await page.locator('body').innerText(), /was refused by link \(page\) .*not today, <b>please<\/b>/);
  });

  for (const [scheme, width] of [['light', 320], ['dark', 390], ['dark', 1280]]) {
    test(`it can be read: ${scheme}, ${width} wide`, async (t) => {
      const at = await asked(t, { message: 'x'.repeat(5000), nested: { deep: [[[[{ key: 'y'.repeat(200) }]]]] } });
      const page = await tab(t, { colorScheme: scheme, viewport: { width, height: 800 }, javaScriptEnabled: true });
      await page.goto(at.url);
      const seen = await page.evaluate(() => {
        const light = (colour) => {
          const [r, g, b] = colour.match(/[\d.]+/g).map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (node) => { for (let n = node; n; n = n.parentElement) { const c = getComputedStyle(n).backgroundColor; if (!/, 0\)$|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
        const texts = [...document.querySelectorAll('body *')].filter((n) => [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
        const contrast = texts.map((n) => { const [a, b] = [light(getComputedStyle(n).color), light(behind(n))].sort(); return [(b + 0.05) / (a + 0.05), n.outerHTML.slice(0, 60)]; });
        return { worst: contrast.sort((a, b) => a[0] - b[0])[0], over: document.documentElement.scrollWidth - innerWidth, lang: document.documentElement.lang,
          unnamed: [...document.querySelectorAll('input:not([type=hidden]),textarea')].filter((n) => n.labels.length === 0).length };
      });
      assert.ok(seen.worst[0] >= 4.5, `contrast ${seen.worst}`);
      assert.ok(seen.over <= 0, `${seen.over} pixels stand out`);
      assert.deepEqual([seen.lang, seen.unnamed], ['en', 0]);
    });
  }

  test('what others wrote is text and nothing else', async (t) => {
    const args = Object.fromEntries(corpus.map((text, i) => [`${i} ${text.replace(/[\0\ud800]/g, '')}`, text]));      // neither may stand in a key
    const at = await asked(t, args);
    const page = await tab(t, { javaScriptEnabled: true });
    await page.goto(at.url);
    const made = await page.evaluate(() => ({
      tags: [...new Set([...document.querySelectorAll('body *')].map((n) => n.localName))].sort(), forms: document.forms.length, title: document.title,
      shown: document.querySelector('pre').textContent, links: [...document.links].map((a) => a.getAttribute('href')),
      hidden: [...document.body.textContent].filter((c) => /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3000\u3164\ufeff]/u.test(c) && !document.querySelector('.row')).length,
    }));
    assert.deepEqual(made.tags.filter((tag) => !['a', 'b', 'bdi', 'br', 'button', 'code', 'dd', 'div', 'dl', 'dt', 'footer', 'form', 'h1', 'h2', 'header', 'i', 'input', 'label', 'li', 'main', 'p', 'pre', 'section', 'small', 'span', 'textarea', 'time', 'ul'].includes(tag)), []);
    assert.deepEqual([made.forms, made.title, made.links, made.hidden], [2, `${at.approval.short} · Aegis`, ['#yours'], 0]);
    for (const text of ['<script>document.title="owned"</script>'.replaceAll('"', '\\"'), '<!channel> <@U1> *bold*', '\\u{202E}evoba\\u{202C}', 'a\\u{200B}b\\u{2060}c\\u{FEFF}\\u{AD}', '\\u001b[2J', '{{7*7}} ${7*7}', '\\u{3164}\\u{A0}\\u{3000}'])
      assert.ok(made.shown.includes(text), `${text} in ${made.shown}`);
    assert.deepEqual(page.loud, []);
    assert.equal(await stateOf(at), 'PENDING');
  });

  test('no other page may show it in a frame', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const site = await otherSite(t, `<iframe src="${at.url}"></iframe>`);
    const page = await tab(t);
    const [blocked] = await Promise.all([page.waitForEvent('requestfailed', (request) => request.url() === at.url), page.goto(site.url)]);
    assert.match(blocked.failure().errorText, /BLOCKED_BY_RESPONSE/);
    assert.ok(!(await page.frames()[1]?.content() ?? '').includes('Approve this call'));
  });

  test('no form of another page decides', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const html = await (await fetch(at.url)).text();
    const token = /name=token value="([^"]+)"/.exec(html)[1];
    const site = await otherSite(t, `<form method=post action="${at.url}"><input name=token value="${token}"><input name=decision value=approve><button>win a prize</button></form>`);
    const page = await tab(t);
    await page.goto(site.url);
    const [answer] = await Promise.all([page.waitForResponse((r) => r.url() === at.url), page.getByRole('button').click()]);
    assert.equal(answer.status(), 403);
    assert.equal(await stateOf(at), 'PENDING');
  });

  test('no script of another page reads or decides', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const site = await otherSite(t, 'hello');
    const page = await tab(t, { javaScriptEnabled: true });
    await page.goto(site.url);
    const got = await page.evaluate(async (url) => {
      const read = await fetch(url).then((r) => r.text(), () => 'blocked');
      await fetch(url, { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ token: 'x', decision: 'approve' }) }).catch(() => {});
      return read;
    }, at.url);
    assert.equal(got, 'blocked');
    assert.equal(await stateOf(at), 'PENDING');
  });

  test('a name that leads here by DNS rebinding is not ours', async (t) => {
    const at = await asked(t, { message: 'hello' });
    const rebound = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP evil.example 127.0.0.1'], timeout: 3 * HANG_MS });
    t.after(() => rebound.close());
    const page = await (await rebound.newContext()).newPage();
    const answer = await page.goto(at.url.replace('127.0.0.1', 'evil.example'));
    assert.equal(answer.status(), 421);
    assert.ok(!(await page.content()).includes('Approve this call'));
  });
});
