// random - a small generator, so that a failing round can be run again by its seed.
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let x = Math.imul(a ^ (a >>> 15), a | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/** A seed for this run, said in the output; AEGIS_TEST_SEED repeats one. */
export function seedOf(t) {
  const seed = Number(process.env.AEGIS_TEST_SEED ?? Date.now() % 1e9);
  t.diagnostic(`AEGIS_TEST_SEED=${seed}`);
  return seed;
}
