// feishu - the open platform of Feishu and Lark on loopback, as strict as the real one: tokens that expire, content as JSON inside JSON, cards of
// version 1 with their tags and limits, uuids, rates, body codes beside HTTP statuses; encrypted and signed callbacks, sent again while
// nobody answers. It can fail in every way the real one does.
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { HANG_MS } from './settings.mjs';
import { until } from './until.mjs';

const COLOURS = ['blue', 'wathet', 'turquoise', 'green', 'yellow', 'orange', 'red', 'carmine', 'violet', 'purple', 'indigo', 'grey', 'default'];
const SECOND = 1000;

// ---- what a callback is made of (plain functions: the tests of Aegis' own code have vectors of their own) ----

export function encrypt(key, text) {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', createHash('sha256').update(key).digest(), iv);
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final()]).toString('base64');
}

export const signature = (timestamp, nonce, key, body) => createHash('sha256').update(timestamp + nonce + key).update(body).digest('hex');

// ---- cards, version 1 ----

class CardFault extends Error {}
const need = (fact, what) => {
  if (!fact) throw new CardFault(what);
};

function checkText(text, tags = ['plain_text', 'lark_md']) {
  need(text && typeof text === 'object' && tags.includes(text.tag), `a text with one of the tags ${tags}: ${JSON.stringify(text)}`);
  need(typeof text.content === 'string', 'content of a text is a string');
  need(text.content.isWellFormed?.() ?? true, 'text is well-formed');
  onlyKeys(text, ['tag', 'content', 'lines'], 'a text');
}

// The real one ignores what it does not know; what we write has to have a meaning.
function onlyKeys(o, keys, what) {
  for (const key of Object.keys(o)) need(keys.includes(key), `${what} has no ${key}`);
}

function checkUrl(url) {
  need(typeof url === 'string' && /^https?:\/\//.test(url), `a URL: ${url}`);
}

function checkButton(button) {
  need(button.tag === 'button', `tag of an action: ${button.tag}`);
  onlyKeys(button, ['tag', 'text', 'url', 'multi_url', 'type', 'value', 'confirm'], 'a button');
  checkText(button.text);
  need(button.text.content.length > 0, 'a button has a label');
  need(['default', 'primary', 'danger'].includes(button.type), `type of a button: ${button.type}`);
  if (button.url !== undefined) checkUrl(button.url);
  if (button.value !== undefined) need(typeof button.value === 'object' && !Array.isArray(button.value) && button.value !== null, 'value is an object');
  need(button.url !== undefined || button.value !== undefined, 'a button does something');
  if (button.confirm) {
    onlyKeys(button.confirm, ['title', 'text'], 'confirm');
    checkText(button.confirm.title, ['plain_text']);
    checkText(button.confirm.text, ['plain_text']);
  }
}

const checks = {
  div(e) {
    onlyKeys(e, ['tag', 'text', 'fields', 'extra'], 'a div');
    need(e.text || e.fields, 'a div has text or fields');
    if (e.text) checkText(e.text);
    for (const field of e.fields ?? []) {
      need(typeof field.is_short === 'boolean', 'is_short of a field');
      checkText(field.text);
    }
  },
  hr() {},
  note(e) {
    onlyKeys(e, ['tag', 'elements'], 'a note');
    need(Array.isArray(e.elements) && e.elements.length > 0, 'a note has elements');
    e.elements.forEach((text) => checkText(text));
  },
  action(e) {
    onlyKeys(e, ['tag', 'actions', 'layout'], 'an action');
    need(Array.isArray(e.actions) && e.actions.length > 0, 'an action has actions');
    e.actions.forEach(checkButton);
  },
};

export function checkCard(card) {
  need(card && typeof card === 'object' && !Array.isArray(card), 'a card is an object');
  need(card.schema === undefined, 'a card of version 1 has no schema');
  for (const key of Object.keys(card)) need(['config', 'header', 'elements'].includes(key), `key of a card: ${key}`);
  onlyKeys(card.config ?? {}, ['enable_forward', 'update_multi', 'wide_screen_mode'], 'config');
  onlyKeys(card.header ?? {}, ['title', 'template'], 'a header');
  checkText(card.header?.title, ['plain_text']);
  need(COLOURS.includes(card.header.template), `template: ${card.header.template}`);
  need(Array.isArray(card.elements) && card.elements.length > 0 && card.elements.length <= 50, 'elements');
  for (const element of card.elements) {
    need(Object.hasOwn(checks, element.tag), `tag of an element: ${element.tag}`);
    checks[element.tag](element);
  }
}

export const buttonsOf = (card) => card.elements.filter((e) => e.tag === 'action').flatMap((e) => e.actions);
export const buttonOf = (card, action) => buttonsOf(card).find((b) => b.value?.action === action);
export const pageOf = (card) => buttonsOf(card).find((b) => b.url)?.url;

/** Every text of a card: {tag, content}. */
export function textsOf(card) {
  const found = [];
  const walk = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (typeof value.content === 'string') found.push(value);
    Object.values(value).forEach(walk);
  };
  walk(card);
  return found;
}

