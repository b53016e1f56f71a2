// @ts-check
// What the node says: reads, and the stream of what happens.

/** @param {string} path @returns {Promise<any>} */
export async function get(path) {
  const answer = await fetch(path, { headers: { accept: 'application/json' } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? body.title ?? `the node answers ${answer.status}`);
  return body;
}

/** The bytes of a path. @param {string} path @returns {Promise<Uint8Array>} */
export async function bytes(path) {
  const answer = await fetch(path);
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the node answers ${answer.status}`);
  }
  return new Uint8Array(await answer.arrayBuffer());
}

/** The items of a path whose answers come in pages, at most `most` of them. @param {string} path @param {number} [most] @returns {Promise<any[]>} */
export async function all(path, most = 300) {
  const items = [];
  let after;
  do {
    const page = await get(after === undefined ? path : `${path}${path.includes('?') ? '&' : '?'}after=${after}`);
    items.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined && items.length < most);
  return items;
}

/**
 * Follows what happens; the browser comes back by itself after the last event that it has seen.
 * @param {{ head: (head: any) => void, event: (event: any) => void, state: (live: boolean) => void }} tell
 */
export function follow(tell) {
  const stream = new EventSource('/v1/events');
  stream.addEventListener('open', () => tell.state(true));
  stream.addEventListener('error', () => {
    tell.state(false);
    // A node that restarted may have refused the connection for good.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => follow(tell), 1000);
  });
  stream.addEventListener('head', (message) => tell.head(JSON.parse(message.data)));
  stream.addEventListener('event', (message) => tell.event(JSON.parse(message.data)));
}
