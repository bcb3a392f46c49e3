// points - every failpoint of shared/base/failpoint.h, and a way to reach each.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bin, root } from '../../lib/settings.mjs';
import { settled, until } from '../../lib/until.mjs';

/** The table, as the programs have it: {id: name}. */
export const points = Object.fromEntries([...readFileSync(path.join(root, 'shared/base/failpoint.h'), 'utf8').matchAll(/^\tX\((\w+), "([^"]+)"\)/gm)].map(([, id, name]) => [id, name]));

/** For `skip`: false, or why not. */
export const noFailpoints = readFileSync(bin('aegis-shim')).includes('AEGIS_FAILPOINT') ? false : 'these programs have no failpoints (build with AEGIS_FAILPOINTS)';

export const arm = (name, action = 'kill') => ({ AEGIS_FAILPOINT: `${name}=${action}` });

/** Another program holds the gate until let go. */
export async function holdGate(world) {
  const child = spawn('flock', ['-x', path.join(world.place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  world.t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return async () => {
    child.stdin.end();
    await settled(ended, 'the holder of the gate letting go');
  };
}

/** aegisctl, which a failpoint ends. */
async function byCtl(world, env, args) {
  world.ctlEnv = env;
  const { code, stderr } = await world.ctl(args);
  world.ctlEnv = {};
  return { code, stderr };
}

async function mustDo(world, args) {
  const { code, stdout, stderr } = await world.ctl(args);
  assert.equal(code, 0, `aegisctl ${args.join(' ')}: ${stdout}${stderr}`);
}

async function theOneAsked(world) {
  const [approval] = await until(async () => {
    const all = await world.asked();
    return all.length === 1 && all;
  }, { what: 'a call that waits for a word', every: 50 });
  return approval;
}

const one = async (world, env) => {
  const victim = await world.open('one', { env });
  const answer = victim.call('limited');
  return { victim, answer };
};

// Each makes the victim reach the point while one call of its own, or its end, is under way: {victim, answer}.
const scenarios = {
  /** Nobody has been here before. */
  first: one,

  /** A state folder in use; a call, its answer, the end of the session. */
  async call(world, env) {
    await world.survivor();
    const { victim, answer } = await one(world, env);
    answer.then((a) => a && victim.shim.stdin.end());
    return { victim, answer };
  },

  /** The first byte is late: the store is asked whether the flight is still ours. */
  async late(world, env) {
    await world.survivor();
    return one(world, { AEGIS_FAILPOINT: `forward/launched=delay/80,${env.AEGIS_FAILPOINT}` });
  },

  /** The gate is taken: the victim stands in line, and wins when it is free. */
  async waits(world, env) {
    await world.survivor();
    const log = path.join(world.place.dir, 'reached');
    const victim = await world.open('one', { env: { ...env, AEGIS_FAILPOINT_LOG: log } });
    await victim.call('echo');
    const letGo = await holdGate(world);
    const answer = victim.call('limited');
    await until(() => victim.shim.hasExited || victim.isStandingStill() || readFileSync(log, 'utf8').includes('gate/lined'), { what: 'the victim in line' });
    await letGo();
    return { victim, answer };
  },

  /** A call that is open for more than a second. */
  async slow(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    const key = world.newKey();
    return { victim, answer: victim.call('limited', { key, args: { mark: key, wait_ms: 2500 } }) };
  },

  /** A call that the limit refuses. */
  async refused(world, env) {
    const survivor = await world.survivor();
    for (let n = 0; n < world.limit; n++) await survivor.call('limited');
    return one(world, env);
  },

  /** A backend that takes a call and goes. */
  async unknown(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    const key = world.newKey();
    return { victim, answer: victim.call('limited', { key, args: { mark: key, cut: true } }) };
  },

  /** Another shim died with a call under way. */
  async heir(world, env) {
    const dead = await world.open();
    const key = world.newKey();
    dead.call('limited', { key, args: { mark: key, wait_ms: 60_000 } });
    await until(() => world.arrivalsOf(key).length === 1, { what: 'the call of the one that dies' });
    dead.kill();
    await dead.shim.exited;
    return one(world, env);
  },

  /** New rules while a session runs. */
  async reload(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    await victim.call('echo');
    world.place.writeRules(world.config() + '# edited\n');
    return { victim, answer: victim.call('limited') };
  },

  /** So much was written that the WAL goes to the database as soon as the shim falls idle. */
  async much(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    const pad = 'p'.repeat(60_000);
    for (let n = 0; n < 80 && victim.isAlive && !victim.shim.hasExited; n++) {
      const key = world.newKey();
      await victim.call('echo', { key, args: { mark: key, pad } });
    }
    return { victim, answer: Promise.resolve(null) };
  },

  /** aegisctl pause. */
  async pause(world, env) {
    const survivor = await world.survivor();
    await survivor.call('limited');
    const ctl = await byCtl(world, env, ['pause']);
    return { ctl, mend: () => mustDo(world, ['pause']).then(() => mustDo(world, ['resume'])) };
  },

  /** aegisctl unknown settle. */
  async settle(world, env) {
    const survivor = await world.survivor();
    const key = world.newKey();
    await survivor.call('limited', { key, args: { mark: key, cut: true } });
    const [{ id }] = JSON.parse((await world.ctl(['unknown', 'list', '--json'])).stdout);
    const command = ['unknown', 'settle', id, 'done'];
    return { ctl: await byCtl(world, env, command), mend: () => mustDo(world, command) };
  },

  /** A call that needs a person's word. */
  async asked(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    return { victim, answer: victim.call('asked') };
  },

  /** The same, once the word was given. */
  async redeemed(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    const answer = victim.call('asked');
    const approval = await theOneAsked(world);
    await world.decide('approve', approval);
    return { victim, answer };
  },

  /** The same, given up by its client. */
  async given_up(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    const key = world.newKey();
    const id = victim.shim.nextId;
    const answer = victim.call('asked', { key });
    await theOneAsked(world);
    victim.cancel(key, id);
    return { victim, answer };
  },

  /** aegisctl approvals approve: decided once in the end, and the call runs once. */
  async vote(world, env) {
    const survivor = await world.survivor();
    const answer = survivor.call('asked');
    const approval = await theOneAsked(world);
    world.ctlEnv = env;
    const ctl = await world.decide('approve', approval);
    world.ctlEnv = {};
    return { ctl, mend: async () => {
      await world.ctl(['approvals', 'approve', approval.id]);
      assert.equal((await answer).verdict, 'done');
    } };
  },

  /** A call that goes through the queue. */
  async queued(world, env) {
    await world.survivor();
    const victim = await world.open('one', { env });
    return { victim, answer: victim.call('queued') };
  },

  /** A call that waits in the queue for longer than its client does: told to come again, and repeated. */
  async parked(world, env) {
    world.place.writeRules(world.config({ agent: 'hold_max: 500ms' }));
    const survivor = await world.survivor();
    const key = world.newKey();
    survivor.call('queued', { key, args: { mark: key, wait_ms: 4000 } });
    await until(() => world.arrivalsOf(key).length === 1, { what: 'the operation under way' });
    const victim = await world.open('one', { env });
    const mine = world.newKey();
    const answer = victim.call('queued', { key: mine }).then((a) => (a?.verdict === 'deferred' ? victim.call('queued', { key: mine }) : a));
    return { victim, answer };
  },

  /** aegisctl repair of a database that was damaged. What it held is lost, its ledger with it. */
  async repair(world, env) {
    const survivor = await world.survivor();
    await survivor.call('limited');
    writeFileSync(world.place.db, 'this is no database\n'.repeat(500));
    world.isLedgerLost = true;
    return { ctl: await byCtl(world, env, ['repair', '--yes']), mend: () => mustDo(world, ['repair', '--yes']) };
  },
};

/** Point -> the way to reach it. */
const ways = {
  first: ['GATE_NUMBERED', 'FILE_MADE', 'FILE_MIGRATED', 'FILE_MARKED', 'FILE_OPENED', 'CONFIG_PUT', 'TOOLS_PUT', 'WAL_SYNC_NOW'],
  call: ['GATE_TAKEN', 'GATE_LEFT', 'TURN_CHECKED', 'TURN_BEGUN', 'TURN_CARRIED_OUT', 'TURN_COMMITTING', 'TURN_COMMITTED', 'TURN_TELLING', 'TURN_TOLD',
    'SESSION_LISTENING', 'SESSION_JOINED', 'AUDIT_APPENDED', 'LIMITS_TAKING', 'COMMIT_ADMITTED', 'COMMIT_INTENT', 'COMMIT_FLIGHT', 'SETTLE_FLIGHT', 'SETTLE_USES',
    'SETTLE_WRITTEN', 'FORWARD_ASKING', 'FORWARD_TOLD', 'FORWARD_LAUNCHED', 'FORWARD_PREREQ', 'FORWARD_LEFT', 'FORWARD_ANSWERED', 'FORWARD_DONE', 'FINISH_ASKING',
    'FINISH_TOLD', 'REPLY_QUEUED', 'REPLY_WRITTEN', 'SESSION_ENDING', 'SESSION_LEFT', 'CLOCK_MARKED', 'FILE_CLOSED'],
  late: ['FORWARD_LEAVING'],
  waits: ['GATE_LINED', 'GATE_WAITED'],
  slow: ['STAMP_WRITTEN', 'WAL_SYNC', 'WAL_SYNCED'],
  refused: ['FINISH_REFUSING'],
  unknown: ['SETTLE_UNKNOWN'],
  heir: ['REAP_HOLDS', 'REAP_FLIGHT', 'REAP_BURIED'],
  reload: ['RULES_IN_FORCE'],
  much: ['WAL_CHECKPOINT', 'WAL_CHECKPOINTED'],
  pause: ['BRAKE_SET'],
  settle: ['UNKNOWN_SETTLED'],
  asked: ['HOLD_TAKEN', 'APPROVAL_ASKED', 'APPROVAL_ATTACHED', 'EVENT_WRITTEN', 'MESSAGES_OPENED'],
  redeemed: ['APPROVAL_MOVED', 'APPROVAL_USED', 'WAKE_TAKEN'],
  given_up: ['RELEASE_WRITTEN', 'FINISH_RELEASING'],
  queued: ['TICKET_ENTERED', 'TICKET_STARTED', 'TICKET_ENDED'],
  parked: ['TICKET_PARKED', 'TICKET_TAKEN_UP'],
  vote: ['VOTE_NOTED', 'VOTE_WRITTEN', 'WAKE_SENDING'],
  repair: ['REPAIR_MADE', 'REPAIR_ASIDE', 'REPAIR_PLACED'],
};

/** What aegis-broker alone reaches, and aegisctl on its behalf: its own scenarios kill it there. */
export const brokerPoints = ['MESSAGES_OWED', 'MESSAGE_TAKEN', 'MESSAGE_ENDING', 'MESSAGE_ENDED', 'OUTBOX_TAKEN', 'OUTBOX_SENT', 'OUTBOX_ENDED', 'MESSAGES_RECOVERED', 'MESSAGES_AGAIN', 'CALLBACK_SEEN', 'APPROVAL_FORGOTTEN',
  'TOKEN_WRITTEN'];

/** Not the first time, for that comes too early. */
const nth = { reload: ':2' };

/** [{id, name, way, reach}]: reach(world, action) -> {victim, answer}, or {ctl, mend}: aegisctl died, and mend does what it was to do. */
export const reachable = Object.entries(ways).flatMap(([way, ids]) => ids.map((id) => ({
  id, name: points[id], way, reach: (world, action) => scenarios[way](world, arm(points[id] + (nth[way] ?? ''), action)),
})));
