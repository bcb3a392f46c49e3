// python - the official Python SDK in a venv below build/.   node lib/python.mjs: makes it, where a package index answers; ends with 0 either way.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './settings.mjs';

const sdk = 'mcp==1.30.0';               // the last line with FastMCP
const venv = path.join(root, 'build/python-sdk');
const own = path.join(venv, 'bin/python');

function hasSdk(python) {
  try {
    execFileSync(python, ['-c', 'import mcp.server.fastmcp'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A Python that has the SDK, or null. AEGIS_TEST_PYTHON names one that is there already. */
export const pythonWithSdk = [process.env.AEGIS_TEST_PYTHON, own].find((python) => python && hasSdk(python)) ?? null;

function install() {
  if (pythonWithSdk) return 'is there';
  try {
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'pipe' });
    execFileSync(path.join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '--retries', '1', sdk], { stdio: 'pipe', timeout: 300_000 });
  } catch (error) {
    return `is not to be had here: ${String(error.stderr ?? error.message).trim().split('\n').at(-1)}`;
  }
  return existsSync(own) && hasSdk(own) ? 'is installed' : 'was installed and does not work';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(`the Python SDK (${sdk}) ${install()}`);
