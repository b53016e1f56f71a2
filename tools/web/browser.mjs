// A headless Chromium whose pages may fail no test silently: what they ask of the network and what they complain of is kept.
//
//   CIRO_NODE_MODULES   the folder that tools/web/packages prints
//   CIRO_CHROMIUM       the browser. Default: chromium, then google-chrome, of PATH
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';

const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** The browser's program, or nothing. */
export function chromium() {
  const names = process.env.CIRO_CHROMIUM ? [process.env.CIRO_CHROMIUM] : ['chromium', 'google-chrome'];
  for (const name of names) {
    try {
      return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).trim();
    } catch {
      // The next name.
    }
  }
  return undefined;
}

/** Opens the browser. Containers give it no sandbox of its own, so that root runs without one. */
export async function open() {
  const require = createRequire(`${process.env.CIRO_NODE_MODULES}/node_modules/`);
  const { chromium: driver } = require('playwright-core');
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return driver.launch({ executablePath: chromium(), args: [...QUIET, ...sandbox] });
}

/** A page, and what it asked of the network and complained of. */
export async function watched(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, context, requests, complaints };
}

// As a program: whether there is a browser.
if (process.argv[1] === new URL(import.meta.url).pathname) process.exitCode = chromium() ? 0 : 1;
