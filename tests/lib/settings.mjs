// settings - which programs are tested, how long the long tests are, how patient the deadlines are.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const binDir = path.resolve(root, process.env.AEGIS_BIN || 'build/dev/bin');
export const bin = (name) => path.join(binDir, name);

const shim = bin('aegis-shim');
export const isSanitized = existsSync(shim) && readFileSync(shim).includes('__asan_init');

/** A build whose memory can be judged: sanitizers multiply it. null when there is none. */
function findPlainDir() {
  if (!isSanitized) return binDir;
  const given = process.env.AEGIS_BIN_PLAIN;
  const places = given ? [given] : ['build/release/bin', 'build/dev/bin'];
  return places.map((p) => path.resolve(root, p)).find((p) => existsSync(path.join(p, 'aegis-shim'))) ?? null;
}
const plainDir = findPlainDir();
export const plainBin = (name) => plainDir && path.join(plainDir, name);
export const noPlainBin = plainDir ? false : 'memory is judged on an unsanitized build: set AEGIS_BIN_PLAIN';

const scales = { ci: 1, full: 10 };
export const scale = process.env.AEGIS_TEST_SCALE || 'ci';
if (!(scale in scales)) throw new Error(`AEGIS_TEST_SCALE=${scale}: ci or full`);
export const factor = scales[scale];

/** Deadlines are hang bounds: at least ten times what is expected, more under sanitizers. */
export const patience = isSanitized ? 4 : 1;
export const HANG_MS = 20_000 * patience;
/** Options of a describe. Its tests run side by side, or one after the other; every wait inside has its own deadline. */
export const suite = { concurrency: 4, timeout: 900_000 * patience };
export const inTurn = { concurrency: 1, timeout: 900_000 * patience };

export const nodeMajor = Number(process.versions.node.split('.')[0]);
