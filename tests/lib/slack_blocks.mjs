// slack_blocks - what Slack takes as blocks, with its limits (docs.slack.dev/reference/block-kit), and how tests read them.
import assert from 'node:assert/strict';

class BlockFault extends Error {}
const need = (fact, what) => {
  if (!fact) throw new BlockFault(what);
};
const onlyKeys = (o, keys, what) => {
  need(o && typeof o === 'object' && !Array.isArray(o), `${what} is an object`);
  for (const key of Object.keys(o)) need(keys.includes(key), `${what} has no ${key}`);
};
// Characters as Slack counts them at the least; UTF-16 units at the most.
const fits = (text, most, what, least = 1) => need(typeof text === 'string' && text.isWellFormed?.() !== false && text.length >= least && text.length <= most, `${what}: ${least} to ${most} characters`);

function checkText(o, most, types = ['plain_text', 'mrkdwn']) {
  onlyKeys(o, ['type', 'text', 'emoji', 'verbatim'], 'a text');
  need(types.includes(o.type), `type of a text: ${o.type}`);
  fits(o.text, most, 'text');
  need(o.emoji === undefined || o.type === 'plain_text', 'emoji is of plain_text');
  need(o.verbatim === undefined || o.type === 'mrkdwn', 'verbatim is of mrkdwn');
}

const plain = (o, most) => checkText(o, most, ['plain_text']);

function checkButton(o) {
  onlyKeys(o, ['type', 'text', 'action_id', 'value', 'url', 'style', 'confirm'], 'a button');
  need(o.type === 'button', `type of an element: ${o.type}`);
  plain(o.text, 75);
  fits(o.action_id, 255, 'action_id');
  if (o.value !== undefined) fits(o.value, 2000, 'value');
  if (o.url !== undefined) {
    fits(o.url, 3000, 'url');
    need(URL.canParse?.(o.url) ?? true, 'url');
  }
  need(o.style === undefined || ['primary', 'danger'].includes(o.style), 'style');
  if (!o.confirm) return;
  onlyKeys(o.confirm, ['title', 'text', 'confirm', 'deny', 'style'], 'confirm');
  plain(o.confirm.title, 100);
  checkText(o.confirm.text, 300);
  plain(o.confirm.confirm, 30);
  plain(o.confirm.deny, 30);
}

function checkRichPart(part) {
  onlyKeys(part, ['type', 'elements', 'border'], 'a part of rich text');
  need(['rich_text_section', 'rich_text_preformatted'].includes(part.type), `part of rich text: ${part.type}`);
  need(Array.isArray(part.elements) && part.elements.length > 0, 'elements of rich text');
  for (const e of part.elements) {
    onlyKeys(e, ['type', 'text', 'style'], 'rich text');
    need(e.type === 'text', `rich text: ${e.type}`);
    fits(e.text, 3000, 'rich text');
    if (e.style) onlyKeys(e.style, ['bold', 'italic', 'strike', 'code'], 'style');
  }
}

const list = (o, most, what) => need(Array.isArray(o) && o.length > 0 && o.length <= most, `${what}: 1 to ${most}`);
const checks = {
  header: (b) => (onlyKeys(b, ['type', 'block_id', 'text'], 'header'), plain(b.text, 150)),
  divider: (b) => onlyKeys(b, ['type', 'block_id'], 'divider'),
  section(b) {
    onlyKeys(b, ['type', 'block_id', 'text', 'fields', 'accessory'], 'section');
    need(b.text || b.fields, 'a section has text or fields');
    if (b.text) checkText(b.text, 3000);
    if (!b.fields) return;
    list(b.fields, 10, 'fields');
    b.fields.forEach((f) => checkText(f, 2000));
  },
  context(b) {
    onlyKeys(b, ['type', 'block_id', 'elements'], 'context');
    list(b.elements, 10, 'elements of context');
    b.elements.forEach((e) => checkText(e, 2000));
  },
  actions(b) {
    onlyKeys(b, ['type', 'block_id', 'elements'], 'actions');
    list(b.elements, 25, 'elements of actions');
    b.elements.forEach(checkButton);
    need(new Set(b.elements.map((e) => e.action_id)).size === b.elements.length, 'action_id is unique in a block');
  },
  rich_text(b) {
    onlyKeys(b, ['type', 'block_id', 'elements'], 'rich_text');
    list(b.elements, 100, 'elements of rich_text');
    b.elements.forEach(checkRichPart);
  },
  input(b) {
    onlyKeys(b, ['type', 'block_id', 'label', 'element', 'optional', 'hint', 'dispatch_action'], 'input');
    plain(b.label, 2000);
    onlyKeys(b.element, ['type', 'action_id', 'multiline', 'max_length', 'min_length', 'placeholder', 'initial_value'], 'a field');
    need(b.element.type === 'plain_text_input', 'type of a field');
    need(b.element.max_length === undefined || (b.element.max_length >= 1 && b.element.max_length <= 3000), 'max_length');
  },
};

