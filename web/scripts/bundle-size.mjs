// Prints what the browser has to load: each built file raw and gzipped, and the first page in total.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const directory = new URL('../dist', import.meta.url).pathname;
const assets = join(directory, 'assets');
const html = readFileSync(join(directory, 'index.html'), 'utf8');
const kib = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(1)} KiB`.padStart(12);

let first = 0;
let all = 0;
for (const name of readdirSync(assets).sort()) {
  const raw = readFileSync(join(assets, name));
  const size = name.endsWith('.woff2') ? raw.length : gzipSync(raw, { level: 9 }).length;
  const initial = html.includes(name);
  all += size;
  if (initial) first += size;
  console.log(`${kib(raw.length)}${kib(size)}  ${name}${initial ? '  (first page)' : ''}`);
}
console.log(`first page ${kib(first).trim()}, everything ${kib(all).trim()}, gzipped`);
