// @ts-check
import { CiroError, InvalidProofError, Verifier } from '../../../bindings/wasm/npm/index.js';
import { element, plural, show } from '../../../bindings/wasm/npm/show.js';

/** @typedef {{ name: string, bytes: Uint8Array }} Chosen */
/** @typedef {'key' | 'proof' | 'input'} Kind */

/** No file of these kinds is larger; more is not read at all. */
const BYTES_MAX = 64 << 20;

/** @type {Partial<Record<Kind, Chosen>>} */
const files = {};
const ready = Verifier.load(inlined('module'));

/** @param {string} id @returns {any} */
function by(id) {
  return document.getElementById(id);
}

/** The bytes that the page carries. @param {string} id @returns {Uint8Array} */
function inlined(id) {
  const text = atob(by(id).textContent.trim());
  return Uint8Array.from(text, (digit) => digit.charCodeAt(0));
}

/** @param {Kind} kind @param {Chosen | undefined} chosen */
function put(kind, chosen) {
  if (chosen) files[kind] = chosen;
  else delete files[kind];
  by(`drop-${kind}`).classList.toggle('full', Boolean(chosen));
  const state = by(`${kind}-state`);
  if (chosen) state.textContent = `${chosen.name} · ${size(chosen.bytes.length)}`;
  else if (kind === 'input') state.textContent = 'Drop a .json or .npy file to compare';
}

