// The story of one blocked request in a real browser. See README.md.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { send } from './attack.mjs';
import { openBrowser, watch } from './browser.mjs';
import { settings } from './settings.mjs';

const STEP_MS = 15_000;
// Node refuses to send "<" in a path; SQL injection needs only what it allows.
const MARK = `e2e${Date.now().toString(36)}`;
const ATTACK = `/products?q=1%27%20OR%20%271%27=%271%27%20UNION%20SELECT%20password%20FROM%20users--&mark=${MARK}`;

let step = 'start';
let number = 0;
mkdirSync(settings.artifacts, { recursive: true });
const { page, close } = await openBrowser(settings.chromium);
page.setDefaultTimeout(STEP_MS);
const complaints = await watch(page, settings.console);

/** @param {string} name */
const begin = (name) => {
  step = name;
  console.log(`- ${name}`);
};
/** @param {boolean} holds @param {string} message */
const check = (holds, message) => {
  if (!holds) throw new Error(message);
};
/** @param {string} name */
const shoot = (name) => {
  number += 1;
  return page.screenshot({ path: join(settings.artifacts, `${String(number).padStart(2, '0')}-${name}.png`) });
};
/** @param {string} scheme */
const chooseScheme = async (scheme) => {
  await page.getByRole('button', { name: 'Colour scheme' }).click();
  await page.getByRole('menuitemradio', { name: scheme }).click();
};

async function logInWithTheKeyboard() {
  begin('log in with the keyboard only');
  await page.goto(`${settings.console}/events?range=7d`);
  await page.getByLabel('User name').waitFor();
  await shoot('login');
  await page.keyboard.type(settings.user);
  await page.keyboard.press('Tab');
  await page.keyboard.type(`not ${settings.password}`);
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes('401')));
  await page.keyboard.type(settings.password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Events' }).waitFor();
  check(page.url().endsWith('/events?range=7d'), `logging in lost the address: ${page.url()}`);
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => document.activeElement?.textContent);
  check(focused === 'Skip to content', `the first Tab goes to "${focused}" and not to the skip link`);
}

async function seeTheAttackLive() {
  begin('open the overview');
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await page.locator('[data-connection="live"]').waitFor();
  await page.locator('canvas').first().waitFor();

  begin('send an attack through the gateway');
  let loads = 0;
  page.on('load', () => (loads += 1));
  const sent = Date.now();
  const status = await send(settings.gateway, ATTACK, settings.host);
  check(status === 403, `the gateway answered ${status} to an attack, expected 403`);

  begin(`see it live within ${settings.liveMs / 1000} s`);
  await page.locator('tr[data-event-id]', { hasText: MARK }).or(page.locator(`tr:has(td[title*="${MARK}"])`)).first().waitFor({ timeout: settings.liveMs });
  console.log(`  visible ${Date.now() - sent} ms after it was sent`);
  check(loads === 0, 'the page was loaded again');
  await shoot('overview');
}

async function readTheLedger() {
  begin('open the event and read its score ledger');
  await page.locator(`tr:has(td[title*="${MARK}"])`).first().getByRole('link').first().click();
  await page.locator('[data-ledger]').waitFor();
  const verdict = (await page.locator('[data-verdict]').textContent()) ?? '';
  check(/^Blocked: /.test(verdict), `the verdict reads "${verdict}"`);
  const rule = page.locator('tr[data-rule^="942"]').first();
  await rule.waitFor();
  const points = (await rule.locator('[data-points]').textContent()) ?? '';
  check(/\+\d/.test(points), `rule ${await rule.getAttribute('data-rule')} shows no points: "${points}"`);
  console.log(`  ${verdict.trim()} Rule ${await rule.getAttribute('data-rule')}: ${points}`);
  await shoot('event');
}

async function walkTheOtherPages() {
  begin('find it in the event list');
  await page.getByRole('link', { name: 'Events', exact: true }).click();
  // The shortcut belongs to the page that is being loaded.
  await page.locator('tr[data-event-id]').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type(MARK);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.searchParams.get('text') === MARK);
  await page.getByText('1 event', { exact: true }).first().waitFor();
  await page.locator('tr[data-event-id]').first().waitFor();
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('[data-verdict]').waitFor();
  await page.getByRole('link', { name: 'Back to events' }).click();
  await page.goto(`${settings.console}/events`);
  await page.locator('tr[data-event-id]').first().waitFor();
  await page.locator('canvas').first().waitFor();
  await shoot('events');

  begin('acknowledge the alert');
  await page.getByRole('link', { name: /^Alerts/ }).click();
  const alert = page.locator('tr[data-alert-id]').first();
  await alert.waitFor();
  await shoot('alerts');
  const id = await alert.getAttribute('data-alert-id');
  await alert.getByRole('button', { name: /^Acknowledge/ }).click();
  await page.locator(`tr[data-alert-id="${id}"]`).waitFor({ state: 'detached' });
  await page.getByText('Acknowledged', { exact: true }).click();
  await page.locator(`tr[data-alert-id="${id}"]`).waitFor();

  begin('read the pipeline');
  await page.getByRole('link', { name: 'Pipeline' }).click();
  await page.locator('tr[data-hop]').first().waitFor();
  const standing = await page.locator('[data-standing]').getAttribute('data-standing');
  check(standing === 'complete' || standing === 'working', `the pipeline is ${standing}`);
  await shoot('pipeline');
}

async function seeItInTheDark() {
  begin('dark colours');
  await chooseScheme('Dark');
  for (const [name, path] of [
    ['overview', '/overview'],
    ['events', '/events'],
  ]) {
    await page.goto(settings.console + path);
    await page.locator('tr[data-event-id]').first().waitFor();
    await page.locator('canvas').first().waitFor();
    await shoot(`${name}-dark`);
  }
  await page.locator('[data-shortcut-row]').first().click();
  await page.locator('[data-verdict]').waitFor();
  await shoot('event-dark');
}

async function logOut() {
  begin('log out');
  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await page.getByLabel('User name').waitFor();
}

let failed = false;
try {
  await logInWithTheKeyboard();
  await seeTheAttackLive();
  await readTheLedger();
  await walkTheOtherPages();
  await seeItInTheDark();
  await logOut();
  begin('no complaints of the browser');
  check(complaints.length === 0, complaints.join('\n  '));
  console.log(`passed; screenshots in ${settings.artifacts}`);
} catch (error) {
  failed = true;
  await shoot('failure').catch(() => undefined);
  console.error(`FAILED at "${step}": ${error instanceof Error ? error.message : String(error)}`);
  if (complaints.length > 0) console.error(`the browser complained:\n  ${complaints.join('\n  ')}`);
} finally {
  await close();
}
process.exitCode = failed ? 1 : 0;
