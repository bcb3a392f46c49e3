// layers - includes go down only: base <- data <- domain <- store; base <- net; shim and broker stand on all of shared and never
// include each other; domain does no I/O and reads no clock; a foreign library is included where it belongs and nowhere else.
import { lines, main, sources } from './files.mjs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const shared = ['base', 'data', 'domain', 'store', 'net'];

// Folder -> the folders it may include from, as they are written in an #include. A subfolder follows its parent.
const mayInclude = {
  'shared/base': ['base'],
  'shared/data': ['base', 'data'],
  'shared/domain': ['base', 'data', 'domain'],
  'shared/store': ['base', 'data', 'domain', 'store'],
  'shared/net': ['base', 'net'],
  shim: [...shared, 'shim'],
  broker: [...shared, 'broker'],
  'contrib/demo': ['base', 'data', 'contrib/demo'],
};

// <header> -> the folders that may use it.
const libraries = [
  [/^sqlite3/, ['shared/store']],
  [/^yaml\.h/, ['shared/data', 'shared/domain']],
  [/^json(-c|_|\.h)/, ['shared/data', 'shared/domain', 'shim', 'broker']],
  [/^sodium/, ['shared/data', 'shared/base']],
  [/^curl\/urlapi\.h/, ['shared/data']],  // its parser of URLs, which does no I/O
  [/^curl\//, ['shared/net', 'shim', 'broker']],
  [/^microhttpd/, ['broker', 'contrib/demo']],
  [/^openssl\//, ['broker']],
];

// What domain must stay free of: files, sockets, processes, clocks, logs.
const impure = /^(<(unistd|fcntl|dirent|poll|spawn|time|threads|pthread|netdb|sys\/(?!types\.h).*|arpa\/.*|netinet\/.*)(\.h)?>|"base\/(clock|path|log)\.h")$/;
// ... but for the reading of the file itself and of the secrets it names, which config.h promises.
const readers = /^shared\/domain\/config_(load|find|file|secret)\w*\.c$/;

const rooms = Object.keys(mayInclude).sort((a, b) => b.length - a.length);
const roomOf = (path) => rooms.find((room) => path.startsWith(`${room}/`));

function judge(path, text) {
  const room = roomOf(path);
  const [, open, name] = text.match(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/) ?? [];
  if (!name || !room) return null;
  if (open === '<') {
    const [, homes] = libraries.find(([pattern]) => pattern.test(name)) ?? [];
    if (homes && !homes.includes(room)) return `<${name}> belongs to ${homes.join(', ')}, not to ${room}`;
  } else if (!name.includes('/')) {
    return `"${name}" must be written with its folder`;
  } else if (!mayInclude[room].some((folder) => name.startsWith(`${folder}/`))) {
    return `${room} must not include "${name}": ${room} stands on ${mayInclude[room].join(', ')}`;
  }
  if (room === 'shared/domain' && !readers.test(path) && impure.test(`${open}${name}${open === '<' ? '>' : '"'}`))
    return `domain does no I/O and reads no clock, but includes ${name}`;
  return null;
}

export function check(root) {
  const files = Object.keys(mayInclude).flatMap((room) => sources(root, room, ['.c', '.h']));
  const problems = files.flatMap((path) =>
    lines(root, path).flatMap((text, i) => {
      const why = judge(path, text);
      return why ? [`${path}:${i + 1}: ${why}`] : [];
    }),
  );
  return { problems, summary: `layers: ${files.length} files in ${new Set(files.map(dirname)).size} folders` };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(check);
