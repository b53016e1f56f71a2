// Tests the explorer in headless Chromium, against a network of real processes.
//
//   node ciro-node/tests/explorer.mjs CIRO MODEL_FOLDER [SCREENSHOTS]
//
// CIRO is the command, with `ciro-node`, `ciro-prover` and `ciro-network.wasm` beside it; EXPLORER_URL takes the page from
// elsewhere than the node.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { open, watched } from '../../tools/web/browser.mjs';

const [command, model, shots] = process.argv.slice(2).map((path) => resolve(path));
const folder = mkdtempSync(join(tmpdir(), 'ciro-explorer-'));
const net = join(folder, 'net');
if (shots) mkdirSync(shots, { recursive: true });

/** Runs the command, and reads what it prints. */
function ciro(...args) {
  const env = { ...process.env, CIRO_HOME: join(net, 'home'), CIRO_CACHE_DIR: join(folder, 'cache') };
  const text = execFileSync(command, ['--json', ...args], { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(text);
}
const onnx = join(model, 'model.onnx');
const submit = () => ciro('submit', onnx, '--input', join(model, 'input_0.json'), '-o', 'proof.ciro');

const shot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
const heading = (page, text) => page.waitForFunction((wanted) => document.querySelector('h1')?.textContent === wanted, text);

/** The address of the node, which the network has told. */
function address(up) {
  const found = JSON.stringify(up).match(/http:\/\/127\.0\.0\.1:\d+/);
  assert.ok(found, JSON.stringify(up));
  return found[0];
}

async function lists(page, job) {
  await heading(page, 'Overview');
  await page.waitForFunction((id) => [...document.querySelectorAll('main a')].some((link) => link.title === id), job);
  await shot(page, 'overview');
  // It comes by itself: nobody reloads.
  const second = submit().job;
  await page.waitForFunction((id) => [...document.querySelectorAll('main a')].some((link) => link.title === id), second);
  for (const name of ['Jobs', 'Blocks', 'Models', 'Providers', 'Validators']) {
    await page.click(`nav >> text=${name}`);
    await heading(page, name);
    await page.waitForSelector('main tbody tr');
    await shot(page, name.toLowerCase());
  }
  await page.click('nav >> text=Models');
  await page.click('main td a');
  await heading(page, 'Model');
  await page.click('nav >> text=Blocks');
  await page.click('main td a');
  await heading(page, 'Block');
}

async function aJob(page, job) {
  await page.fill('#query', job);
  await page.press('#query', 'Enter');
  await heading(page, 'Job');
  assert.equal(await page.locator('.stages li').count(), 2);
  await page.click('[data-verify=true]');
  await page.waitForSelector('[data-verdict=valid]', { timeout: 40_000 });
  await shot(page, 'job');
  await page.click('[data-verify=tampered]');
  await page.waitForSelector('[data-verdict=invalid]', { timeout: 40_000 });
  await shot(page, 'job-tampered');
  await page.click('dd a[href*=account]');
  await heading(page, 'Account');
  await page.fill('#query', '1');
  await page.press('#query', 'Enter');
  await heading(page, 'Block');
}

const browser = await open();
const up = ciro('devnet', 'up', '--detach', '--dir', net);
try {
  const site = process.env.EXPLORER_URL ? `${process.env.EXPLORER_URL}?${address(up)}` : `${address(up)}/`;
  ciro('deploy', onnx);
  const { job } = submit();
  for (const [name, options] of [['light', {}], ['narrow', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }]]) {
    const { page, context, requests, complaints } = await watched(browser, options);
    await page.goto(site);
    if (name === 'light') {
      await lists(page, job);
      await aJob(page, job);
    } else {
      for (const view of ['', 'jobs', 'models', `job/${job}`]) {
        await page.goto(`${site}#/${view}`);
        await page.waitForSelector('main h1');
        await page.waitForTimeout(300);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= 360, `${view}: ${wide} pixels`);
        await shot(page, `narrow-${view.split('/')[0] || 'overview'}`);
      }
    }
    const own = new URL(site).origin;
    assert.deepEqual(requests.filter((url) => new URL(url).origin !== own && !url.startsWith('data:')), []);
    assert.deepEqual(complaints, []);
    await context.close();
    process.stdout.write(`ok    ${name}\n`);
  }
} finally {
  ciro('devnet', 'down', '--dir', net);
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
