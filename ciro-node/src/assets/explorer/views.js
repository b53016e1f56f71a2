// @ts-check
// Lists and pages of what the ledger holds.

import { element, plural } from './show.js';
import { all, get } from './network.js';

/** How many blocks the overview and the list of blocks show. */
const BLOCKS = 12;

/** @param {string} id @returns {string} */
const short = (id) => (id.length > 20 ? `${id.slice(0, 10)}…${id.slice(-6)}` : id);

/** @param {string} view @param {string} id @param {string} [text] @returns {HTMLElement} */
export function link(view, id, text = short(id)) {
  return element('a.id', { href: `#/${view}/${encodeURIComponent(id)}`, title: id }, text);
}

/** @param {string} state @returns {HTMLElement} */
export const badge = (state) => element(`span.state.${state}`, {}, state);

/** @param {number} time @returns {string} */
export const clock = (time) => new Date(time).toLocaleTimeString('en-GB');

/** An amount without digits that nobody reads. @param {string} amount @returns {string} */
export function money(amount) {
  const value = Number(amount);
  return `${value === 0 || value >= 0.001 ? Number(value.toPrecision(6)) : amount} CIRO`;
}

/**
 * @param {string[]} titles A title that begins with `#` is one of numbers.
 * @param {(Node | string)[][]} rows
 * @param {string} none What to say of no rows.
 * @returns {HTMLElement}
 */
