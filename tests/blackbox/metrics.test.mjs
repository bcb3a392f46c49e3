// GET /metrics, read as strictly as a scraper may.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { approvalPlace } from '../lib/approvals.mjs';
import { startBackend, tool } from '../lib/backend.mjs';
import { Broker } from '../lib/broker.mjs';
import { EventStream, askSocket } from '../lib/events.mjs';
import { makePlace, simpleRules } from '../lib/place.mjs';
import { parseMetrics, valueOf } from '../lib/prometheus.mjs';
import { openShim } from '../lib/shim.mjs';
import { suite } from '../lib/settings.mjs';
import { settled, until } from '../lib/until.mjs';

async function scrape(place) {
  const { status, headers, text } = await askSocket(place, 'GET', '/metrics');
  assert.equal(status, 200, text);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return parseMetrics(text);
}

describe('metrics', suite, () => {
  test('calls, how long they took, approvals and how long people took', async (t) => {
    const { place, person, open } = await approvalPlace(t, { mode: 'defer', grant: 'rate_limits: { echo: { window: 1h, max_count: 2 } }' });
    const early = await open();
    await early.call('echo', { message: 'before the broker: not counted' });
    const broker = new Broker(place);
    await broker.ready();
    const before = await scrape(place);
    assert.equal(valueOf(before, 'aegis_tool_calls_total'), 0);
    await early.call('echo', { message: 'x' });
    await early.call('echo', { message: 'full' });
    await early.call('publish', { message: 'x' });
    const { short } = await person.asked();
    assert.equal(valueOf(await scrape(place), 'aegis_approvals_pending'), 1);
    await person.decide('approve', short);
    await early.call('publish', { message: 'x' });
    await early.call('erase', { message: 'x' });
    await person.decide('reject', (await person.asked()).short);
    const m = await scrape(place);
    const calls = (more) => valueOf(m, 'aegis_tool_calls_total', { agent: 'one', server: 'demo', ...more });
    assert.equal(calls({ tool: 'echo', decision: 'allow' }), 1);
    assert.equal(calls({ tool: 'echo', decision: 'deny' }), 1);
    assert.equal(calls({ tool: 'publish', decision: 'ask' }), 1);
    assert.equal(calls({ tool: 'publish', decision: 'allow' }), 1);
    assert.equal(valueOf(m, 'aegis_approvals_total', { outcome: 'approved', channel: 'cli' }), 1);
    assert.equal(valueOf(m, 'aegis_approvals_total', { outcome: 'denied', channel: 'cli' }), 1);
    const durations = m.aegis_tool_call_duration_seconds.samples.find((s) => s.name.endsWith('_count'));
    assert.deepEqual([durations.labels, durations.value], [{ server: 'demo' }, 2]);
    assert.equal(m.aegis_approval_wait_seconds.samples.find((s) => s.name.endsWith('_count')).value, 2);
    assert.equal(valueOf(m, 'aegis_shim_sessions', { agent: 'one' }), 1);
    assert.equal(valueOf(m, 'aegis_limit_taken', { who: 'one', tool: 'echo', window: '1h' }), 2);
    assert.equal(valueOf(m, 'aegis_limit_max', { who: 'one', tool: 'echo', window: '1h' }), 2);
    assert.equal(valueOf(m, 'aegis_audit_records_total'), (await place.auditRows()).at(-1).seq);
    assert.equal(valueOf(m, 'aegis_config_generation'), 1);
    for (const name of ['aegis_db_size_bytes', 'process_resident_memory_bytes', 'process_start_time_seconds', 'process_open_fds']) assert.ok(valueOf(m, name) > 0, name);
    assert.ok(Math.abs(valueOf(m, 'process_start_time_seconds') - Date.now() / 1000) < 3600);
    assert.equal(m.aegis_build_info.samples[0].value, 1);
  });

  test('repeated refusals that share a row count each; names an agent chooses cannot break a line', async (t) => {
    const odd = 'a"b\\c\u00e4';
    const backend = await startBackend(t, { tools: [tool('echo'), tool(odd)] });
    const place = makePlace(t, simpleRules(backend.url, { grant: 'tool_denylist: ["echo"]' }));
    const broker = new Broker(place);
    await broker.ready();
    const shim = await openShim(place);
    for (let n = 0; n < 7; n++) await shim.call('echo', { message: 'no' });
    await shim.call(odd, {});
    await shim.end();                       // what was only counted is written at the end
    const m = await scrape(place);
    assert.equal(valueOf(m, 'aegis_tool_calls_total', { agent: 'one', decision: 'deny' }), 7);
    assert.equal(valueOf(m, 'aegis_tool_calls_total', { tool: odd, decision: 'allow' }), 1);
    await until(async () => valueOf(await scrape(place), 'aegis_shim_sessions') === 0, { what: 'no shim is at work' });
  });

  test('more tools than may have a line of their own are "other"', async (t) => {
    const names = Array.from({ length: 520 }, (_, n) => `tool_${n}`);
    const backend = await startBackend(t, { tools: names.map((name) => tool(name)) });
    const place = makePlace(t, simpleRules(backend.url));
    const broker = new Broker(place);
    await broker.ready();
    const shim = await openShim(place);
    for (let n = 0; n < names.length; n += 40) await Promise.all(names.slice(n, n + 40).map((name) => shim.call(name, { message: 'x' })));
    const m = await scrape(place);
    assert.equal(new Set(m.aegis_tool_calls_total.samples.map((s) => s.labels.tool)).size, 501);
    assert.equal(valueOf(m, 'aegis_tool_calls_total', { tool: 'other' }), 20);
  });

  test('streams that are open; who does not read holds up nobody, and misses nothing', async (t) => {
    const { place, open } = await approvalPlace(t);
    const broker = new Broker(place);
    await broker.ready();
    const shim = await open();
    const streams = async () => valueOf(await scrape(place), 'aegis_event_streams');
    const slow = new EventStream(t, place), quick = new EventStream(t, place);
    await settled(Promise.all([slow.opened, quick.opened]), 'both are open');
    slow.answer.pause();
    assert.equal(await streams(), 2);
    const message = 'x'.repeat(100);
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 100 }, (_, n) => shim.call('echo', { message: `${n} ${message}` })));
    const last = (await place.auditRows()).at(-1).seq;
    const has = (stream) => until(() => (stream.events.at(-1)?.data.seq ?? 0) >= last, { what: 'the newest row' });
    await has(quick);
    assert.ok((slow.events.at(-1)?.data.seq ?? 0) < last);
    slow.answer.resume();
    await has(slow);
    for (const { events } of [slow, quick]) assert.deepEqual(events.map((e) => e.data.seq), events.map((_, n) => events[0].data.seq + n));
    assert.equal(slow.events.length, quick.events.length);
    slow.close();
    quick.close();
    await until(async () => (await streams()) === 0, { what: 'nobody listens' });
  });
});
