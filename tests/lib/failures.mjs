// failures - a reporter beside node's own: what failed, once more and together at the end, so that nobody has to search for it.
// Says nothing when nothing failed.
export default async function* failures(source) {
  const failed = [];
  for await (const { type, data } of source) {
    if (type !== 'test:fail' || data.details.error?.failureType === 'subtestsFailed') continue;
    failed.push(data);
  }
  if (failed.length === 0) return;
  yield `\n== ${failed.length} failed\n`;
  for (const { name, file, line, column, details } of failed) {
    const { cause, failureType, message } = details.error ?? {};
    yield `\n-- ${name}\n   ${file}:${line}:${column}, after ${Math.round(details.duration_ms)} ms, ${failureType}\n`;
    yield `${String(cause?.stack ?? cause ?? message).slice(0, 4000)}\n`;
  }
}
