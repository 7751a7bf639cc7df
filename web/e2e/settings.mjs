// What the test is told by its environment.

/** @param {string} name @returns {string} */
function required(name) {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set; see web/e2e/README.md`);
  return value;
}

export const settings = {
  console: required('PARAPET_CONSOLE_URL').replace(/\/$/, ''),
  gateway: required('PARAPET_GATEWAY_URL').replace(/\/$/, ''),
  user: required('PARAPET_USER'),
  password: required('PARAPET_PASSWORD'),
  artifacts: required('PARAPET_ARTIFACTS'),
  host: process.env['PARAPET_HOST'],
  chromium: process.env['PARAPET_CHROMIUM'] ?? '/usr/bin/chromium',
  liveMs: Number(process.env['PARAPET_LIVE_SECONDS'] ?? '5') * 1000,
};
