#!/usr/local/bin/node
// The probe that the existing product's DaemonSet calls: /usr/local/bin/status-check.sh ends with 0 when Collector is
// ready. A program and not a shell script, since the image has no shell.
const http = require('node:http');

const port = (process.env.ROX_COLLECTOR_HTTP_ADDRESS ?? ':8080').split(':').at(-1);
const request = http.get({ host: '127.0.0.1', port, path: '/ready', timeout: 5000 }, (response) => {
  response.setEncoding('utf8');
  let body = '';
  response.on('data', (text) => (body += text));
  response.on('end', () => {
    console.log(body);
    process.exit(/"status"\s*:\s*"ok"/.test(body) ? 0 : 1);
  });
});
request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
request.on('error', (error) => {
  console.error(`Collector's /ready does not answer: ${error.message}`);
  process.exit(1);
});
