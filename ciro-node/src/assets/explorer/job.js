// @ts-check
// One job: its stages, its receipt, and the verification of both in this browser.

import { element, show } from './show.js';
import { InvalidProofError, Verifier } from './index.js';
import { bytes, get } from './network.js';
import { badge, facts, link, money } from './views.js';

/** @param {string} id @returns {Promise<Node[]>} */
export async function job(id) {
  const found = await get(`/v1/jobs/${encodeURIComponent(id)}`);
  const { order, receipt, held } = found;
  const settled = receipt?.outcome.state === 'settled' ? receipt.outcome : null;
  /** @type {[string, ...(Node | string)[]][]} */
  const rows = [
    ['State', badge(found.state), ' ', badge(found.finality)],
    ['Id', element('code', {}, id)],
    ['Model', link('model', order.model, order.model)],
    ['Requester', link('account', found.requester, found.requester)],
    ['Attempt', String(found.attempt)],
  ];
  if (settled) rows.push(['Provider', `number ${settled.provider}`], ['Price', money(settled.price)], ['Refund', money(receipt.refund)]);
  else if (held) rows.push(['Provider', `number ${held.provider}`], ['Price', money(held.price)]);
  if (receipt?.outcome.state === 'refunded') rows.push(['Reason', receipt.outcome.reason]);
  const parts = [element('div.card', {}, facts(...rows)), element('h2', {}, 'Stages'), element('div.card', {}, stages(found))];
  if (receipt) parts.push(element('h2', {}, 'Receipt'), await receiptCard(id, found));
  return parts;
}

/** Where the time of a job went. @param {any} found @returns {HTMLElement} */
function stages({ opened_ms, held, receipt }) {
  const claimed = receipt?.outcome.claimed_ms ?? held?.claimed_ms;
  const ended = receipt?.ended_ms;
  /** @type {[string, number | undefined, number | undefined][]} */
  const spans = [
    ['waits for a provider', opened_ms, claimed ?? ended],
    ['proof, and its check', claimed, ended],
  ];
  const last = ended ?? claimed ?? opened_ms;
  const whole = Math.max(1, last - opened_ms);
  const items = spans.map(([name, from, to]) => {
    const part = element('span.part');
    const known = from !== undefined && to !== undefined;
    if (known) {
      part.style.left = `${(100 * (from - opened_ms)) / whole}%`;
      part.style.width = `${(100 * (to - from)) / whole}%`;
    }
    const time = known ? `${(to - from).toLocaleString('en')} ms` : from === undefined ? '–' : '…';
    return element(known ? 'li' : 'li.waits', {}, element('span', {}, name), element('span.bar', { 'aria-hidden': 'true' }, ...(known ? [part] : [])), element('span.time', {}, time));
  });
  return element('ul.stages', {}, ...items);
}

/** @param {string} id @param {any} found @returns {Promise<HTMLElement>} */
async function receiptCard(id, found) {
  const { receipt } = found;
  const answer = element('div', { 'aria-live': 'polite' });
  const download = element('a', { href: `/v1/jobs/${encodeURIComponent(id)}/receipt`, download: 'job.receipt' }, 'receipt');
  const files = [download];
  const settled = receipt.outcome.state === 'settled';
  if (settled) files.push(element('a', { href: `/v1/blobs/${receipt.outcome.bundle}`, download: 'proof.ciro' }, 'proof'));
  const actions = element('div.actions');
  const rows = facts(['Key', element('code', {}, receipt.key)], ['Input', element('code', {}, receipt.input)], ['Block', link('block', String(receipt.height))], ['Files', ...files.flatMap((file, at) => (at ? [' · ', file] : [file]))]);
  const card = element('div.card', {}, rows, actions, answer);
  const module = await fetch('/explorer/ciro-network.wasm', { method: 'HEAD' });
  if (!module.ok) {
    actions.append(element('span', {}, 'To verify it: ', element('code', {}, 'ciro verify-receipt job.receipt --genesis genesis.json')));
    return card;
  }
  const button = (/** @type {string} */ text, /** @type {boolean} */ tamper) => {
    const made = /** @type {HTMLButtonElement} */ (element(tamper ? 'button.quiet' : 'button', { type: 'button', 'data-verify': tamper ? 'tampered' : 'true' }, text));
    made.addEventListener('click', async () => {
      made.disabled = true;
      answer.replaceChildren(await checked(id, found, tamper));
      made.disabled = false;
    });
    return made;
  };
  actions.append(button('Verify in this browser', false));
  if (settled) actions.append(button('Verify a tampered proof', true));
  return card;
}

/** @type {Promise<Verifier> | undefined} */
let loading;

/** Fetches receipt, key and proof, and verifies them here. @param {string} id @param {any} found @param {boolean} tamper @returns {Promise<HTMLElement>} */
async function checked(id, found, tamper) {
  const tell = (/** @type {string} */ kind, /** @type {string} */ title, /** @type {string} */ text, /** @type {Node[]} */ ...more) =>
    element(`div.verdict.${kind}`, { 'data-verdict': kind }, element('b', {}, title), text, ...more);
  try {
    loading ??= Verifier.load('/explorer/ciro-network.wasm');
    const light = await loading;
    const { outcome, key } = found.receipt;
    const [{ genesis }, receipt, { card }] = await Promise.all([get('/v1/chain'), bytes(`/v1/jobs/${encodeURIComponent(id)}/receipt?wait=20s`), get(`/v1/models/${encodeURIComponent(found.order.model)}`)]);
    const encoded = new TextEncoder().encode(JSON.stringify(genesis));
    if (outcome.state !== 'settled') {
      const { height } = light.verifyReceipt(encoded, receipt);
      return tell('valid', 'Certified', `The validators certified this receipt, as of block ${height}.`);
    }
    const entry = card.keys.find((/** @type {any} */ it) => it.facts.digest === key);
    if (!entry) throw new Error('the model has no such key');
    const proof = await bytes(`/v1/blobs/${outcome.bundle}`);
    if (tamper) {
      const at = Math.floor(Math.random() * proof.length);
      proof[at] = (proof[at] ?? 0) ^ 1;
    }
    const { height, proof: proven } = light.verifyReceipt(encoded, receipt, { key: fromHex(entry.bytes), proof });
    if (!proven) throw new Error('the proof was not looked at');
    const text = `Certified as of block ${height}, and the proof holds: ${proven.securityBits} bits, verified here in ${proven.verifyMs.toFixed(1)} ms. The genesis and the key came from this node: compare them with those that you trust.`;
    return tell('valid', 'Valid', text, show(proven));
  } catch (error) {
    const invalid = error instanceof InvalidProofError || /** @type {any} */ (error)?.code === 'receipt';
    return tell(invalid ? 'invalid' : 'failed', invalid ? 'Not valid' : 'Not verified', error instanceof Error ? error.message : String(error));
  }
}

/** @param {string} digits `0x` and hexadecimal digits. @returns {Uint8Array} */
function fromHex(digits) {
  return Uint8Array.from(digits.slice(2).match(/../g) ?? [], (byte) => parseInt(byte, 16));
}
