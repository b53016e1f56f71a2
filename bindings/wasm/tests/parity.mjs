// Asks the module what tests/it/parity.rs has asked the library, and compares the answers as texts.
//
//   node parity.mjs MODULE.wasm CASES.jsonl
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [module, cases] = process.argv.slice(2);
const compiled = new WebAssembly.Module(readFileSync(module));
const { memory, ciro_room, ciro_call, ciro_answer, ciro_answer_len } = new WebAssembly.Instance(compiled, {}).exports;
const text = new TextDecoder();

function put(room, bytes) {
  const address = ciro_room(room, bytes.length) >>> 0;
  if (address) new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
}

let count = 0;
const others = [];
for await (const line of createInterface({ input: createReadStream(cases) })) {
  const { name, asked, key, proof, answer } = JSON.parse(line);
  put(0, Buffer.from(asked));
  put(1, Buffer.from(key, 'hex'));
  put(2, Buffer.from(proof, 'hex'));
  ciro_call(0);
  const found = text.decode(new Uint8Array(memory.buffer, ciro_answer() >>> 0, ciro_answer_len()));
  if (found !== answer) others.push(`${name}, line ${count}: ${found.slice(0, 500)} instead of ${answer.slice(0, 500)}`);
  count += 1;
}
process.stdout.write(others.length ? `${others.slice(0, 10).join('\n')}\n${others.length} of ${count} differ\n` : `${count} answers, all the same\n`);
process.exitCode = others.length ? 1 : 0;
