// check - assertions about what agents are told.
import assert from 'node:assert/strict';

export const CODE = {
  parse: -32700, invalid: -32600, params: -32602, internal: -32603,
  denied: -32001, limited: -32002, queue: -32003, approval: -32004, unreachable: -32005, unknown: -32006,
};

export const EXECUTED = ['no', 'yes', 'unknown'];

/** A refusal as DESIGN.md section 2 says: an error with a sentence and its data. */
export function assertRefused(answer, code, { reason, executed = 'no' } = {}) {
  assert.ok(answer.error, `expected error ${code}, got ${answer.line?.slice(0, 500)}`);
  assert.equal(answer.error.code, code, answer.line);
  assert.ok(answer.error.message.length > 10, answer.line);
  assert.equal(answer.error.message.includes('\n'), false, 'one sentence, one line');
  if (reason) assert.equal(answer.error.data?.reason, reason, answer.line);
  assert.equal(answer.error.data?.executed, executed, answer.line);
  return answer.error;
}

export function assertSaid(answer, text) {
  assert.ok(answer.result, `expected a result, got ${answer.line?.slice(0, 500)}`);
  assert.equal(answer.result.content[0].text, text);
}

/** Neither agent nor log may learn where the backend is. */
export function assertNoLeak(backend, ...texts) {
  for (const text of texts) {
    assert.equal(text.includes(String(backend.port)), false, `the backend's port is shown: ${text.slice(0, 500)}`);
    assert.equal(text.includes('127.0.0.1'), false, `the backend's address is shown: ${text.slice(0, 500)}`);
  }
}
