// Makes the page one file that works offline: styles, scripts, the module and examples are in it, and its security
// policy allows exactly those and no connection.
//
//   node examples/web/build.mjs MODULE.wasm FOLDER OUT.html
//
// FOLDER holds NAME.key and NAME.ciro for each example; see examples.json.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const here = (name) => new URL(name, import.meta.url);
const read = (name) => readFileSync(here(name), 'utf8');
const base64 = (path) => readFileSync(path).toString('base64');
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const npm = '../../bindings/wasm/npm';

/** Modules become one: what they import from each other is in the same scope. */
export function joined(...names) {
  const bodies = names.map((name) => read(name).replace(/^import [^;]*;\n/gm, '').replace(/^export (?=(async )?(function|class|const))/gm, ''));
  return bodies.join('\n');
}

function page(module, folder) {
  const examples = JSON.parse(read('examples.json')).filter(({ name }) => existsSync(`${folder}/${name}.key`));
  const data = examples.map(({ name, title }) => ({
    name,
    title,
    key: base64(`${folder}/${name}.key`),
    proof: base64(`${folder}/${name}.ciro`),
  }));
  const style = `${read(`${npm}/show.css`)}${read('src/page.css')}`;
  const script = joined(`${npm}/index.js`, `${npm}/show.js`, 'src/page.js');
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const put = {
    POLICY: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    STYLE: `<style>${style}</style>`,
    DATA: `<script type="application/octet-stream" id="module">${base64(module)}</script>
<script type="application/json" id="examples">${JSON.stringify(data)}</script>`,
    SCRIPT: `<script type="module">${script}</script>`,
  };
  return read('src/page.html').replace(/<!-- ([A-Z]+) -->/g, (_, name) => put[name]);
}

if (process.argv[1] === here('build.mjs').pathname) {
  const [module, folder, out] = process.argv.slice(2);
  if (!out) {
    process.stderr.write('usage: node examples/web/build.mjs MODULE.wasm FOLDER OUT.html\n');
    process.exit(2);
  }
  writeFileSync(out, page(module, folder));
}
