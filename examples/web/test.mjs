// Tests the page in headless Chromium, as the one file that it is.
//
//   node examples/web/test.mjs PAGE.html FOLDER [SCREENSHOTS]
//
// FOLDER holds the proofs that the page was built with.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, watched } from '../../tools/web/browser.mjs';

const [html, folder, shots] = process.argv.slice(2).map((path) => resolve(path));
const address = pathToFileURL(html).href;
const file = (name) => join(folder, name);
if (shots) mkdirSync(shots, { recursive: true });

const browser = await open();
const tests = [];
const test = (name, body, options) => tests.push({ name, body, options });

/** Waits until the page shows this verdict. */
const expected = (page, verdict) => page.waitForSelector(`[data-verdict=${verdict}]`, { timeout: 20_000 });

async function choose(page, key, proof) {
  await page.setInputFiles('#key', file(key));
  await page.setInputFiles('#proof', file(proof));
}

const shot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

test('a valid proof is shown as what it says', async (page) => {
  await choose(page, 'mlp_mnist.key', 'mlp_mnist.ciro');
  await expected(page, 'valid');
  assert.match(await page.locator('.verdict').innerText(), /\d ms[\s\S]*10\d bits/);
  assert.equal(await page.locator('canvas.ciro-image').count(), 1);
  assert.ok((await page.locator('figure').count()) >= 2);
  await shot(page, 'digit');
});

test('every example of the page is valid', async (page) => {
  const examples = page.locator('[data-example]');
  const count = await examples.count();
  assert.ok(count >= 2, `${count} examples`);
  for (let at = 0; at < count; at += 1) {
    await examples.nth(at).click();
    await expected(page, 'valid');
    await shot(page, `example-${await examples.nth(at).getAttribute('data-example')}`);
  }
});

test('a tampered copy is not valid, and the original is again', async (page) => {
  await page.locator('[data-example]').first().click();
  for (let round = 0; round < 20; round += 1) {
    await page.click('#tamper');
    await page.waitForSelector('[data-verdict=invalid]');
    if (round === 0) await shot(page, 'tampered');
    await page.click('#restore');
    await page.waitForSelector('[data-verdict=valid]');
  }
});

test('a proof of another model is not valid', async (page) => {
  await choose(page, 'logreg_iris.key', 'mlp_mnist.ciro');
  await expected(page, 'invalid');
  assert.match(await page.locator('.verdict').innerText(), /model_key/);
});

test('five megabytes of garbage are no proof and no key', async (page) => {
  const garbage = Buffer.alloc(5 << 20);
  for (let at = 0, word = 1; at < garbage.length; at += 1) {
    word = (Math.imul(word, 1103515245) + 12345) >>> 0;
    garbage[at] = word >>> 16;
  }
  const path = join(tmpdir(), `garbage-${process.pid}.ciro`);
  writeFileSync(path, garbage);
  await page.setInputFiles('#key', file('mlp_mnist.key'));
  await page.setInputFiles('#proof', path);
  await expected(page, 'invalid');
  await page.setInputFiles('#key', path);
  await expected(page, 'failed');
  await page.setInputFiles('#key', file('mlp_mnist.key'));
  await page.setInputFiles('#proof', file('mlp_mnist.ciro'));
  await expected(page, 'valid');
});

test('an input is compared, and another one is told', async (page) => {
  await choose(page, 'logreg_iris.key', 'logreg_iris.ciro');
  await page.click('summary');
  await page.setInputFiles('#input', file('logreg_iris.json'));
  await page.waitForFunction(() => document.querySelector('[data-verdict=valid] p')?.textContent.includes('your input'));
  const other = join(tmpdir(), `other-${process.pid}.json`);
  writeFileSync(other, JSON.stringify({ input_data: [[5, 3, 1.5, 0.1]] }));
  await page.setInputFiles('#input', other);
  await page.waitForSelector('[data-verdict=invalid]');
  assert.match(await page.locator('.verdict').innerText(), /check inputs/);
});

test('files that are dropped anywhere find their place', async (page) => {
  const dropped = ['logreg_iris.ciro', 'logreg_iris.key'].map((name) => ({ name, text: readFileSync(file(name)).toString('base64') }));
  await page.evaluate((files) => {
    const transfer = new DataTransfer();
    for (const { name, text } of files) {
      transfer.items.add(new File([Uint8Array.from(atob(text), (digit) => digit.charCodeAt(0))], name));
    }
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, dropped);
  await expected(page, 'valid');
});

test('everything is reached by keyboard', async (page) => {
  const reached = [];
  for (let press = 0; press < 12; press += 1) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName));
  }
  for (const id of ['key', 'proof', 'SUMMARY']) assert.ok(reached.includes(id), `${id} of ${reached}`);
  await page.locator('[data-example]').first().focus();
  await page.keyboard.press('Enter');
  await expected(page, 'valid');
});

const narrow = { viewport: { width: 360, height: 740 }, colorScheme: 'dark' };
test('360 pixels are wide enough, and the dark is dark', async (page) => {
  await shot(page, 'narrow-empty');
  for (const name of ['mlp_mnist', 'xgb_credit_50', 'logreg_iris']) {
    await page.click(`[data-example=${name}]`);
    await expected(page, 'valid');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${name}: ${wide} pixels`);
    await shot(page, `narrow-${name}`);
  }
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(paper, 'rgb(19, 19, 24)');
}, narrow);

test('without files the page says what to do', async (page) => {
  await shot(page, 'empty');
  assert.match(await page.locator('h1').innerText(), /Verify a proof/);
});

// The policy is what keeps data here: a page that could connect would be another page.
test('the policy lets nothing out', async (page, complaints) => {
  const outcome = await page.evaluate(() => fetch('https://example.org/').then(() => 'connected', () => 'refused'));
  assert.equal(outcome, 'refused');
  assert.ok(complaints.length > 0 && complaints.every((text) => /Content Security Policy|Failed to fetch/i.test(text)), `${complaints}`);
  complaints.length = 0;
});

let failed = 0;
for (const { name, body, options } of tests) {
  const { page, context, requests, complaints } = await watched(browser, options);
  try {
    await page.goto(address);
    await body(page, complaints);
    assert.deepEqual(complaints, []);
    assert.deepEqual(requests.filter((url) => url !== address && !url.startsWith('https://example.org/')), []);
    process.stdout.write(`ok    ${name}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILS ${name}\n${error.stack}\n`);
  }
  await context.close();
}
await browser.close();
process.exitCode = failed ? 1 : 0;
