// trouble - what befalls a world while its clients work: kills, standstills, locks, full disks, jumping clocks. Each is a function of the world that
// does it once and mends it; `befall` goes on with them at random until the time is over.
import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { run } from '../../lib/process.mjs';
import { settled } from '../../lib/until.mjs';
import { clock } from './clock.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const some = (world, most) => Math.floor(world.rnd() * most);

/** Another program that says "held" when it has what it wants, and keeps it for so long. */
async function hold(command, args, ms, input = '') {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const held = new Promise((resolve) => child.stdout.once('data', () => resolve(true)));
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  try {
    if (await Promise.race([held, ended.then(() => false)])) await pause(ms);
    child.stdin.end();
    await settled(ended, `end of ${command}`);
  } finally {
    child.kill('SIGKILL');
  }
}

export const troubles = {
  /** SIGKILL of a shim; a new one takes its place. */
  async kill(world) {
    const victim = world.pick(world.alive.filter((c) => c.isWorking));
    if (!victim) return;
    victim.kill();
    await world.employ(victim.agent);
  },

  /** SIGSTOP for up to two seconds: others wake or kill it when it stands inside the gate. */
  async stop(world) {
    const victim = world.pick(world.alive.filter((c) => c.isWorking && !c.isStopped));
    if (!victim) return;
    victim.stop();
    await pause(some(world, 2000));
    victim.go();
    if (!victim.isAlive) await world.employ(victim.agent);
  },

  /** SIGKILL of the broker; the next one takes its place. */
  async broker_kill(world) {
    await world.broker.endBy('SIGKILL');
    await world.employBroker();
  },

  /** SIGSTOP of the broker: others wake or kill it when it stands inside the gate. */
  async broker_stop(world) {
    world.broker.kill('SIGSTOP');
    await pause(some(world, 2000));
    world.broker.child.kill('SIGCONT');
    if (world.broker.hasExited) await world.employBroker();
  },

  /** Another program has the database locked. */
  lock: (world) => hold('sqlite3', [world.place.db], some(world, 1200), "PRAGMA busy_timeout=3000; BEGIN IMMEDIATE; SELECT 'held';\n"),

  /** Another program has the gate. */
  gate: (world) => hold('flock', ['-x', path.join(world.place.state, 'gate'), '-c', 'echo held; cat >/dev/null'], some(world, 1200)),

  /** A sound copy takes the database's place, made and moved while nobody can write. */
  async replace(world) {
    const copy = path.join(world.place.dir, `copy-${some(world, 1e9)}.db`);
    const move = `sqlite3 '${world.place.db}' "VACUUM INTO '${copy}'" && sqlite3 '${copy}' 'PRAGMA journal_mode=WAL' >/dev/null && rm -f '${world.place.db}-wal' '${world.place.db}-shm' && mv '${copy}' '${world.place.db}'`;
    await run('flock', ['-x', path.join(world.place.state, 'gate'), '-c', move]);
  },

  /** The gate is another file all at once. Not beside `replace`: who holds the old one keeps nobody out. */
  async gate_replaced(world) {
    rmSync(path.join(world.place.state, 'gate'), { force: true });
  },

  /** The rules file is edited; what it says of limits stays. */
  async edit(world) {
    world.place.writeRules(`${world.config()}# edition ${++world.editions}\n`);
  },

  /** Operators look, and are killed while they do. */
  async operator(world) {
    const commands = [['audit', 'list'], ['limits'], ['config', 'check'], ['call', world.pick(world.agents), 'echo', '{}']];
    const [what, ...rest] = world.pick(commands);
    if (what === 'call') await world.callByCtl(...rest, some(world, 300));
    else await world.ctl([what, ...rest], { killAfter: some(world, 300) });
  },

  /** Everything, or one agent or tool, is paused for a while. */
  async brake(world) {
    const what = world.pick([[], ['--agent', world.pick(world.agents)], ['--backend', 'demo'], ['--tool', world.pick(world.work.tools)]]);
    await world.ctl(['pause', ...what], world.rnd() < 0.3 ? { killAfter: some(world, 150) } : {});
    await pause(some(world, 800));
    await world.ctl(['resume', ...what]);
  },

  /** The wall clock is set; the other clocks are left alone. */
  async wall(world) {
    world.setWall(some(world, 7200) - 3600);
    await pause(some(world, 500));
  },

  /** No byte of room is left on the state's disk. */
  async full(world) {
    const file = path.join(world.stateFromHere, 'filler');
    const fd = openSync(file, 'w');
    for (let size = 1 << 20; size >= 1;) {
      try {
        if (writeSync(fd, Buffer.alloc(size)) < size) size >>= 1;
      } catch {
        size >>= 1;
      }
    }
    closeSync(fd);
    await pause(some(world, 600));
    rmSync(file);
  },

  /** No inode is left, so that no file can be made. */
  async no_inodes(world) {
    const made = [];
    try {
      for (let n = 0; n < 100_000; n++) {
        const file = path.join(world.stateFromHere, `filler-${n}`);
        writeFileSync(file, '');
        made.push(file);
      }
    } catch {
      // full
    }
    await pause(some(world, 600));
    for (const file of made) rmSync(file);
  },

  /** Everybody dies at once; where boots are played, the next boot follows. */
  async all(world) {
    const victims = world.alive.filter((c) => c.isWorking);
    for (const c of victims) c.kill();
    await Promise.all(victims.map((c) => c.shim.exited));
    world.reboot?.();
    await Promise.all(victims.map((c) => world.employ(c.agent)));
  },
};

/** One trouble after the other, so many lanes of them side by side, until then (ms of clock()). */
export async function befall(world, names, until, lanes = 1) {
  const lane = async () => {
    while (clock() < until) {
      const name = world.pick(names);
      world.record({ what: 'trouble', name });
      await troubles[name](world);
      await pause(some(world, 200));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Decides what is asked, at random; sometimes dies while doing so. */
export const decider = (world) => async (isDone) => {
  while (!isDone()) {
    const all = await world.asked();
    if (all.length === 0) await pause(50);
    for (const approval of all.slice(0, 4)) {
      const verb = world.rnd() < 0.75 ? 'approve' : world.pick(['reject', 'cancel']);
      await world.decide(verb, approval, world.rnd() < 0.2 ? { killAfter: Math.floor(world.rnd() * 150) } : {});
    }
  }
};
