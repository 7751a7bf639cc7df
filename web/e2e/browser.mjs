// A fresh Chromium, and a record of everything a page complains about.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Opens a browser with an empty profile.
 * @param {string} executablePath
 */
export async function openBrowser(executablePath) {
  const profile = mkdtempSync(join(tmpdir(), 'parapet-e2e-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: FLAGS,
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, page, close };
}

/**
 * Collects errors of the page, violations of its security policy and requests to other hosts.
 * @param {import('playwright-core').Page} page
 * @param {string} origin
 */
export async function watch(page, origin) {
  /** @type {string[]} */
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`script error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    // Asking who is logged in before anybody is: the browser reports the expected 401.
    const expected = message.text().includes('401') && message.location().url.endsWith('/api/v1/session');
    if (!expected) complaints.push(`console error: ${message.text()} (${message.location().url})`);
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith('data:') && !url.startsWith('blob:')) complaints.push(`request to another host: ${url}`);
  });
  await page.exposeFunction('reportViolation', (/** @type {string} */ text) => complaints.push(`security policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      // @ts-expect-error exposed above
      void window.reportViolation(`${event.violatedDirective} blocked ${event.blockedURI}`);
    });
  });
  return complaints;
}
