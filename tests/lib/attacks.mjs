// attacks - lines that some parser takes for a call of the denied tool `admin_reset` while another sees something harmless.
// Each is raw bytes; @ID@ stands for the id of the line. None of them may reach a backend.
const ID = '@ID@';
const call = (params, rest = '') => `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","params":${params}${rest}}`;
const denied = '{"name":"admin_reset","arguments":{"marker":1}}';

/** Key names that some decoder folds to the plain one. */
const twins = {
  name: ['Name', 'NAME', 'nAme', 'naMe'],
  arguments: ['Arguments', 'ARGUMENTS', 'argumentſ', 'ARGUMENTſ'],
  method: ['Method', 'METHOD', 'mEthod'],
  params: ['Params', 'PARAMS', 'paramſ', 'PARAMſ'],
  id: ['Id', 'iD', 'ID'],
  jsonrpc: ['Jsonrpc', 'JSONRPC', 'jſonrpc'],
  task: ['Task', 'tasK', 'taſk', 'tas\u212a'],
  _meta: ['_Meta', '_META'],
};

/** "name" with its n-th letter, or all, written as \u escapes. */
function escapes(key) {
  const escape = (c, upper) => '\\u' + (upper ? c.charCodeAt(0).toString(16).toUpperCase() : c.charCodeAt(0).toString(16)).padStart(4, '0');
  const all = [...key].map((c) => escape(c, false)).join('');
  const upper = [...key].map((c) => escape(c, true)).join('');
  return [...new Set([...[...key].map((c, i) => key.slice(0, i) + escape(c, false) + key.slice(i + 1)), all, upper])];
}

function* duplicates() {
  for (const spelled of ['name', ...escapes('name')]) {
    yield [`name twice (${spelled}), denied last`, call(`{"name":"echo","${spelled}":"admin_reset","arguments":{}}`)];
    yield [`name twice (${spelled}), denied first`, call(`{"${spelled}":"admin_reset","name":"echo","arguments":{}}`)];
  }
  for (const spelled of ['method', ...escapes('method')]) {
    yield [`method twice (${spelled}), ping last`, `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","${spelled}":"ping","params":${denied}}`];
    yield [`method twice (${spelled}), ping first`, `{"jsonrpc":"2.0","id":${ID},"${spelled}":"ping","method":"tools/call","params":${denied}}`];
  }
  for (const spelled of ['params', ...escapes('params')]) {
    yield [`params twice (${spelled})`, `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","params":{"name":"echo"},"${spelled}":${denied}}`];
  }
  for (const spelled of ['arguments', ...escapes('arguments')]) {
    yield [`arguments twice (${spelled})`, call(`{"name":"echo","arguments":{},"${spelled}":{"marker":1}}`)];
  }
  yield ['id twice', `{"jsonrpc":"2.0","id":${ID},"id":77,"method":"tools/call","params":{"name":"echo"}}`];
  yield ['jsonrpc twice', `{"jsonrpc":"2.0","jsonrpc":"2.0","id":${ID},"method":"tools/call","params":{"name":"echo"}}`];
  yield ['a key of the arguments twice', call('{"name":"echo","arguments":{"a":1,"a":2,"marker":1}}')];
  yield ['a key deep in the arguments twice', call('{"name":"echo","arguments":{"a":[{"b":{"c":1,"d":2,"\\u0063":3}}],"marker":1}}')];
  yield ['an unknown member twice', call('{"name":"echo","arguments":{"marker":1}}', ',"x":1,"x":2')];
  yield ['_meta twice', call('{"name":"echo","_meta":{},"_meta":{"marker":1}}')];
}

