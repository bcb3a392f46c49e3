// slack - Slack on loopback, as strict as the real one: the Web API's tokens, JSON, blocks and limits, `ok: false` behind HTTP 200, messages that
// only their writer changes, triggers of 3 s, response_urls of five uses, incoming webhooks, signed callbacks, Socket Mode. It can fail in
// every way the real one does.
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { HANG_MS } from './settings.mjs';
import { buttonOf, checkAnswer, checkBlocks, checkForm, isBlockFault, titleOf } from './slack_blocks.mjs';
import { SlackLine } from './slack_line.mjs';
import { until } from './until.mjs';

export { assertInert, buttonOf, buttonsOf, saysOf, textsOf, titleOf } from './slack_blocks.mjs';

const no = (error) => ({ json: { ok: false, error } });
const ok = (more = {}) => ({ json: { ok: true, ...more } });

export function sign(secret, timestamp, body) {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:`).update(body).digest('hex')}`;
}

export class Slack {
  constructor() {
    Object.assign(this, {
      team: 'T1', app: 'A1', bot: 'B1', botToken: 'xoxb-1-bot-secret', appToken: 'xapp-1-app-secret', signingSecret: '8f742231b10e8888abcd99yyyzzz85a5',
      channels: new Map([['C1', { isMember: true }], ['C2', { isMember: false }], ['C3', { isMember: true, isArchived: true }]]),
      people: new Set(['U1', 'U2', 'U3', 'U4', 'UAGENT']),   // members of C1
      messages: new Map(),        // ts -> {channel, ts, text, blocks, first, updates, metadata}
      hooked: [],                 // what the webhook took
      private: [],                // ephemeral messages: {user, text, by}
      forms: new Map(),           // view id -> view
      triggers: new Map(),        // trigger_id -> {at, isUsed}
      responses: new Map(),       // path -> {user, left}
      requests: [],               // {method, at, status, json, input}
      faults: [],
      lines: [],                  // sockets of Socket Mode, oldest first
      tickets: new Set(),
      envelopes: new Map(),       // not acknowledged: id -> {envelope, resolve}
      triggerLives: Infinity,     // ms; the real one's live for 3 s, a busy machine takes its time
      clock: 1700000000,
    });
    this.sockets = new Set();
    this.server = http.createServer((req, res) => this.serve(req, res));
    this.server.on('upgrade', (req, socket) => this.upgrade(req, socket));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  async listen() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    this.hookPath = '/services/T1/B1/hook-secret';
    return this;
  }

  async close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  /** The next call of a method ("hook", "response" too) meets this: {error}, {status, body, headers}, {hangup: true}, {silent: true}; after: true
   *  does what was asked first. times: how often. */
  fail(method, fault) {
    const entry = { method, times: 1, ...fault };
    this.faults.push(entry);
    return entry;
  }

  countOf(method) {
    return this.requests.filter((r) => r.method === method).length;
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
    call.method = this.methodOf(call);
    const fault = this.faults.find((f) => f.method === call.method && f.times > 0);
    if (fault) {
      fault.times--;
      if (fault.after) this.judge(call);
      this.spoil(call, fault);
      return;
    }
    const { status = 200, json, text, headers } = this.judge(call);
    this.answer(call, status, json, text, headers);
  }

  methodOf({ url }) {
    if (url.pathname.startsWith('/services/')) return 'hook';
    if (url.pathname.startsWith('/actions/')) return 'response';
    return url.pathname.startsWith('/api/') ? url.pathname.slice('/api/'.length) : 'none';
  }

  answer(call, status, json, text = JSON.stringify(json), headers = {}) {
    this.requests.push({ method: call.method, at: performance.now(), status, json, input: call.input });
    call.res.writeHead(status, { 'content-type': json ? 'application/json; charset=utf-8' : 'text/plain', ...headers });
    call.res.end(text);
  }

  spoil(call, { hangup, silent, error, status = 200, body, headers }) {
    if (hangup || silent) this.requests.push({ method: call.method, at: performance.now(), status: 0 });
    if (hangup) call.req.socket.destroy();
    else if (!silent) this.answer(call, status, error ? { ok: false, error } : undefined, error ? undefined : body ?? '', headers);
  }

