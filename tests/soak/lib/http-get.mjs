import http from 'node:http';
import { patient } from './patience.mjs';

/** Plain HTTP/1.1 to a port of this machine: status and body, or status 0 when there is no answer. */
export function httpGet(port, path, timeoutMs = 3000) {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path, timeout: patient(timeoutMs), agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', () => resolve({ status: 0, body }));
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => resolve({ status: 0, body: error.message }));
  });
}