function* cases() {
  for (const twin of twins.name) {
    yield [`case twin ${twin} after name`, call(`{"name":"echo","${twin}":"admin_reset","arguments":{}}`)];
    yield [`case twin ${twin} before name`, call(`{"${twin}":"admin_reset","name":"echo","arguments":{}}`)];
    yield [`case twin ${twin} alone`, call(`{"${twin}":"admin_reset","arguments":{}}`)];
  }
  for (const twin of twins.method) {
    yield [`case twin ${twin} after method`, `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","${twin}":"ping","params":${denied}}`];
    yield [`case twin ${twin} says tools/call beside ping`, `{"jsonrpc":"2.0","id":${ID},"method":"ping","${twin}":"tools/call","params":${denied}}`];
    yield [`case twin ${twin} alone`, `{"jsonrpc":"2.0","id":${ID},"${twin}":"tools/call","params":${denied}}`];
  }
  for (const twin of twins.params) {
    yield [`case twin ${twin}`, `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","params":{"name":"echo"},"${twin}":${denied}}`];
    yield [`case twin ${twin} alone`, `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","${twin}":${denied}}`];
  }
  for (const twin of twins.arguments) {
    yield [`case twin ${twin}`, call(`{"name":"echo","arguments":{},"${twin}":{"marker":1}}`)];
  }
  for (const twin of [...twins.id, ...twins.jsonrpc]) {
    yield [`case twin ${twin}`, call('{"name":"echo","arguments":{"marker":1}}', `,"${twin}":3`)];
  }
  for (const twin of [...twins._meta, ...twins.task]) {
    yield [`case twin ${twin}`, call(`{"name":"echo","arguments":{"marker":1},"${twin}":{}}`)];
  }
  yield ['a case twin written with escapes', call('{"name":"echo","\\u004eame":"admin_reset","arguments":{}}')];
  yield ['a Kelvin sign and a long s written with escapes', `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","param\\u017f":${denied},"params":{"name":"echo"}}`];
}

function* names() {
  const spelled = {
    'as it is': '"admin_reset"', 'with escapes': '"\\u0061dmin_reset"', 'upper case': '"Admin_Reset"', 'all upper case': '"ADMIN_RESET"',
    'a blank behind': '"admin_reset "', 'a blank before': '" admin_reset"', 'a tab behind': '"admin_reset\\t"', 'a line end behind': '"admin_reset\\n"',
    'fullwidth': '"ａｄｍｉｎ＿ｒｅｓｅｔ"', 'zero-width inside': '"admin\u200b_reset"', 'a soft hyphen': '"admin\u00ad_reset"',
    'NUL behind': '"admin_reset\\u0000"', 'NUL and more behind': '"echo\\u0000admin_reset"', 'NUL inside': '"admin\\u0000_reset"',
    'combining': '"admin_rese\u0301t"', 'Cyrillic a': '"\u0430dmin_reset"', 'a lone surrogate': '"admin_reset\\ud800"', 'a lone low surrogate': '"\\udc00admin_reset"',
    'a prefix': '"demo__admin_reset"', 'another prefix': '"demo/admin_reset"', 'a path': '"./admin_reset"', 'long s': '"admin_re\u017fet"', 'BOM inside': '"\ufeffadmin_reset"',
    'bidi': '"\u202eteser_nimda"', 'percent': '"admin%5freset"', 'empty': '""', 'a star': '"*"', 'a glob': '"admin_*"',
  };
  for (const [how, name] of Object.entries(spelled)) yield [`the name ${how}`, call(`{"name":${name},"arguments":{"marker":1}}`)];
  for (const value of ['null', 'true', '0', '1e400', '{}', '[]', '["admin_reset"]', '{"name":"admin_reset"}']) {
    yield [`the name is ${value}`, call(`{"name":${value},"arguments":{"marker":1}}`)];
  }
  yield ['no name', call('{"arguments":{"marker":1}}')];
}

