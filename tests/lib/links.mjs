// links - tokens of links as the broker makes them (broker/links.h), from its key on disk: for forging, and for a page without a channel.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const LINK = { page: 0, approve: 1, reject: 2, form: 3 };

const url64 = (bytes) => Buffer.from(bytes).toString('base64url');

/** [{ kid, secret }], newest first. */
export function linkKeys(place) {
  const [, ...lines] = readFileSync(path.join(place.state, 'keys', 'links'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [kid, secret] = line.split(' ');
    return { kid: Buffer.from(kid, 'hex'), secret: Buffer.from(secret, 'hex') };
  });
}

export async function linkFacts(place, id) {
  const [row] = await place.query(`SELECT id, hex(args_hash) AS args, created_at FROM approval WHERE id = '${id}'`);
  return { id: Buffer.from(row.id, 'hex'), args: Buffer.from(row.args, 'hex'), at: BigInt(row.created_at) };
}

export function linkToken(kind, { id, args, at }, { kid, secret }) {
  const head = Buffer.alloc(9);
  head[0] = kind;
  head.writeBigInt64LE(at, 1);
  const mac = createHmac('sha256', secret).update('aegis-link-v1\0').update(head).update(id).update(args).digest();
  return `${url64(kid)}.${url64(id)}.${url64(mac)}`;
}

export const tokenFor = async (place, kind, id) => linkToken(kind, await linkFacts(place, id), linkKeys(place)[0]);
