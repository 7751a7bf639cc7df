// Sends one attack through the gateway, its path exactly as written.
import { request as http } from 'node:http';
import { request as https } from 'node:https';

/**
 * @param {string} gateway
 * @param {string} path
 * @param {string | undefined} host
 * @returns {Promise<number>} status
 */
export function send(gateway, path, host) {
  const { protocol, hostname, port } = new URL(gateway);
  const request = protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        hostname,
        port,
        path,
        headers: { 'User-Agent': 'parapet-e2e', Accept: 'text/html', ...(host === undefined ? {} : { Host: host }) },
        rejectUnauthorized: false,
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    call.on('error', (error) => reject(new Error(`the gateway at ${gateway} does not answer: ${error.message}`)));
    call.end();
  });
}