  judge(call) {
    try {
      assert.equal(call.req.method, 'POST');
      assert.match(call.req.headers['content-type'] ?? '', /^application\/json/);
      call.input = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(call.body));
    } catch {
      return call.method === 'hook' ? { status: 400, text: 'invalid_payload' } : no('invalid_json');
    }
    if (call.method === 'hook') return this.hook(call);
    if (call.method === 'response') return this.respond(call);
    const [, token] = /^Bearer (\S+)$/.exec(call.req.headers.authorization ?? '') ?? [];
    if (!token) return no('not_authed');
    const isApp = call.method === 'apps.connections.open';
    if (token !== (isApp ? this.appToken : this.botToken)) return no(token === this.appToken || token === this.botToken ? 'not_allowed_token_type' : 'invalid_auth');
    const method = this.methods[call.method];
    return method ? method.call(this, call.input) : no('unknown_method');
  }

  // ---- the Web API ----

  methods = {
    'auth.test': () => ok({ url: 'https://aegis.slack.com/', team: 'Aegis', user: 'aegis', team_id: this.team, user_id: 'UBOT', bot_id: this.bot }),
    'chat.postMessage': (input) => this.post(input),
    'chat.update': (input) => this.update(input),
    'chat.postEphemeral': (input) => this.whisper(input),
    'views.open': (input) => this.openForm(input),
    'apps.connections.open': () => this.giveTicket(),
  };

  faultOf(input) {
    try {
      assert.equal(typeof input.text, 'string', 'text is always there');
      assert.ok(input.text.length > 0 && input.text.length <= 40_000);
      if (input.blocks !== undefined) checkBlocks(input.blocks);
      if (input.metadata) assert.ok(typeof input.metadata.event_type === 'string' && typeof input.metadata.event_payload === 'object');
      for (const key of ['unfurl_links', 'unfurl_media', 'link_names', 'replace_original']) assert.ok(['boolean', 'undefined'].includes(typeof input[key]), key);
      assert.ok([undefined, 'none', 'full'].includes(input.parse), 'parse');
      return null;
    } catch (error) {
      this.lastFault = error.message;
      return isBlockFault(error) ? 'invalid_blocks' : 'invalid_arguments';
    }
  }

  post(input) {
    const channel = this.channels.get(input.channel);
    if (!channel) return no('channel_not_found');
    if (channel.isArchived) return no('is_archived');
    if (!channel.isMember) return no('not_in_channel');
    const fault = this.faultOf(input);
    if (fault) return no(fault);
    const ts = `${this.clock++}.${String(randomBytes(2).readUInt16BE()).padStart(6, '0')}`;
    const { text, blocks, metadata } = input;
    this.messages.set(ts, { channel: input.channel, ts, text, blocks, metadata, first: { text, blocks }, input, updates: [] });
    return ok({ channel: input.channel, ts, message: { type: 'message', ts, text, blocks, bot_id: this.bot, app_id: this.app } });
  }

  update(input) {
    const message = this.messages.get(input.ts);
    if (!message || message.channel !== input.channel || message.isDeleted) return no('message_not_found');
    const fault = this.faultOf(input);
    if (fault) return no(fault);
    const { text, blocks } = input;
    Object.assign(message, { text, blocks });
    message.updates.push({ text, blocks });
    return ok({ channel: input.channel, ts: input.ts, text, message: { text, blocks, app_id: this.app } });
  }

  whisper(input) {
    const channel = this.channels.get(input.channel);
    if (!channel) return no('channel_not_found');
    if (!this.people.has(input.user)) return no('user_not_in_channel');
    if (typeof input.text !== 'string' || !input.text) return no('no_text');
    const fault = this.faultOf(input);
    if (fault) return no(fault);
    this.private.push({ user: input.user, text: input.text, blocks: input.blocks, by: 'chat.postEphemeral' });
    return ok({ message_ts: `${this.clock++}.000001` });
  }

  openForm({ trigger_id: id, view }) {
    const trigger = this.triggers.get(id);
    if (!trigger) return no('invalid_trigger_id');
    if (trigger.isUsed) return no('exchanged_trigger_id');
    if (Date.now() - trigger.at > this.triggerLives) return no('expired_trigger_id');
    trigger.isUsed = true;
    try {
      checkForm(view);
    } catch (error) {
      this.lastFault = error.message;
      return no('invalid_arguments');
    }
    const made = { id: `V${randomBytes(5).toString('hex').toUpperCase()}`, user: trigger.user, ...view };
    this.forms.set(made.id, made);
    return ok({ view: made });
  }

  // ---- hooks ----

  hook(call) {
    if (call.url.pathname !== this.hookPath) return { status: 404, text: 'no_service' };
    const fault = this.faultOf(call.input);
    if (fault) return { status: 400, text: fault };
    this.hooked.push(call.input);
    return { text: 'ok' };
  }

  respond(call) {
    const response = this.responses.get(call.url.pathname);
    if (!response) return { status: 404, text: 'no_such_url' };
    if (response.left-- <= 0) return { status: 404, text: 'used_url' };
    if (call.input.response_type !== 'ephemeral' || this.faultOf(call.input)) return { status: 400, text: 'invalid_payload' };
    this.private.push({ user: response.user, text: call.input.text, blocks: call.input.blocks, by: 'response_url' });
    return { text: 'ok' };
  }

  // ---- what people do ----

  /** The payload of a press. */
  payload(message, button, { user = 'U1', team = this.team, app = this.app, value = button?.value, actionTs = `${this.clock++}.${randomBytes(2).readUInt16BE()}`, response, more = {} } = {}) {
    const trigger = `${this.clock++}.${randomBytes(6).toString('hex')}`;
    this.triggers.set(trigger, { at: Date.now(), user });
    const path = `/actions/${team}/${randomBytes(8).toString('hex')}`;
    this.responses.set(path, { user, left: 5 });
    return {
      type: 'block_actions', user: { id: user, username: 'somebody', name: 'somebody', team_id: team }, api_app_id: app, token: 'legacy',
      container: { type: 'message', message_ts: message?.ts ?? '1.1', channel_id: message?.channel ?? 'C1', is_ephemeral: false }, trigger_id: trigger,
      team: { id: team, domain: 'aegis' }, enterprise: null, is_enterprise_install: false, channel: { id: message?.channel ?? 'C1', name: 'approvals' },
      message: message && { type: 'message', ts: message.ts, text: message.text }, state: { values: {} }, response_url: response ?? `${this.url}${path}`,
      actions: [{ action_id: button?.action_id, block_id: 'b', text: button?.text, value, style: 'primary', type: 'button', action_ts: actionTs }], ...more,
    };
  }

  submission(form, reason, { user = form.user, team = this.team, app = this.app } = {}) {
    const input = form.blocks.find((b) => b.type === 'input');
    const { blocks, callback_id, private_metadata } = form;
    assert.ok(reason === null || reason.length <= (input.element.max_length ?? 3000), 'Slack lets nobody write more');
    return {
      type: 'view_submission', team: { id: team, domain: 'aegis' }, user: { id: user, username: 'somebody', name: 'somebody', team_id: team }, api_app_id: app, token: 'legacy',
      trigger_id: `${this.clock++}.x`, response_urls: [],
      view: {
        id: form.id, team_id: team, type: 'modal', blocks, callback_id, private_metadata,
        state: { values: { [input.block_id]: { [input.element.action_id]: { type: 'plain_text_input', value: reason } } } }, hash: '1.x', app_id: app, bot_id: this.bot,
      },
    };
  }

  /** How a payload travels by HTTP. change: what is wrong with it. */
  sealed(payload, { secret = this.signingSecret, timestamp = String(Math.floor(Date.now() / 1000)), signature, isSigned = true, type = 'application/x-www-form-urlencoded' } = {}) {
    const body = `payload=${encodeURIComponent(typeof payload === 'string' ? payload : JSON.stringify(payload))}`;
    const headers = { 'content-type': type };
    if (isSigned) Object.assign(headers, { 'X-Slack-Request-Timestamp': timestamp, 'X-Slack-Signature': signature ?? sign(secret, timestamp, body) });
    return { body, headers };
  }

  async deliver(callback, { body, headers }) {
    const answer = await fetch(callback, { method: 'POST', body, headers, signal: AbortSignal.timeout(HANG_MS) });
    return { status: answer.status, text: await answer.text() };
  }

  /** Sends a payload the way people's presses go: callback is a URL, or null for Socket Mode. Resolves with {status, text}: what Slack was answered. */
  async act(callback, payload, change) {
    const answer = callback === null ? await this.envelope('interactive', payload) : await this.deliver(callback, this.sealed(payload, change));
    const told = callback !== null ? answer : { status: 200, text: answer === undefined ? '' : JSON.stringify(answer) };
    if (told.status === 200) checkAnswer(payload, told.text);
    return told;
  }

  async press(callback, message, action, { change, ...more } = {}) {
    const button = buttonOf(message.blocks, action);
    assert.ok(button, `the message has no button ${action}`);
    return this.act(callback, this.payload(message, button, more), change);
  }

  /** Presses Reject, fills in the form that comes, sends it. Resolves with the answer to the form. */
  async reject(callback, message, reason, more = {}) {
    const before = new Set(this.forms.keys());
    const answer = await this.press(callback, message, 'aegis_reject', more);
    assert.equal(answer.status, 200);
    const form = await until(() => [...this.forms.values()].find((f) => !before.has(f.id) && f.user === (more.user ?? 'U1')), { what: 'a form that asks why' });
    return this.act(callback, this.submission(form, reason, more));
  }

  // ---- Socket Mode ----

  giveTicket() {
    const ticket = randomBytes(12).toString('hex');
    this.tickets.add(ticket);
    return ok({ url: `${(this.lineUrl ?? this.url).replace('http', 'ws')}/link/?ticket=${ticket}&app_id=${this.app}` });
  }

  upgrade(req, socket) {
    const url = new URL(req.url, this.url);
    const key = req.headers['sec-websocket-key'];
    if (!this.tickets.delete(url.searchParams.get('ticket')) || req.headers['sec-websocket-version'] !== '13' || Buffer.from(key ?? '', 'base64').length !== 16) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (this.refusesUpgrade) {
      socket.end(this.refusesUpgrade);
      return;
    }
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    this.openLine(socket);
  }

  openLine(socket) {
    const line = new SlackLine(socket, { text: (text) => this.heard(line, text), closed: () => this.lineClosed(line) });
    this.lines.push(line);
    if (this.isMute) return;
    this.hello(line);
  }

  hello(line) {
    line.isReady = true;
    line.send({ type: 'hello', num_connections: this.lines.length, connection_info: { app_id: this.app }, debug_info: { host: 'applink-1', approximate_connection_time: 18060 } });
    for (const { envelope } of this.envelopes.values()) this.pass(envelope);
  }

  lineClosed(line) {
    this.lines = this.lines.filter((l) => l !== line);
    if (this.lines.some((l) => l.isReady)) for (const { envelope } of this.envelopes.values()) this.pass(envelope);
  }

  /** To one of the connections: the newest that is ready. */
  pass(envelope) {
    const line = this.lines.filter((l) => l.isReady).at(-1);
    line?.send(envelope, this.pieces);
  }

  /** Resolves with the payload of the acknowledgement; sent again on another connection while there is none. */
  envelope(type, payload) {
    const id = randomBytes(16).toString('hex');
    const envelope = { envelope_id: id, type, accepts_response_payload: payload.type === 'view_submission', payload };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('an envelope was never acknowledged')), HANG_MS);
      this.envelopes.set(id, { envelope, resolve: (value) => (clearTimeout(timer), resolve(value)) });
      this.pass(envelope);
    });
  }

  heard(line, text) {
    const { envelope_id: id, payload } = JSON.parse(text);
    line.acks.push(id);
    if (this.losesAcks > 0) {
      this.losesAcks--;
      return;
    }
    this.envelopes.get(id)?.resolve(payload);
    this.envelopes.delete(id);
  }

  line() {
    return until(() => this.lines.find((l) => l.isReady), { what: 'a connection of Socket Mode' });
  }

  // ---- what people see ----

  /** The first message whose blocks fit. */
  message(title = 'Approval needed') {
    const fits = typeof title === 'function' ? title : (m) => titleOf(m.blocks) === title;
    return until(() => [...this.messages.values()].find(fits), {
      what: `a message ${title}; there: ${[...this.messages.values()].map((m) => titleOf(m.blocks))}; last fault: ${this.lastFault}`,
    });
  }

  /** Once the message says so now. */
  async shows(message, title) {
    await until(() => titleOf(message.blocks) === title, { what: `the message to say "${title}"` }).catch((error) => {
      throw new Error(`${error.message}, not "${titleOf(message.blocks)}"; last fault: ${this.lastFault}`);
    });
    return message;
  }

  /** What only this person was told, once there are n. */
  async told(user, n = 1) {
    return until(() => {
      const found = this.private.filter((p) => p.user === user);
      return found.length >= n && found;
    }, { what: `${n} private messages to ${user}` });
  }
}

export async function startSlack(t) {
  const slack = await new Slack().listen();
  t.after(() => slack.close());
  return slack;
}

/** approval.slack of the rules, by way: callback | socket | hook. */
export function slackRules(slack, way) {
  const q = JSON.stringify;
  if (way === 'hook') return `slack: { base_url: ${q(slack.url)}, webhook_url: ${q(slack.url + slack.hookPath)} }`;
  const how = way === 'socket' ? `app_token: { env: SLACK_APP }` : `signing_secret: { env: SLACK_SIGNING }`;
  return `slack: { base_url: ${q(slack.url)}, bot_token: { env: SLACK_BOT }, channel: C1, ${how} }`;
}
export const slackEnv = (slack) => ({ SLACK_BOT: slack.botToken, SLACK_APP: slack.appToken, SLACK_SIGNING: slack.signingSecret });
