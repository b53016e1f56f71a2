// @ts-check
// The page: which view is shown, and when it is drawn again.

import { element } from './show.js';
import { follow, get } from './network.js';
import { account, block, blocks, jobs, model, models, overview, providers, validators } from './views.js';
import { job } from './job.js';

/** @typedef {{ title: string, draw: (id: string) => Promise<Node[]>, live: boolean }} View */

/** @type {Record<string, View>} */
const VIEWS = {
  '': { title: 'Overview', draw: overview, live: true },
  jobs: { title: 'Jobs', draw: jobs, live: true },
  job: { title: 'Job', draw: job, live: false },
  blocks: { title: 'Blocks', draw: blocks, live: true },
  block: { title: 'Block', draw: block, live: false },
  models: { title: 'Models', draw: models, live: false },
  model: { title: 'Model', draw: model, live: false },
  providers: { title: 'Providers', draw: providers, live: false },
  validators: { title: 'Validators', draw: validators, live: false },
  account: { title: 'Account', draw: account, live: false },
};

/** Views that change by themselves are not drawn more often than this, in milliseconds. */
const REDRAW = 500;

const view = /** @type {HTMLElement} */ (document.getElementById('view'));
/** A view that was asked for later wins over one whose answers come later. */
let asked = 0;
let drawnAt = 0;
let waiting = false;
/** What has to be drawn again when this happens. */
let open = { name: '', id: '' };

function place() {
  const [name = '', id = ''] = location.hash.replace(/^#\//, '').split('/');
  return { name, id: decodeURIComponent(id) };
}

/** @param {boolean} moved Whether another view was asked for. */
async function show(moved) {
  open = place();
  const { title, draw } = VIEWS[open.name] ?? { title: 'Nothing here', draw: async () => [element('p', {}, 'There is no such view.')] };
  const turn = (asked += 1);
  drawnAt = Date.now();
  let parts;
  try {
    parts = await draw(open.id);
  } catch (error) {
    parts = [element('p.verdict.failed', { role: 'alert' }, element('b', {}, 'Not found'), error instanceof Error ? error.message : String(error))];
  }
  if (turn !== asked) return;
  view.replaceChildren(element('h1', {}, title), ...parts);
  document.title = `${title} · Ciro network`;
  for (const link of document.querySelectorAll('nav a')) {
    const here = link.getAttribute('href') === `#/${open.name}` || link.getAttribute('href') === `#/${open.name}s`;
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (moved) {
    view.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

/** Draws a view again that changes by itself, now or soon. */
function refresh() {
  if (!VIEWS[open.name]?.live || waiting || document.hidden) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    show(false);
  }, Math.max(0, drawnAt + REDRAW - Date.now()));
}

/** What an id is the id of: nobody has to know. @param {string} text */
async function search(text) {
  if (/^\d+$/.test(text)) return `#/block/${text}`;
  const id = text.startsWith('0x') ? text : `0x${text}`;
  for (const [name, path] of [['job', 'jobs'], ['model', 'models']]) {
    const found = await get(`/v1/${path}/${encodeURIComponent(id)}`).catch(() => null);
    if (found) return `#/${name}/${id}`;
  }
  return `#/account/${encodeURIComponent(id)}`;
}

document.getElementById('search')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const query = /** @type {HTMLInputElement} */ (document.getElementById('query'));
  const text = query.value.trim();
  if (text) location.hash = await search(text);
});
addEventListener('hashchange', () => show(true));
document.addEventListener('visibilitychange', refresh);

const live = /** @type {HTMLElement} */ (document.getElementById('live'));
follow({
  state: (on) => {
    live.classList.toggle('on', on);
    live.textContent = on ? 'live' : 'the node does not answer';
  },
  head: ({ height }) => {
    live.textContent = `block ${height.toLocaleString('en')}`;
    refresh();
  },
  event: (happened) => {
    const about = happened.job ?? happened.receipt?.job;
    if (open.name === 'job' && about === open.id) show(false);
  },
});
get('/v1/chain').then(
  ({ genesis }) => (/** @type {HTMLElement} */ (document.getElementById('network')).textContent = genesis.spec.name),
  () => {},
);
show(true);
