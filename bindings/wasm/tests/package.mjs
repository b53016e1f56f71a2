// Tests the npm package as it is published, in Node; Deno and browsers run the same file.
//
//   node package.mjs PACKAGE FOLDER
//
// PACKAGE is the folder of the package, FOLDER holds NAME.key and NAME.ciro, hiding.key and hiding.ciro
// among them, and logreg_iris.json.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { brotliCompressSync, constants } from 'node:zlib';
import test from 'node:test';

const [folder, proofs] = process.argv.slice(2).map((path) => resolve(path));
const address = pathToFileURL(join(folder, 'index.js')).href;
const { CiroError, InvalidProofError, Verifier, encodeInput, inspectKey, verify, verifyReceipt } = await import(address);
const file = (name) => new Uint8Array(readFileSync(join(proofs, name)));
const [key, proof, input] = ['logreg_iris.key', 'logreg_iris.ciro', 'logreg_iris.json'].map(file);
const refused = (code, check) => (error) => {
  assert.ok(error instanceof CiroError, String(error));
  assert.deepEqual([error.code, error.check], [code, check]);
  return true;
};

/** A module with the exports of ours, whose every call is a trap. */
function trapping() {
  const section = (id, ...items) => {
    const body = [items.length, ...items.flat()];
    return [id, body.length, ...body];
  };
  const [number, [end, constant, unreachable]] = [0x7f, [0x0b, 0x41, 0x00]];
  const type = (...parameters) => [0x60, parameters.length, ...parameters, 1, number];
  const body = (...code) => [code.length + 2, 0, ...code, end];
  const exported = (name, kind, at) => [name.length, ...Buffer.from(name), kind, at];
  const names = ['ciro_room', 'ciro_call', 'ciro_answer', 'ciro_answer_len', 'ciro_version'];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, type(), type(number, number), type(number)),
    ...section(3, [1], [2], [0], [0], [0]),
    ...section(5, [0, 1]),
    ...section(7, exported('memory', 2, 0), ...names.map((name, at) => exported(name, 0, at))),
    ...section(10, body(constant, 0), body(unreachable), body(constant, 0), body(constant, 0), body(constant, 1)),
  ]);
}

/** The most bytes of each module as it travels, compressed. */
const BROTLI_MAX = JSON.parse(readFileSync(new URL('./sizes.json', import.meta.url), 'utf8'));

for (const [name, most] of Object.entries(BROTLI_MAX)) {
  test(`${name} imports nothing and has at most ${most} bytes as it travels`, () => {
    const bytes = readFileSync(join(folder, name));
    assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), []);
    const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    const { length } = brotliCompressSync(bytes, { params });
    process.stdout.write(`# ${name}: ${bytes.length} bytes, ${length} compressed with brotli\n`);
    assert.ok(length <= most, `${length} bytes`);
  });
}

test('a valid proof says what went in and came out', async () => {
  const verified = await verify(key, proof, { input });
  assert.deepEqual([verified.route, verified.preset, verified.inputChecked, verified.clamped], ['tensor', 'standard', true, 0]);
  assert.deepEqual([verified.hides, verified.samples[0].committed], [false, []]);
  const [{ inputs, outputs }] = verified.samples;
  assert.ok(inputs[0].values instanceof Float64Array && outputs[0].integers instanceof Int32Array);
  assert.ok(verified.securityBits >= 100);
});

test('an input is taken in every form', async () => {
  const held = JSON.parse(new TextDecoder().decode(input));
  const row = held.input_data[0].flat();
  for (const form of [new TextDecoder().decode(input), held, held.input_data, [Float64Array.from(row)], [[row]]]) {
    assert.equal((await verify(key, proof, { input: form })).inputChecked, true);
  }
  await assert.rejects(verify(key, proof, { input: [[5, 3, 1.5, 0.1]] }), refused('invalid_proof', 'inputs'));
  await assert.rejects(verify(key, proof, { input: [[1, 2]] }), refused('input'));
  await assert.rejects(verify(key, proof, { input: [[1, 2, 3, Infinity]] }), refused('input'));
});

