'use strict';
// The sample service of the practice fleet: a redirector with a kill switch, on node alone.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const port = Number(process.env.PORT || 3000);
const host = process.env.HOST || '0.0.0.0';
const startDelay = Number(process.env.START_DELAY || 0);

// read once, as a built web application does: new files on disk change nothing until the restart
const buildFile = path.join(__dirname, 'build', 'BUILD_ID');
const buildId = fs.existsSync(buildFile) ? fs.readFileSync(buildFile, 'utf8').trim() : null;

let enabled = true; // the emergency switch: in memory, back to on after a restart
const isStuck = process.env.KILL_SWITCH === 'stuck'; // it says yes to every change and makes none
const activeOffers = 12;

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body) + '\n');
}

function toggle(url, response) {
  const wanted = url.searchParams.get('enabled');
  if (wanted !== 'true' && wanted !== 'false') {
    return json(response, 400, { error: 'enabled must be true or false' });
  }
  console.log(`emergency toggle: enabled=${wanted}`);
  if (!isStuck) {
    enabled = wanted === 'true';
  }
  return json(response, 200, { success: true, enabled: wanted === 'true' });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://service.invalid');
  const route = `${request.method} ${url.pathname}`;
  request.resume();
  switch (route) {
    case 'GET /health':
      return json(response, 200, { status: 'ok', pid: process.pid, buildId });
    case 'GET /api/trackier-status':
      return json(response, 200, { enabled, active_offers: activeOffers, pid: process.pid, buildId });
    case 'POST /api/trackier-emergency-toggle':
      return toggle(url, response);
    case 'GET /orders':
      // the page came with the second build
      if (buildId === null || buildId === 'build-1') {
        return json(response, 404, { error: 'not found' });
      }
      response.writeHead(307, { location: '/auth/login' });
      return response.end();
    default:
      return json(response, 404, { error: 'not found' });
  }
});

// PM2 sends SIGINT first: requests under way are answered, then the process ends
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}

console.log(`starting pid=${process.pid} build=${buildId}`);
// no 'error' handler on purpose: EADDRINUSE is uncaught, node prints it and exits with 1, as most services do
// LISTEN_FD: a socket that the starter has opened
const place = process.env.LISTEN_FD ? { fd: Number(process.env.LISTEN_FD) } : { port, host };
setTimeout(() => {
  server.listen(place, () => console.log(`listening on ${host}:${port} pid=${process.pid}`));
}, startDelay);
