// matrix - the same named checks against a server, first directly, then through aegis-shim, for every way to reach it; and the table of it.
// A check gives a value that must be the same both ways. Known gaps of a server are listed with their reason; an unlisted one fails.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Place } from './place.mjs';
import { rulesFor } from './servers.mjs';
import { bin, inTurn, suite } from './settings.mjs';

/** The shim as an SDK client starts it; `said` collects its stderr (unread, it would keep the SDK from seeing the end). */
export function shimTransport(place, { args = [], agent = 'one' } = {}) {
  const transport = new StdioClientTransport({ command: bin('aegis-shim'), args: ['--agent', agent, ...place.options, ...args], env: place.env, stderr: 'pipe' });
  transport.said = '';
  transport.stderr.on('data', (chunk) => { transport.said += chunk; });
  return transport;
}

/** AEGIS_TEST_WAYS="stdio,sse" runs only these columns. */
const wanted = process.env.AEGIS_TEST_WAYS?.split(',');
const isWanted = (label) => !wanted || wanted.includes(label);

const marks = { passed: '+', failed: 'FAIL', gap: 'gap', skipped: '.' };

function printTable(title, columns, names, noted) {
  const wide = Math.max(...names.map((name) => name.length));
  const cells = (name) => columns.map((column) => (marks[noted.get(`${column}|${name}`)] ?? '-').padEnd(column.length));
  console.log(`\n${title}\n${''.padEnd(wide)}  ${columns.join('  ')}`);
  for (const name of names) console.log(`${name.padEnd(wide)}  ${cells(name).join('  ')}`.trimEnd());
  console.log(`+ passed   gap: the server fails this when asked directly   FAIL: not through the shim   . not asked\n`);
}

/**
 * ways: {label: () => Server, not started}. connect(transport) -> what checks get as first argument; disconnect(it).
 * checks: {name: fn} or {name: {through: fn}} for one that makes sense only behind the shim.
 * direct, through: make the transports, the SDK 1.x's by default.
 * gaps: {name: reason} or {name: {label: reason}}.
 */
export function matrix(title, {
  ways, connect, disconnect, checks, gaps = {}, rules = (server) => rulesFor([server.entry()]), direct: reach = (server) => server.direct(), through = shimTransport, skip = false,
}) {
  const noted = new Map();
  const columns = [];
  const gapOf = (name, label) => (typeof gaps[name] === 'object' ? gaps[name][label] : gaps[name]);

  describe(title, { ...suite, skip }, () => {
    after(() => printTable(title, columns, Object.keys(checks), noted));

    for (const [label, make] of Object.entries(ways)) {
      if (!isWanted(label)) continue;
      describe(label, inTurn, () => {
        const direct = {};
        let server;
        let place;
        before(async () => {
          server = await make().start();
          place = new Place(rules(server));
        });
        after(async () => {
          await server.stop();
          await place.leave();
        });

        const column = (where) => {
          columns.push(`${label} ${where}`);
          return (name, mark) => noted.set(`${label} ${where}|${name}`, mark);
        };
        const noteDirect = column('direct');
        const noteShim = column('shim');

        describe('directly', inTurn, () => {
          let peer;
          before(async () => {
            for (const [name, check] of Object.entries(checks)) if (typeof check === 'function') noteDirect(name, 'failed');
            peer = await connect(reach(server), { server });
          });
          after(() => disconnect(peer));
          for (const [name, check] of Object.entries(checks)) {
            if (typeof check !== 'function') continue;
            test(name, async (t) => {
              const gap = gapOf(name, label);
              noteDirect(name, gap ? 'gap' : 'failed');
              if (gap) return t.skip(gap);
              direct[name] = { value: await check(peer, { server }) };
              noteDirect(name, 'passed');
            });
          }
        });

        describe('through aegis-shim', inTurn, () => {
          let peer;
          before(async () => {
            for (const name of Object.keys(checks)) noteShim(name, 'failed');
            peer = await connect(through(place), { server, place });
          });
          after(() => disconnect(peer));
          for (const [name, check] of Object.entries(checks)) {
            test(name, async (t) => {
              if (typeof check === 'function' && !direct[name]) {
                noteShim(name, 'skipped');
                return t.skip('not to be had from the server directly');
              }
              noteShim(name, 'failed');
              const value = await (check.through ?? check)(peer, { server, place });
              if (!check.through) assert.deepEqual(value, direct[name].value);
              noteShim(name, 'passed');
            });
          }
        });
      });
    }
  });
}