const MAX_BLOCKS_TEXT = 13_200;   // "msg_blocks_too_long"

export function checkBlocks(blocks, { most = 50, isForm = false } = {}) {
  list(blocks, most, 'blocks');
  const length = textsOf(blocks).reduce((sum, { text }) => sum + text.length, 0);
  need(isForm || length <= MAX_BLOCKS_TEXT, `texts of blocks: ${length} characters`);
  for (const b of blocks) {
    need(b && Object.hasOwn(checks, b.type), `type of a block: ${b?.type}`);
    need(isForm || b.type !== 'input', 'input stands in forms');
    if (b.block_id !== undefined) fits(b.block_id, 255, 'block_id');
    checks[b.type](b);
  }
  const ids = blocks.map((b) => b.block_id).filter(Boolean);
  need(new Set(ids).size === ids.length, 'block_id is unique in a message');
}

export function checkForm(view) {
  onlyKeys(view, ['type', 'title', 'submit', 'close', 'blocks', 'callback_id', 'private_metadata', 'notify_on_close', 'clear_on_close'], 'a form');
  need(view.type === 'modal', 'type of a form');
  plain(view.title, 24);
  if (view.submit) plain(view.submit, 24);
  if (view.close) plain(view.close, 24);
  if (view.callback_id !== undefined) fits(view.callback_id, 255, 'callback_id');
  if (view.private_metadata !== undefined) fits(view.private_metadata, 3000, 'private_metadata', 0);
  checkBlocks(view.blocks, { most: 100, isForm: true });
  need(view.submit || !view.blocks.some((b) => b.type === 'input'), 'a form with fields has submit');
}

/** What an interaction may be answered within its 3 s: nothing, or, of a form, faults of its fields or another form in its place. */
export function checkAnswer({ type, view }, text) {
  if (text === '') return;
  assert.equal(type, 'view_submission', 'only a form is answered with more than nothing');
  const { response_action: action, errors, view: next, ...more } = JSON.parse(text);
  assert.deepEqual(more, {});
  if (action === 'update') checkForm(next);
  else {
    assert.equal(action, 'errors');
    assert.ok(Object.keys(errors).length > 0);
    for (const [block, said] of Object.entries(errors)) {
      assert.ok(view.blocks.some((b) => b.type === 'input' && b.block_id === block), `errors stand below fields: ${block}`);
      assert.ok(typeof said === 'string' && said.length > 0);
    }
  }
}

export const isBlockFault = (error) => error instanceof BlockFault;

// ---- reading ----

export const buttonsOf = (blocks) => (blocks ?? []).filter((b) => b.type === 'actions').flatMap((b) => b.elements);
export const buttonOf = (blocks, action) => buttonsOf(blocks).find((b) => b.action_id === action);

/** Every text: {type, text}; type is that of the object it stands in. */
export function textsOf(value) {
  const found = [];
  const walk = (o) => {
    if (o === null || typeof o !== 'object') return;
    if (typeof o.text === 'string' && typeof o.type === 'string') found.push(o);
    Object.values(o).forEach(walk);
  };
  walk(value);
  return found;
}
export const saysOf = (blocks) => textsOf(blocks).map((t) => t.text).join('\n');
export const titleOf = (blocks) => blocks?.find((b) => b.type === 'header')?.text.text;

const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200c-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/u; // eslint-disable-line no-control-regex

/** Nothing foreign does anything: markup stands only where we wrote it, and everything can be seen. U+200B may stand between backticks. */
export function assertInert(message) {
  for (const { type, text } of textsOf(message.blocks)) {
    assert.doesNotMatch(text, HIDDEN, `something that cannot be seen: ${JSON.stringify(text)}`);
    assert.doesNotMatch(text, /\u200b/u);
    if (type === 'mrkdwn') assert.match(text, /^APR-[A-Z0-9]{4}( · [ A-Za-z0-9,`-]*(<!date\^\d+\^\{date_short_pretty\} \{time\}\|[-0-9TZ:.]+>)?)*$/, `markup: ${text}`);
  }
  assert.doesNotMatch(message.text, HIDDEN);
  assert.doesNotMatch(message.text, /[<>]|&(?!amp;|lt;|gt;)|```/, `markup: ${message.text}`);
}
