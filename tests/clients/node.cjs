// amocrm-js from npm, unmodified, doing its ordinary work through the gateway.
//
// It speaks only https to port 443 of the host it is given. MODE says how its requests come to the gateway:
//   plain  this script puts a TLS front (certificate made by the test) before the gateway, which speaks http
//   tls    Node's default agent looks the name up at the gateway, as a hosts entry would do, and knows its port;
//          NODE_EXTRA_CA_CERTS names the private CA
//   proxy  HTTPS_PROXY, by way of https-proxy-agent, which Node of this version needs for it, and NODE_EXTRA_CA_CERTS
// Prints one JSON object.
'use strict';
const fs = require('fs');
const https = require('https');
const net = require('net');
const path = require('path');
const tls = require('tls');

const modules = process.env.NODE_MODULES;
const { Client } = require(path.join(modules, 'amocrm-js'));
const mode = process.env.MODE;

const gateway = new URL(process.env.GATEWAY);

// A plain gateway behind TLS of our own.
async function front() {
  const cert = fs.readFileSync(process.env.CERT);
  const key = fs.readFileSync(process.env.KEY);
  const front = tls.createServer({ cert, key }, (socket) => {
    const behind = net.connect(Number(gateway.port), gateway.hostname);
    socket.pipe(behind).pipe(socket);
    for (const end of [socket, behind]) end.on('error', () => { socket.destroy(); behind.destroy(); });
  });
  await new Promise((done) => front.listen(0, '127.0.0.1', done));
  const agent = new https.Agent({ ca: cert, keepAlive: false });
  agent.defaultPort = front.address().port;
  https.globalAgent = agent;
  return front;
}

function hostsEntry() {
  const lookup = (name, options, done) =>
    options.all ? done(null, [{ address: gateway.hostname, family: 4 }]) : done(null, gateway.hostname, 4);
  const agent = new https.Agent({ keepAlive: false, lookup });
  agent.defaultPort = Number(gateway.port);
  https.globalAgent = agent;
}

async function main(verb, id) {
  const before = mode === 'plain' ? await front() : null;
  if (mode === 'tls') hostsEntry();
  if (mode === 'proxy') {
    const { HttpsProxyAgent } = require(path.join(modules, 'https-proxy-agent'));
    https.globalAgent = new HttpsProxyAgent(process.env.HTTPS_PROXY);
  }

  const client = new Client({
    domain: mode === 'plain' ? '127.0.0.1' : 'acme.amocrm.ru',
    auth: { client_id: 'id', client_secret: 'secret', redirect_uri: 'https://undo.example/cb' },
  });
  client.token.setValue({ token_type: 'Bearer', access_token: process.env.TOKEN, refresh_token: 'unused', expires_in: 86400 });

  let result;
  if (verb === 'work') {
    const [company] = await client.companies.create([{ name: 'npm Works' }]);
    const [contact] = await client.contacts.create([{ name: 'Иван Узлов', first_name: 'Иван', last_name: 'Узлов' }]);
    const [lead] = await client.leads.create([{ name: 'A deal made by a library', price: 4300 }]);
    const again = await client.contacts.getById(contact.id);
    again.name = 'Иван Узлович';
    await again.update();
    const page = await client.leads.get({ limit: 10 });
    result = {
      company: company.id,
      contact: contact.id,
      lead: lead.id,
      name: (await client.contacts.getById(contact.id)).name,
      leads_listed: page.getData().length,
    };
  } else if (verb === 'delete') {
    // The library takes any body with a `status` for an error, also this success, and throws it with the answer inside.
    const answer = await client.request
      .post('/ajax/contacts/multiple/delete/', { ID: [Number(id)] }, {
        useFormData: true,
        headers: { 'X-Requested-With': 'XMLHttpRequest' },
      })
      .catch((error) => {
        if (!error.apiResponse) throw error;
        return { data: error.data, response: error.apiResponse.response };
      });
    result = {
      status: answer.response.statusCode,
      body: answer.data,
      undo: answer.response.headers['undo-id'] || null,
    };
  } else {
    const contact = await client.contacts.getById(Number(id));
    result = { id: contact.id, name: contact.name };
  }
  console.log(JSON.stringify(result));
  if (before) before.close();
}

main(process.argv[2], process.argv[3]).catch((error) => {
  console.error(error);
  process.exit(1);
});