function* types() {
  for (const params of ['null', 'true', '7', '"admin_reset"', '[]', '["admin_reset"]', `[${denied}]`]) yield [`params are ${params}`, call(params)];
  yield ['no params', `{"jsonrpc":"2.0","id":${ID},"method":"tools/call"}`];
  for (const args of ['true', '7', '"x"', '[]', '[{"marker":1}]']) yield [`arguments are ${args}`, call(`{"name":"echo","arguments":${args},"marker":1}`)];
  for (const method of ['null', '7', '["tools/call"]', '{"tools/call":1}', 'true']) {
    yield [`the method is ${method}`, `{"jsonrpc":"2.0","id":${ID},"method":${method},"params":${denied}}`];
  }
  for (const method of ['tools\\/call', 'tools\\u002fcall', '\\u0074ools/call', 'tools/call\\u0000', 'tools/call\\u0000x']) {
    yield [`the method is spelled ${JSON.stringify(method)}`, `{"jsonrpc":"2.0","id":${ID},"method":"${method}","params":${denied}}`];
  }
  for (const version of ['"1.0"', '"2"', '2.0', 'null', '"2.0 "', '["2.0"]']) {
    yield [`jsonrpc is ${version}`, `{"jsonrpc":${version},"id":${ID},"method":"tools/call","params":${denied}}`];
  }
  yield ['no jsonrpc', `{"id":${ID},"method":"tools/call","params":${denied}}`];
  yield ['a call that is an answer, too', `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","params":${denied},"result":{}}`];
  yield ['a call that is an error, too', `{"jsonrpc":"2.0","id":${ID},"method":"tools/call","params":${denied},"error":{"code":1,"message":"x"}}`];
}

function* documents() {
  const good = `{"jsonrpc":"2.0","id":${ID},"method":"ping"}`;
  const bad = call(denied);
  yield ['two documents in a line', good + bad];
  yield ['two documents with a blank', `${good} ${bad}`];
  yield ['two documents with a comma', `${good},${bad}`];
  yield ['two documents with CR', `${good}\r${bad}`];
  yield ['a document and garbage', call('{"name":"echo","arguments":{"marker":1}}') + 'x'];
  yield ['a document and NUL', call('{"name":"echo","arguments":{"marker":1}}') + '\u0000'];
  yield ['a byte order mark', '\ufeff' + bad];
  yield ['record separator before', '\u001e' + bad];
  yield ['a batch of one', `[${bad}]`];
  yield ['a batch of two', `[${good},${bad}]`];
  yield ['a batch in a batch', `[[${bad}]]`];
  yield ['an empty batch', '[]'];
  yield ['a comment', call(denied, '/* "method":"ping" */')];
  yield ['a trailing comma', call('{"name":"echo","arguments":{"marker":1},}')];
  yield ['single quotes', `{'jsonrpc':'2.0','id':${ID},'method':'tools/call','params':{'name':'admin_reset'}}`];
  yield ['an unquoted key', `{"jsonrpc":"2.0","id":${ID},method:"tools/call","params":${denied}}`];
  yield ['NUL in a key', call('{"name\\u0000x":"echo","name":"echo","arguments":{"marker":1}}')];
  yield ['a lone surrogate in a key', call('{"name":"echo","\\ud800":"x","arguments":{"marker":1}}')];
  for (const number of ['NaN', 'Infinity', '-Infinity', '01', '.5', '5.', '+1', '0x10', '1e', '--1', '1_000']) {
    yield [`the number ${number}`, call(`{"name":"echo","arguments":{"marker":1,"n":${number}}}`)];
  }
  yield ['nested too deep', call(`{"name":"echo","arguments":{"marker":1,"n":${'['.repeat(100)}${']'.repeat(100)}}}`)];
  yield ['an open string', call('{"name":"echo","arguments":{"marker":"1}}')];
  yield ['a raw control in a string', call('{"name":"echo","arguments":{"marker":"a\tb"}}')];
  yield ['a wrong escape', call('{"name":"echo","arguments":{"marker":"\\x41"}}')];
  yield ['half a \\u escape', call('{"name":"echo","arguments":{"marker":"\\u00"}}')];
  yield ['just a word', 'tools/call'];
  yield ['just a number', '1'];
  yield ['just null', 'null'];
  yield ['just a string', '"tools/call"'];
  yield ['a cut document', bad.slice(0, -1)];
}

