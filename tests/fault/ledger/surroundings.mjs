// surroundings - shims that see another wall clock, another boot, another time namespace, or a small disk under their state folder. Linux; where the
// kernel or a program does not give it, `missing` says why, for `skip`.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { flags, noNamespace } from '../../lib/namespace.mjs';
import { bin } from '../../lib/settings.mjs';
import { settled } from '../../lib/until.mjs';

function works(command, args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const libraries = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'];
const faketime = libraries.map((dir) => `${dir}/faketime/libfaketimeMT.so.1`).find((file) => existsSync(file));
const user = flags.filter((flag) => flag !== '-m');        // -U -r where we are not root

export const missing = {
  wall: faketime ? false : 'libfaketime is not here (apt-get install faketime)',
  time: works('unshare', [...user, '-T', '--boottime', '1', 'true']) ? false : 'time namespaces are not to be had here (unshare -T)',
  boot: noNamespace,
  disk: noNamespace,
};

const argv = (world, agent) => [bin('aegis-shim'), '--agent', agent, ...world.place.options];

/** A wall clock that all shims of a world share; world.setWall(s) sets it off by so many seconds. Their other clocks are the machine's. */
export function otherWall(world) {
  const file = path.join(world.place.dir, 'wall');
  world.setWall = (s) => {
    writeFileSync(`${file}.next`, `${s < 0 ? '' : '+'}${s}`);
    renameSync(`${file}.next`, file);
  };
  world.setWall(0);
  world.shimOptions = {
    env: {
      LD_PRELOAD: faketime, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1',
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
    },
  };
  world.t.after(() => forgetSharedClocks(world));
}

/** libfaketime leaves these behind when its process is killed. */
function forgetSharedClocks(world) {
  const pids = new Set(world.clients.map((c) => String(c.shim.pid)));
  for (const name of readdirSync('/dev/shm')) if (/faketime/.test(name) && pids.has(/\d+$/.exec(name)?.[0])) rmSync(`/dev/shm/${name}`, { force: true });
}

/** Shims see the boot id that world.reboot() made last. */
export function otherBoot(world) {
  const file = path.join(world.place.dir, 'boot_id');
  let boots = 0;
  world.reboot = () => {
    world.boot = `${file}-${++boots}`;
    writeFileSync(world.boot, `00000000-0000-4000-8000-${String(boots).padStart(12, '0')}\n`);
  };
  world.reboot();
  world.shimOptions = (agent) => ({
    program: 'unshare',
    args: [...flags, 'sh', '-ec', `mount --bind '${world.boot}' /proc/sys/kernel/random/boot_id; exec "$@"`, 'sh', ...argv(world, agent)],
  });
}

/** Each shim in a time namespace of its own, whose boot clock is up to an hour ahead: to it, the machine has slept. Some are in none. */
export function otherTime(world) {
  world.shimOptions = (agent) => {
    const s = Math.floor(world.rnd() * 3600);
    return s < 600 ? {} : { program: 'unshare', args: [...user, '-T', '--boottime', String(s), '--monotonic', String(Math.floor(s / 2)), ...argv(world, agent)] };
  };
}

/** The state folder is a small disk of its own, seen by the world's shims and by aegisctl. */
export async function smallDisk(world, size = 'size=64m') {
  mkdirSync(world.place.state, { mode: 0o700 });
  const keeper = spawn('unshare', [...flags, 'sh', '-ec', 'mount -t tmpfs -o "$SIZE,mode=700" none "$STATE"; echo ready; cat >/dev/null'],
    { env: { ...world.place.env, STATE: world.place.state, SIZE: size }, stdio: ['pipe', 'pipe', 'inherit'] });
  world.t.after(() => keeper.kill('SIGKILL'));
  await settled(new Promise((resolve) => keeper.stdout.once('data', resolve)), 'the small disk');
  const inside = ['-t', String(keeper.pid), ...(flags.includes('-U') ? ['-U', '--preserve-credentials'] : []), '-m'];
  world.stateFromHere = path.join('/proc', String(keeper.pid), 'root', world.place.state);
  world.wrap = (program, args) => ['nsenter', [...inside, program, ...args]];
  world.shimOptions = (agent) => ({ program: 'nsenter', args: [...inside, ...argv(world, agent)] });
}
