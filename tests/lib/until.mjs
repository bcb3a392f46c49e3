// until - waiting for conditions. Deadlines here only bound a hang; nothing is measured by them.
import { HANG_MS } from './settings.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again until the answer is true-ish and returns it. */
export async function until(condition, { within = HANG_MS, what = String(condition), every = 10 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await pause(every);
  }
}

/** The promise's value, or an error when it does not settle in time. */
export async function settled(promise, what, within = HANG_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${within} ms: ${what}`)), within);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