export const saysOf = (card) => textsOf(card).map((t) => t.content).join('\n');

/** Nothing of what stands in the card does anything: markup only where we wrote it, and everything can be seen. */
export function assertInert(card) {
  for (const { tag, content } of textsOf(card)) {
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(content, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u, 'something that cannot be seen');
    if (tag !== 'lark_md') continue;
    const [label, ...rest] = content.split('\n');
    assert.match(label, /^\*\*[A-Za-z ]+\*\*$/);
    assert.doesNotMatch(rest.join('\n').replace(/&#\d+;/g, ''), /[<>*_~[\]()`&\\#\n]/, `markup: ${content}`);
  }
}

// ---- the platform ----

export class Feishu {
  constructor() {
    Object.assign(this, {
      appId: 'cli_aegis', appSecret: 'app-secret-1', encryptKey: 'encrypt-key-1', token: 'verification-1', chat: 'oc_chat', hookToken: 'hook-token-1',
      hookSecret: null, keyword: null, allowsIp: true,
      tokens: new Map(),          // token -> end (ms)
      tokenLivesS: 7200,
      messages: new Map(),        // message_id -> {id, chat, uuid, card, updates, isWithdrawn}
      posted: [],                 // custom bot: cards in order
      requests: [],               // {kind, at, status, code}
      faults: [],                 // what to do instead of answering, first fitting first
      sent: [],                   // times of messages to the chat
      hooked: [],
    });
    this.sockets = new Set();
    this.server = http.createServer((req, res) => this.serve(req, res));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  async listen() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  get hookUrl() {
    return `${this.url}/open-apis/bot/v2/hook/${this.hookToken}`;
  }

  /** The next request of a kind (token | send | update | hook) meets this: {status, body | json, headers}, {hangup: true}, {silent: true};
   *  after: true does what was asked first. */
  fail(kind, fault) {
    const entry = { kind, times: 1, ...fault };
    this.faults.push(entry);
    return entry;
  }

  countOf(kind) {
    return this.requests.filter((r) => r.kind === kind).length;
  }

  // ---- serving ----

  async serve(req, res) {
    const chunks = [];
    try {
      for await (const chunk of req) chunks.push(chunk);
    } catch {
      return;
    }
    const call = { req, res, body: Buffer.concat(chunks), url: new URL(req.url, this.url) };
    call.kind = this.kindOf(call);
    const fault = this.faults.find((f) => f.kind === call.kind && f.times > 0);
    if (fault) {
      fault.times--;
      if (fault.after) this.judge(call);
      this.spoil(call, fault);
      return;
    }
    const { status = 200, json, headers } = this.judge(call);
    this.answer(call, status, JSON.stringify(json), headers);
  }

  kindOf({ req, url }) {
    if (url.pathname === '/open-apis/auth/v3/tenant_access_token/internal') return 'token';
    if (url.pathname.startsWith('/open-apis/bot/v2/hook/')) return 'hook';
    if (url.pathname === '/open-apis/im/v1/messages' && req.method === 'POST') return 'send';
    return url.pathname.startsWith('/open-apis/im/v1/messages/') && req.method === 'PATCH' ? 'update' : 'none';
  }

  answer(call, status, text, headers = {}) {
    this.requests.push({ kind: call.kind, at: performance.now(), status, text });
    call.res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    call.res.end(text);
  }

  spoil(call, { hangup, silent, status = 200, json, body, headers }) {
    if (hangup || silent) this.requests.push({ kind: call.kind, at: performance.now(), status: 0 });
    if (hangup) call.req.socket.destroy();
    else if (!silent) this.answer(call, status, body ?? JSON.stringify(json), headers);
  }

  judge(call) {
    let input;
    try {
      assert.equal(call.req.method, call.kind === 'update' ? 'PATCH' : 'POST');
      assert.match(call.req.headers['content-type'] ?? '', /^application\/json/);
      input = JSON.parse(call.body.toString('utf8'));
    } catch {
      return { status: 400, json: { code: 9499, msg: 'Bad Request', data: {} } };
    }
    if (call.kind === 'token') return this.giveToken(input);
    if (call.kind === 'hook') return this.takeHook(call, input);
    return this.withToken(call, input);
  }

  // ---- tokens ----

  giveToken({ app_id: id, app_secret: secret }) {
    if (id !== this.appId || secret !== this.appSecret) return { json: { code: 10014, msg: 'app secret invalid' } };
    const token = `t-${randomBytes(8).toString('hex')}`;
    this.tokens.set(token, Date.now() + this.tokenLivesS * SECOND);
    return { json: { code: 0, msg: 'ok', tenant_access_token: token, expire: this.tokenLivesS } };
  }

  expireTokens() {
    this.tokens.clear();
  }

  withToken(call, input) {
    const [, token] = /^Bearer (\S+)$/.exec(call.req.headers.authorization ?? '') ?? [];
    if (!token) return { status: 400, json: { code: 99991661, msg: 'Missing access token for authorization' } };
    if (!(this.tokens.get(token) > Date.now())) return { status: 400, json: { code: 99991663, msg: 'Invalid access token for authorization' } };
    if (call.kind === 'send') return this.send(call, input);
    if (call.kind === 'update') return this.update(call, input);
    return { status: 404, json: { code: 99991404, msg: '404 page not found' } };
  }

  // ---- an app's messages ----

  readContent(call, content) {
    if (call.body.length > 30 * 1024) return { fault: { status: 400, json: { code: 230025, msg: 'The length of the message content reaches its limit.' } } };
    try {
      need(typeof content === 'string', 'content is a string');
      const card = JSON.parse(content);
      checkCard(card);
      return { card };
    } catch (error) {
      this.lastFault = error.message;
      return { fault: { status: 400, json: { code: 230099, msg: `Failed to create card content: ${error.message}` } } };
    }
  }

  send(call, { receive_id: to, msg_type: type, content, uuid }) {
    if (type !== 'interactive' || call.url.searchParams.get('receive_id_type') !== 'chat_id') return { status: 400, json: { code: 230001, msg: 'invalid request parameter' } };
    if (to !== this.chat) return { status: 400, json: { code: 230002, msg: 'The bot can not be outside the group.' } };
    if (uuid !== undefined && (typeof uuid !== 'string' || uuid.length > 50)) return { status: 400, json: { code: 230001, msg: 'uuid' } };
    const same = uuid && [...this.messages.values()].find((m) => m.uuid === uuid);
    if (same) return { json: { code: 0, msg: 'success', data: { message_id: same.id, chat_id: to } } };
    if (this.isTooFast(this.sent, 5, SECOND)) return { status: 400, json: { code: 230020, msg: 'This operation triggers the frequency limit.' } };
    const { card, fault } = this.readContent(call, content);
    if (fault) return fault;
    const id = `om_${randomBytes(12).toString('hex')}`;
    this.messages.set(id, { id, chat: to, uuid, card, first: card, updates: [], answers: [] });
    return { json: { code: 0, msg: 'success', data: { message_id: id, chat_id: to, msg_type: type } } };
  }

  update(call, { content }) {
    const message = this.messages.get(call.url.pathname.split('/').at(-1));
    if (!message) return { status: 400, json: { code: 230001, msg: 'invalid message_id' } };
    if (message.isWithdrawn) return { status: 400, json: { code: 230011, msg: 'The message is recalled.' } };
    const { card, fault } = this.readContent(call, content);
    if (fault) return fault;
    if (!card.config?.update_multi || !message.card.config?.update_multi) return { status: 400, json: { code: 230001, msg: 'not a shared card' } };
    message.card = card;
    message.updates.push(card);
    return { json: { code: 0, msg: 'success', data: {} } };
  }

  isTooFast(times, most, within) {
    const now = Date.now();
    while (times.length && times[0] <= now - within) times.shift();
    if (times.length >= most) return true;
    times.push(now);
    return false;
  }

  // ---- a custom bot ----

  takeHook(call, input) {
    const no = (code, msg) => ({ json: { code, msg, data: {} } });
    if (call.url.pathname.split('/').at(-1) !== this.hookToken) return no(19001, 'param invalid: incoming webhook access token invalid');
    if (!this.allowsIp) return no(19022, 'Ip Not Allowed');
    if (this.hookSecret !== null) {
      if (typeof input.timestamp !== 'string') return no(19021, 'timestamp');
      const sign = createHmac('sha256', `${input.timestamp}\n${this.hookSecret}`).digest('base64');
      if (input.sign !== sign || Math.abs(Date.now() / SECOND - Number(input.timestamp)) > 3600) return no(19021, 'sign match fail or timestamp is not within one hour from current time');
    }
    const everyMinute = this.hookedMinute ??= [];
    if (this.isTooFast(this.hooked, 5, SECOND) || this.isTooFast(everyMinute, 100, 60 * SECOND)) return no(11232, 'frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]');
    if (call.body.length > 20 * 1024) return no(19007, 'request body too large');
    if (input.msg_type !== 'interactive') return no(19002, 'params error, msg_type need');
    try {
      checkCard(input.card);
      for (const button of buttonsOf(input.card)) need(button.url !== undefined, 'a custom bot\'s buttons open URLs');
    } catch (error) {
      this.lastFault = error.message;
      return no(19002, `params error: ${error.message}`);
    }
    if (this.keyword !== null && !JSON.stringify(input.card).includes(this.keyword)) return no(19024, 'Key Words Not Found');
    this.posted.push(input.card);
    return { json: { StatusCode: 0, StatusMessage: 'success', code: 0, data: {}, msg: 'success' } };
  }

  // ---- callbacks ----

  /** What goes over the wire: {body, headers}. change: {key, signWith, timestamp, nonce, headers}. */
  sealed(payload, { key = this.encryptKey, signWith = this.encryptKey, timestamp = String(Math.floor(Date.now() / SECOND)), isSigned = true, sign } = {}) {
    const body = JSON.stringify({ encrypt: encrypt(key, typeof payload === 'string' ? payload : JSON.stringify(payload)) });
    const nonce = randomBytes(8).toString('hex');
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    if (isSigned) {
      headers['X-Lark-Request-Timestamp'] = timestamp;
      headers['X-Lark-Request-Nonce'] = nonce;
      headers['X-Lark-Signature'] = sign ?? signature(timestamp, nonce, signWith, body);
    }
    return { body, headers };
  }

  async deliver(callback, { body, headers }) {
    const answer = await fetch(callback, { method: 'POST', body, headers, signal: AbortSignal.timeout(HANG_MS) });
    return { status: answer.status, text: await answer.text() };
  }

  event(value, { operator = 'ou_alice', eventId = randomBytes(16).toString('hex'), header = {}, event = {}, messageId = 'om_x' } = {}) {
    return {
      schema: '2.0',
      header: { event_id: eventId, token: this.token, create_time: String(Date.now() * 1000), event_type: 'card.action.trigger', tenant_key: 'tenant', app_id: this.appId, ...header },
      event: {
        operator: { tenant_key: 'tenant', user_id: 'u1', union_id: 'on_1', open_id: operator }, token: 'c-token', action: { value, tag: 'button' },
        host: 'im_message', context: { open_message_id: messageId, open_chat_id: this.chat }, ...event,
      },
    };
  }

  /** A person presses a button of the card as it is now. Resolves with {toast, card}: what the person sees. The event is sent again while nobody
   *  answers it, as often as retries says. */
  async press(callback, message, action, { retries = 3, ...more } = {}) {
    const button = buttonOf(message.card, action);
    assert.ok(button, `the card has no button to ${action}`);
    return this.trigger(callback, message, button.value, { retries, ...more });
  }

  async trigger(callback, message, value, { retries = 0, ...more } = {}) {
    const event = this.event(value, { messageId: message?.id, ...more });
    for (let left = retries; ; left--) {
      try {
        const answer = await this.deliver(callback, this.sealed(event));
        assert.equal(answer.status, 200, answer.text);
        assert.ok(answer.text.length <= 30 * 1024, 'a card that is answered with is as long as one that is sent at most');
        return this.show(message, JSON.parse(answer.text));
      } catch (error) {
        if (left <= 0 || error instanceof assert.AssertionError) throw error;
        await until(() => this.isReachable(callback), { what: 'somebody who answers callbacks' });
      }
    }
  }

  async isReachable(callback) {
    try {
      await fetch(callback, { method: 'POST', body: '{}' });
      return true;
    } catch {
      return false;
    }
  }

  show(message, answer) {
    for (const key of Object.keys(answer)) assert.ok(['toast', 'card'].includes(key), `key of an answer: ${key}`);
    if (answer.toast) {
      assert.ok(['success', 'info', 'warning', 'error'].includes(answer.toast.type));
      assert.ok(typeof answer.toast.content === 'string' && answer.toast.content.length > 0);
    }
    if (answer.card) {
      assert.equal(answer.card.type, 'raw');
      checkCard(answer.card.data);
      if (message) {
        message.card = answer.card.data;
        message.answers.push(answer.card.data);
      }
    }
    return answer;
  }

  /** As the developer console does when the request URL is saved. */
  async verifyUrl(callback, options = {}) {
    const challenge = randomBytes(12).toString('hex');
    const { token = this.token, ...seal } = options;
    const answer = await this.deliver(callback, this.sealed({ type: 'url_verification', challenge, token }, { isSigned: false, ...seal }));
    return { ...answer, isGood: answer.status === 200 && JSON.parse(answer.text).challenge === challenge };
  }

  // ---- what people see ----

  /** The messages of the chat that fit, once there are n. */
  async chatHas(fits = () => true, n = 1) {
    return until(() => {
      const found = [...this.messages.values()].filter((m) => fits(m.card));
      return found.length >= n && found;
    }, { what: `${n} messages in the chat; there: ${[...this.messages.values()].map((m) => m.card.header.title.content)}` });
  }

  message(fits) {
    return this.chatHas(fits).then(([first]) => first);
  }

  /** Until the card of this message, as an update brought it, fits. */
  updated(message, fits, what = 'an update of the card') {
    return until(() => message.updates.find(fits), { what: `${what}; there: ${message.updates.map((c) => c.header.title.content)}` });
  }
}

/** A platform for this test. */
export async function startFeishu(t) {
  const feishu = await new Feishu().listen();
  t.after(() => feishu.close());
  return feishu;
}

/** YAML below approval: for an app bot, or a custom bot. */
export const appRules = (f) =>
  `feishu: { app_id: ${f.appId}, app_secret: ${f.appSecret}, chat_id: ${f.chat}, encrypt_key: ${f.encryptKey}, verification_token: ${f.token}, base_url: "${f.url}" }`;
export const hookRules = (f) => `feishu: { webhook_url: "${f.hookUrl}"${f.hookSecret ? `, sign_secret: ${f.hookSecret}` : ''} }`;