export function list(titles, rows, none) {
  if (rows.length === 0) return element('div.list', {}, element('p.empty', {}, none));
  const kind = (/** @type {number} */ at) => (titles[at]?.startsWith('#') ? '.number' : '');
  const head = titles.map((title, at) => element(`th${kind(at)}`, { scope: 'col' }, title.replace(/^#/, '')));
  const body = rows.map((cells) => element('tr', {}, ...cells.map((cell, at) => element(`td${kind(at)}`, {}, cell))));
  return element('div.list', {}, element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body)));
}

/** @param {[string, ...(Node | string)[]][]} rows @returns {HTMLElement} */
export function facts(...rows) {
  return element('dl', {}, ...rows.flatMap(([name, ...values]) => [element('dt', {}, name), element('dd', {}, ...values)]));
}

/** @param {...[string, string]} tiles @returns {HTMLElement} */
function tiles(...tiles) {
  const tile = ([name, value] = /** @type {[string, string]} */ (['', ''])) => element('div.tile', {}, element('span', {}, name), element('b', {}, value));
  return element('div.tiles', {}, ...tiles.map(tile));
}

/** @param {any} job @returns {(Node | string)[]} */
function jobRow({ job, state, order, requester, opened_ms, receipt, held }) {
  const settled = receipt?.outcome?.state === 'settled' ? receipt.outcome : null;
  const price = settled?.price ?? held?.price;
  const took = receipt ? `${((receipt.ended_ms - opened_ms) / 1000).toFixed(2)} s` : '…';
  return [link('job', job), badge(state), link('model', order.model), link('account', requester), clock(opened_ms), took, price ? money(price) : '–'];
}

/** @param {any[]} found @returns {HTMLElement} */
const jobList = (found) =>
  list(['Job', 'State', 'Model', 'Requester', 'Opened', '#Took', '#Price'], found.map(jobRow), 'No job has been ordered yet.');

/** The last blocks, the newest first. @param {number} count @returns {Promise<any[]>} */
async function lastBlocks(count) {
  const { head } = await get('/v1/chain');
  const heights = Array.from({ length: Math.min(count, head.height) }, (_, at) => head.height - at);
  return Promise.all(heights.map((height) => get(`/v1/blocks/${height}`)));
}

/** @param {any[]} found @returns {HTMLElement} */
function blockList(found) {
  const count = (/** @type {any} */ block, /** @type {string} */ tally) => String(block.transactions.filter((/** @type {any} */ tx) => tx.tally === tally).length);
  const row = (/** @type {any} */ block) => [
    link('block', String(block.height)),
    badge(block.finality),
    clock(block.time_ms),
    String(block.batches),
    count(block, 'consensus'),
    count(block, 'compute'),
  ];
  return list(['Block', 'Finality', 'Time', '#Batches', '#Consensus', '#Compute'], found.map(row), 'There is no block yet.');
}

/** @returns {Promise<Node[]>} */
export async function overview() {
  const [{ head, certified, genesis }, page, known, provers, recent] = await Promise.all([
    get('/v1/chain'),
    get('/v1/jobs?limit=20'),
    all('/v1/models'),
    all('/v1/providers'),
    lastBlocks(BLOCKS),
  ]);
  const settled = provers.reduce((sum, provider) => sum + provider.settled, 0);
  const running = page.items.filter((/** @type {any} */ job) => job.state === 'open' || job.state === 'claimed').length;
  const tally = (/** @type {string} */ kind) => recent.reduce((sum, block) => sum + block.transactions.filter((/** @type {any} */ tx) => tx.tally === kind).length, 0);
  const text = (/** @type {number} */ value) => value.toLocaleString('en');
  // Money and membership are one thing, jobs another: they are never added up.
  return [
    element('h2', {}, 'Consensus'),
    tiles(['Blocks', text(head.height)], ['Certified up to', text(certified)], ['Epoch', text(head.epoch)], ['Validators', text(genesis.spec.validators.length)], [`Transactions, last ${recent.length} blocks`, text(tally('consensus'))]),
    element('h2', {}, 'Compute'),
    tiles(['Jobs settled', text(settled)], ['Running', text(running)], ['Models', text(known.length)], ['Providers', text(provers.length)], [`Transactions, last ${recent.length} blocks`, text(tally('compute'))]),
    element('h2', {}, 'Jobs'),
    jobList(page.items),
    element('h2', {}, 'Blocks'),
    blockList(recent.slice(0, 6)),
  ];
}

/** @returns {Promise<Node[]>} */
export async function jobs() {
  return [jobList((await get('/v1/jobs?limit=100')).items)];
}

/** @returns {Promise<Node[]>} */
export async function blocks() {
  return [blockList(await lastBlocks(4 * BLOCKS))];
}

/** @param {string} height @returns {Promise<Node[]>} */
export async function block(height) {
  const found = await get(`/v1/blocks/${encodeURIComponent(height)}`);
  const row = (/** @type {any} */ tx) => {
    const subject = tx.kind === 'order' ? link('job', tx.id) : element('code', { title: tx.id }, short(tx.id));
    const outcome = tx.refused ? element('span.state.refused', {}, typeof tx.refused === 'string' ? tx.refused : tx.refused.code ?? 'refused') : badge('executed');
    return [subject, tx.kind, tx.tally, link('account', tx.account), money(tx.fee), outcome];
  };
  return [
    element('div.card', {}, facts(['Height', String(found.height)], ['Finality', badge(found.finality)], ['Time', new Date(found.time_ms).toISOString()], ['State root', element('code', {}, found.state_root)])),
    element('h2', {}, plural(found.transactions.length, 'transaction')),
    list(['Transaction', 'Kind', 'Tally', 'Account', '#Fee', 'Outcome'], found.transactions.map(row), 'A tick: it carries time.'),
  ];
}

/** @returns {Promise<Node[]>} */
export async function models() {
  const row = (/** @type {any} */ { model, card, listing, retired }) => [
    link('model', model, card.name),
    card.version,
    plural(card.keys.length, 'key'),
    String(listing.providers.length),
    money(listing.price_hint),
    retired ? badge('retired') : badge('offered'),
  ];
  return [list(['Model', 'Version', 'Keys', '#Providers', '#Price', 'State'], (await all('/v1/models')).map(row), 'No model is deployed yet.')];
}

/** @param {string} id @returns {Promise<Node[]>} */
export async function model(id) {
  const { card, retired } = await get(`/v1/models/${encodeURIComponent(id)}`);
  const keys = card.keys.map((/** @type {any} */ { facts: key }) => [element('code', { title: key.digest }, short(key.digest)), key.route, String(key.batch), String(key.bits), String(key.proven_bits)]);
  return [
    element('div.card', {}, facts(['Name', card.name], ['Version', card.version], ['Licence', card.licence], ['Owner', link('account', card.owner, card.owner)], ['Id', element('code', {}, id)], ['State', retired ? 'retired' : 'offered'])),
    element('h2', {}, 'Keys'),
    list(['Key', 'Route', '#Batch', '#Bits', '#Proven bits'], keys, 'It has no key.'),
  ];
}

/** @returns {Promise<Node[]>} */
export async function providers() {
  const row = (/** @type {any} */ it) => [
    String(it.provider),
    link('account', it.account),
    it.jailed_until_ms ? element('span.state.refused', {}, 'jailed') : badge('ready'),
    String(it.held),
    String(it.settled),
    String(it.lost),
    money(it.bond),
    money(it.locked),
  ];
  return [list(['Provider', 'Account', 'State', '#Holds', '#Settled', '#Lost', '#Bond', '#Locked'], (await all('/v1/providers')).map(row), 'No provider is registered yet.')];
}

/** @returns {Promise<Node[]>} */
export async function validators() {
  const { genesis } = await get('/v1/chain');
  const set = genesis.spec.validators;
  const stake = set.reduce((/** @type {number} */ sum, /** @type {any} */ it) => sum + it.stake, 0);
  const row = (/** @type {any} */ it) => [String(it.id), link('account', it.key), it.stake.toLocaleString('en'), `${((100 * it.stake) / stake).toFixed(1)} %`];
  return [list(['Validator', 'Key', '#Stake', '#Share'], set.map(row), 'There is no validator.')];
}

/** @param {string} address @returns {Promise<Node[]>} */
export async function account(address) {
  const [found, ordered] = await Promise.all([
    get(`/v1/accounts/${encodeURIComponent(address)}`),
    get(`/v1/jobs?limit=50&requester=${encodeURIComponent(address)}`),
  ]);
  return [
    element('div.card', {}, facts(['Address', element('code', {}, address)], ['Balance', money(found.balance)], ['Provider', found.provider === null || found.provider === undefined ? 'no' : `number ${found.provider}`], ['Faucet', found.faucet_taken ? 'taken' : 'not taken'])),
    element('h2', {}, 'Jobs'),
    jobList(ordered.items),
  ];
}