test('what is asked of a proof is asked', async () => {
  const one = '1'.padStart(64, '0');
  await assert.rejects(verify(key, proof, { context: one }), refused('invalid_proof', 'context'));
  assert.equal((await verify(key, proof, { context: '0'.repeat(64) })).contextChecked, true);
  await assert.rejects(verify(key, proof, { policy: { minProvenBits: 100 } }), refused('invalid_proof', 'security'));
  await assert.rejects(verify(key, proof, { polcy: {} }), refused('argument'));
  await assert.rejects(verify('key', proof), refused('argument'));
});

test('a proof of another model and a damaged one are not valid', async () => {
  await assert.rejects(verify(key, file('mlp_mnist.ciro')), refused('invalid_proof', 'model_key'));
  const forged = proof.slice();
  forged[forged.length - 40] ^= 1;
  await assert.rejects(verify(key, forged), (error) => error instanceof InvalidProofError);
  await assert.rejects(verify(key, new Uint8Array((64 << 20) + 1)), refused('invalid_proof', 'format'));
  await assert.rejects(verify(proof, proof), refused('key'));
});

test('a key says what its model takes, and an input becomes its integers', async () => {
  const { inputs, entries } = await inspectKey(new Blob([key]));
  assert.deepEqual(inputs[0].shape, [1, 4]);
  assert.equal(entries[0].batch, 1);
  const { samples, digest, statement } = await encodeInput(key, input);
  assert.equal(samples[0].tensors[0].integers.length, 4);
  assert.equal(digest.length, 64);
  assert.equal(new TextDecoder().decode(statement.subarray(0, 8)), 'CIROINPT');
});

test('a proof and a key say whether they hide, and what is committed', async () => {
  const { hides, samples } = await verify(file('hiding.key'), file('hiding.ciro'));
  assert.deepEqual([hides, samples[0].inputs, samples[0].committed.length], [true, null, 1]);
  assert.match(samples[0].committed[0].commitment, /^[0-9a-f]{64}$/);
  const { entries, leftOut } = await inspectKey(file('hiding.key'));
  assert.deepEqual([entries.map((entry) => entry.hides), leftOut], [[true], []]);
  await assert.rejects(verify(key, file('hiding.ciro')), refused('invalid_proof', 'model_key'));
});

test('a receipt is decided by the genesis', async () => {
  await assert.rejects(verifyReceipt(new Uint8Array(4), new Uint8Array(4)), refused('genesis'));
  await assert.rejects(verifyReceipt(new Uint8Array(4), new Uint8Array(4), { pin: '12' }), refused('argument'));
  const small = await Verifier.load(pathToFileURL(join(folder, 'ciro.wasm')));
  assert.throws(() => small.verifyReceipt(new Uint8Array(4), new Uint8Array(4)), refused('stopped'));
});

test('a module that stops has verified nothing, and the next call has a new instance', () => {
  const verifier = new Verifier(new WebAssembly.Module(trapping()));
  for (let round = 0; round < 2; round += 1) assert.throws(() => verifier.verify(key, proof), refused('stopped'));
});

test('something else is no module of this package', async () => {
  await assert.rejects(Verifier.load(new Uint8Array(8)), refused('module'));
  await assert.rejects(Verifier.load(pathToFileURL(join(folder, 'nothing.wasm'))), refused('module'));
  await assert.rejects(Verifier.load(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)), refused('module'));
});

test('it runs in a worker', async () => {
  const script = `import { verify } from ${JSON.stringify(address)};
import { parentPort, workerData } from 'node:worker_threads';
parentPort.postMessage((await verify(workerData.key, workerData.proof)).securityBits);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { workerData: { key, proof } });
  const bits = await new Promise((done, failed) => worker.once('message', done).once('error', failed));
  assert.ok(bits >= 100);
});

test('the time of two hundred verifications is told', async () => {
  const verifier = await Verifier.load(pathToFileURL(join(folder, 'ciro.wasm')));
  const times = [];
  for (let round = 0; round < 200; round += 1) {
    const start = performance.now();
    verifier.verify(key, proof);
    times.push(performance.now() - start);
  }
  const sorted = times.slice().sort((a, b) => a - b);
  process.stdout.write(`# first ${times[0].toFixed(1)} ms, median ${sorted[100].toFixed(2)} ms, best ${sorted[0].toFixed(2)} ms\n`);
});