function* bytes() {
  const [before, after] = call('{"name":"echo","arguments":{"marker":"#"}}').split('#');
  const sequences = {
    'a raw 0xFF': [0xff], 'a lone continuation': [0x80], 'an overlong /': [0xc0, 0xaf], 'an overlong NUL': [0xc0, 0x80], 'a surrogate as UTF-8': [0xed, 0xa0, 0x80],
    'above U+10FFFF': [0xf4, 0x90, 0x80, 0x80], 'a cut sequence': [0xe2, 0x82], 'Latin-1': [0xe9], 'a raw NUL': [0x00], 'five bytes': [0xf8, 0x88, 0x80, 0x80, 0x80],
  };
  for (const [what, sequence] of Object.entries(sequences)) {
    yield [what, Buffer.concat([Buffer.from(before), Buffer.from(sequence), Buffer.from(after)])];
  }
  yield ['UTF-16', Buffer.from(call(denied), 'utf16le')];
  yield ['a raw NUL before the line', Buffer.concat([Buffer.from([0]), Buffer.from(call(denied))])];
  const [nameBefore, nameAfter] = call('{"name":"#","arguments":{}}').split('#');
  yield ['an overlong name', Buffer.concat([Buffer.from(nameBefore), Buffer.from([0xc1, 0xa1]), Buffer.from('dmin_reset' + nameAfter)])];
}

function* ids() {
  for (const id of ['null', 'true', '{}', '[]', '[1]', '1.5', '1e2', '-0.0', '1E400', `"${'x'.repeat(129)}"`, '9'.repeat(200)]) {
    yield [`the id ${id.slice(0, 12)}`, `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"marker":1}}}`];
  }
}

const asBytes = (line, id) => (typeof line === 'string' ? Buffer.from(line.replaceAll(ID, String(id))) : replaceId(line, id));

function replaceId(buffer, id) {
  const at = buffer.indexOf(`"id":${ID}`);
  return at < 0 ? buffer : Buffer.concat([buffer.subarray(0, at + 5), Buffer.from(String(id)), buffer.subarray(at + 5 + ID.length)]);
}

/** [{group, what, line(id)}] - line gives the bytes without line end. */
export const attacks = Object.entries({ duplicates, cases, names, types, documents, bytes, ids })
  .flatMap(([group, list]) => [...list()].map(([what, line]) => ({ group, what, line: (id) => asBytes(line, id) })));

/** One random change of a line: bytes flipped, cut, doubled, letters escaped, case changed, members repeated. */
export function mutate(line, rnd) {
  const at = Math.floor(rnd() * line.length);
  const to = Math.min(line.length, at + 1 + Math.floor(rnd() * 12));
  const letter = line[at];
  const changes = [
    () => line.slice(0, at) + line.slice(to),
    () => line.slice(0, at) + line.slice(at, to) + line.slice(at),
    () => line.slice(0, at) + (letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase()) + line.slice(at + 1),
    () => line.slice(0, at) + `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` + line.slice(at + 1),
    () => line.slice(0, at) + String.fromCharCode(Math.floor(rnd() * 0x300)).replace('\n', ' ') + line.slice(at),
    () => line.replace(/("[^"]+":)("[^"]*")/g, (all, key, value) => (rnd() < 0.3 ? `${key}"x",${key}${value}` : all)),
    () => line.replace(/,/g, (comma) => (rnd() < 0.1 ? ',"Name":"echo",' : comma)),
    () => line.replace(/[{,]/g, (c) => (rnd() < 0.1 ? `${c}"method":"ping",`.replace(',,', ',') : c)),
  ];
  return changes[Math.floor(rnd() * changes.length)]();
}

/** As lenient readers see a key: by any case, and cut at a NUL. */
const fold = (key) => key.split('\0')[0].replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase().trim();

/** Could some reader, however lenient, see a call of the denied tool in these bytes? */
export function couldCallDenied(text) {
  const token = '"(?:[^"\\\\]|\\\\.)*"';
  const members = [...text.matchAll(new RegExp(`(${token})\\s*:\\s*(${token})`, 'g'))].map(([, key, value]) => {
    try {
      return [fold(JSON.parse(key)), JSON.parse(value).split('\0')[0]];
    } catch {
      return [key, value];
    }
  });
  const has = (key, value) => members.some((m) => m[0] === key && m[1] === value);
  return has('method', 'tools/call') && has('name', 'admin_reset');
}
