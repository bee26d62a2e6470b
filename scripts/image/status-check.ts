/**
 * The probe called by the existing product's DaemonSet: ends with 0 when Collector is ready. In the image it is
 * /usr/local/bin/status-check.sh, its name there, although no shell runs it: there is none.
 */
import { get } from 'node:http';

const PATIENCE_MS = 5000;

const port = (process.env['ROX_COLLECTOR_HTTP_ADDRESS'] ?? ':8080').split(':').at(-1);
const request = get({ host: '127.0.0.1', port, path: '/ready', timeout: PATIENCE_MS }, (response) => {
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (text: string) => (body += text));
  response.on('end', () => {
    console.log(body);
    process.exitCode = /"status"\s*:\s*"ok"/.test(body) ? 0 : 1;
  });
});
request.on('timeout', () => request.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
request.on('error', (error) => {
  console.error(`Collector's /ready does not answer: ${error.message}`);
  process.exitCode = 1;
});
