// prometheus - reads the text exposition format 0.0.4 strictly: whatever a scraper could stumble over is an error.
import assert from 'node:assert/strict';

const sampleOf = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelOf = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;

function labelsOf(text) {
  const labels = {};
  let rest = text ?? '';
  while (rest) {
    const [all, name, value] = labelOf.exec(rest) ?? assert.fail(`labels: ${rest}`);
    assert.ok(!(name in labels), `label twice: ${text}`);
    labels[name] = value.replace(/\\([\\"n])/g, (_, c) => (c === 'n' ? '\n' : c));
    rest = rest.slice(all.length);
  }
  assert.ok(!text?.endsWith(','), text);
  return labels;
}

function checkHistogram(name, samples) {
  const sets = new Map();
  for (const s of samples) {
    const { le, ...others } = s.labels;
    const key = JSON.stringify(others);
    if (!sets.has(key)) sets.set(key, { buckets: [] });
    const set = sets.get(key);
    if (s.name === `${name}_bucket`) set.buckets.push([le === '+Inf' ? Infinity : Number(le), s.value]);
    else set[s.name] = s.value;
  }
  for (const set of sets.values()) {
    assert.deepEqual(set.buckets.map(([le]) => le), set.buckets.map(([le]) => le).sort((a, b) => a - b), `${name}: buckets ascend`);
    set.buckets.forEach(([, n], i) => assert.ok(i === 0 || n >= set.buckets[i - 1][1], `${name}: buckets are cumulative`));
    assert.equal(set.buckets.at(-1)[0], Infinity, `${name}: +Inf`);
    assert.equal(set.buckets.at(-1)[1], set[`${name}_count`], `${name}: +Inf is the count`);
    assert.ok(set[`${name}_sum`] >= 0, `${name}: sum`);
  }
}

/** { name: { type, help, samples: [{ name, labels, value }] } } */
export function parseMetrics(text) {
  assert.ok(text.endsWith('\n'), 'a line end at the end');
  const metrics = {};
  let current = null;
  const seen = new Set();
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      assert.ok(!(comment[2] in metrics), `${comment[2]} comes twice`);
      current = metrics[comment[2]] = { name: comment[2], help: comment[3], samples: [] };
    } else if (comment) {
      assert.equal(comment[2], current?.name, `TYPE behind HELP: ${line}`);
      assert.ok(['counter', 'gauge', 'histogram'].includes(comment[3]) && !current.type && !current.samples.length, line);
      current.type = comment[3];
    } else {
      const [, name, labels, value] = sampleOf.exec(line) ?? assert.fail(`no sample: ${line}`);
      const suffixes = current.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      assert.ok(suffixes.some((s) => name === current.name + s), `${name} stands under ${current.name}`);
      assert.match(value, /^([+-]?\d+(\.\d+)?(e[+-]?\d+)?|\+Inf|-Inf|NaN)$/);
      const key = `${name}{${labels}}`;
      assert.ok(!seen.has(key), `twice: ${key}`);
      seen.add(key);
      current.samples.push({ name, labels: labelsOf(labels), value: Number(value) });
    }
  }
  for (const m of Object.values(metrics)) {
    assert.ok(m.type, `${m.name} has a type`);
    if (m.type === 'counter') assert.match(m.name, /_total$/);
    if (m.type === 'histogram') checkHistogram(m.name, m.samples);
  }
  return metrics;
}

/** The value of the one sample whose labels include these; 0 when there is none. */
export function valueOf(metrics, name, labels = {}) {
  const fits = (s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v);
  return metrics[name].samples.filter(fits).reduce((sum, s) => sum + s.value, 0);
}
