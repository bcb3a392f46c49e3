/** Ms of the machine's monotonic clock: the same for every process that asks. */
export const clock = () => Number(process.hrtime.bigint() / 1000n) / 1000;