/** @param {number} bytes @returns {string} */
function size(bytes) {
  return bytes < 1000 ? plural(bytes, 'byte') : bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Takes files that were dropped anywhere, each to where its name belongs. @param {Iterable<File>} dropped @param {Kind} [place] */
async function take(dropped, place) {
  for (const file of dropped) {
    const kind = place ?? kindOf(file.name);
    if (file.size > BYTES_MAX) {
      return tell('failed', `${file.name} is too large`, `It has ${size(file.size)}, and no such file has more than ${size(BYTES_MAX)}.`);
    }
    put(kind, { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  }
  await check();
}

/** @param {string} name @returns {Kind} */
function kindOf(name) {
  if (name.endsWith('.key')) return 'key';
  return name.endsWith('.json') || name.endsWith('.npy') ? 'input' : 'proof';
}

/** Verifies what is there, and shows what comes of it. */
async function check() {
  const { key, proof, input } = files;
  by('answer').replaceChildren();
  const known = await describeModel();
  if (!key || !proof || !known) return;
  const text = (/** @type {string} */ id) => by(id).value.trim() || undefined;
  try {
    const verified = (await ready).verify(key.bytes, proof.bytes, {
      input: input?.bytes,
      blinding: text('blinding'),
      context: text('context'),
      policy: by('proven').checked ? { minProvenBits: 100 } : {},
    });
    showValid(verified);
  } catch (error) {
    showFailure(error);
  }
}

/** @param {import('../../../bindings/wasm/npm/index.js').Verified} verified */
function showValid(verified) {
  const about = verified.inputChecked ? 'your input' : 'the input below';
  const meaning = `The model of this key, and no other, gave the output below to ${about}.`;
  const facts = [
    ['verified in', milliseconds(verified.verifyMs)],
    ['security', `${verified.securityBits} bits${verified.provenSecurityBits >= 100 ? ', proven' : ''}`],
    ['inferences', String(verified.samples.length)],
    ['preset', verified.preset],
    ['execution', verified.hides ? 'hidden' : 'not hidden'],
  ];
  if (verified.clamped) facts.push(['clamped', plural(verified.clamped, 'value')]);
  if (verified.context) facts.push(['context', `${verified.context.slice(0, 16)}…${verified.contextChecked ? ', as asked' : ''}`]);
  const items = facts.map(([name = '', value = '']) => element('li', {}, `${name} `, element('b', {}, value)));
  const tamper = element('button', { type: 'button', id: 'tamper' }, 'Try a tampered copy');
  tamper.addEventListener('click', tampered);
  tell('valid', 'Valid', meaning, element('ul.facts', {}, ...items), element('div.actions', {}, tamper));
  by('answer').append(element('section.card', { 'aria-label': 'what is proven' }, show(verified)));
}

/** @param {unknown} error */
function showFailure(error) {
  const ours = error instanceof CiroError;
  const parts = [];
  if (ours && error.hint) parts.push(element('p', {}, `${error.hint[0]?.toUpperCase()}${error.hint.slice(1)}.`));
  if (error instanceof InvalidProofError) {
    parts.push(element('ul.facts', {}, element('li', {}, 'check ', element('b', {}, error.check))));
    return tell('invalid', 'Not valid', sentence(error.message), ...parts);
  }
  const what = ours && error.code === 'key' ? 'That is no key' : ours && error.code === 'input' ? 'That is no input of this model' : 'Not verified';
  return tell('failed', what, sentence(error instanceof Error ? error.message : String(error)), ...parts);
}

/** @param {string} text @returns {string} */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** @param {number} time @returns {string} */
function milliseconds(time) {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}

/** @param {'valid' | 'invalid' | 'failed'} kind @param {string} title @param {string} meaning @param {...HTMLElement} more */
function tell(kind, title, meaning, ...more) {
  const sign = element('span.sign', { 'aria-hidden': 'true' }, kind === 'valid' ? '✓' : '✕');
  const body = element('div', {}, element('h2', {}, title), element('p', {}, meaning), ...more);
  by('answer').replaceChildren(element(`section.verdict.${kind}`, { 'data-verdict': kind }, sign, body));
}

/** One bit of the proof is another one: what an attacker would have to get away with. */
async function tampered() {
  const { proof } = files;
  if (!proof) return;
  const bytes = proof.bytes.slice();
  const at = Math.floor(Math.random() * bytes.length);
  const bit = Math.floor(Math.random() * 8);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  const original = proof;
  put('proof', { name: `${proof.name}, bit ${bit} of byte ${at.toLocaleString('en')} flipped`, bytes });
  await check();
  const back = element('button', { type: 'button', id: 'restore' }, 'Back to the original');
  back.addEventListener('click', async () => {
    put('proof', original);
    await check();
  });
  document.querySelector('.verdict > div')?.append(element('div.actions', {}, back));
  back.focus();
}

/** Shows what the key says of its model, and whether it is one. */
async function describeModel() {
  const place = by('model');
  place.hidden = true;
  if (!files.key) return false;
  try {
    const { inputs, outputs, entries, modelDigest } = (await ready).inspectKey(files.key.bytes);
    const port = (/** @type {{ name: string, shape: number[] }} */ { name, shape }) =>
      element('div', {}, element('code', {}, name), ` ${shape.join(' × ') || 'one number'}`);
    const row = (/** @type {string} */ name, /** @type {(Node | string)[]} */ ...values) => [element('dt', {}, name), element('dd', {}, ...values)];
    const kinds = entries.map(({ preset, batch, hides, securityBits }) =>
      element('div', {}, `${preset}, ${plural(batch, 'inference')} in a proof, ${securityBits} bits${hides ? ', hiding' : ''}`),
    );
    const list = element(
      'dl',
      {},
      ...row('Takes', ...inputs.map(port)),
      ...row('Gives', ...outputs.map(port)),
      ...row('Proofs', ...kinds),
      ...row('Model', element('code', {}, modelDigest)),
    );
    place.replaceChildren(element('details.card', files.proof ? {} : { open: '' }, element('summary', {}, 'The model of this key'), list));
    place.hidden = false;
    return true;
  } catch (error) {
    showFailure(error);
    return false;
  }
}

/** Examples that the page carries. */
function offerExamples() {
  for (const { title, key, proof, name } of JSON.parse(by('examples').textContent)) {
    const button = element('button', { type: 'button', 'data-example': name }, title);
    button.addEventListener('click', () => {
      const bytes = (/** @type {string} */ text) => Uint8Array.from(atob(text), (digit) => digit.charCodeAt(0));
      put('input', undefined);
      put('key', { name: `${name}.key`, bytes: bytes(key) });
      put('proof', { name: `${name}.ciro`, bytes: bytes(proof) });
      return check();
    });
    by('samples').append(button);
  }
}

function listen() {
  for (const kind of /** @type {Kind[]} */ (['key', 'proof', 'input'])) {
    const drop = by(`drop-${kind}`);
    const chooser = by(kind);
    chooser.addEventListener('change', () => chooser.files && take(chooser.files, kind));
    drop.addEventListener('dragover', () => drop.classList.add('over'));
    for (const end of ['dragleave', 'drop']) drop.addEventListener(end, () => drop.classList.remove('over'));
  }
  for (const id of ['blinding', 'context', 'proven']) by(id).addEventListener('change', check);
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    const target = event.target instanceof Element ? event.target.closest('.drop') : null;
    const dropped = [...(event.dataTransfer?.files ?? [])];
    const place = dropped.length === 1 ? /** @type {Kind | undefined} */ (target?.id.slice('drop-'.length)) : undefined;
    return take(dropped, place);
  });
}

ready.catch(showFailure);
offerExamples();
listen();
