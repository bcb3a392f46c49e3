// Checks for the reference file system server.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { callTool, textOf } from '../../lib/sdk1.mjs';

/** Direct and through the shim write to the same folder; each check cleans what the next one would see. */
export const filesystemChecks = {
  'server info and tools': async (c) => ({ v: c.getServerVersion(), c: c.getServerCapabilities(), tools: (await c.listTools()).tools }),
  'its folder': async (c, { server }) => {
    const said = textOf(await callTool(c, 'list_allowed_directories'));
    assert.ok(said.includes(server.extra.dir), said);
    return said;
  },
  'write, read, list, edit': async (c, { server }) => {
    const file = path.join(server.extra.dir, 'ä file.txt');
    await callTool(c, 'write_file', { path: file, content: 'one\ntwo "quoted" 漢\n' });
    assert.equal(readFileSync(file, 'utf8'), 'one\ntwo "quoted" 漢\n');
    const edit = await callTool(c, 'edit_file', { path: file, edits: [{ oldText: 'one', newText: 'three' }], dryRun: false });
    assert.ok(readFileSync(file, 'utf8').startsWith('three'));
    const read = await callTool(c, 'read_text_file', { path: file });
    return { edit, read, list: await callTool(c, 'list_directory', { path: server.extra.dir }) };
  },
  'a file of 2 MB': async (c, { server }) => {
    const file = path.join(server.extra.dir, 'big.txt');
    await callTool(c, 'write_file', { path: file, content: 'x'.repeat(2_000_000) });
    assert.equal(textOf(await callTool(c, 'read_text_file', { path: file })).length, 2_000_000);
    rmSync(file);
  },
  'a path outside of it': async (c) => {
    const result = await callTool(c, 'read_text_file', { path: '/etc/hostname' });
    assert.equal(result.isError, true);
    return result;
  },
};
