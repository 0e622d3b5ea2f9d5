// amocrm-js from npm, unmodified, doing its ordinary work through the gateway.
//
// It speaks only https to port 443 of the host it is given, so this script puts a TLS front (certificate made by the test)
// before the gateway and tells Node's default agent its port and its certificate. Prints one JSON object.
'use strict';
const fs = require('fs');
const https = require('https');
const net = require('net');
const path = require('path');
const tls = require('tls');

const modules = process.env.NODE_MODULES;
const { Client } = require(path.join(modules, 'amocrm-js'));

const gateway = new URL(process.env.GATEWAY);
const cert = fs.readFileSync(process.env.CERT);
const key = fs.readFileSync(process.env.KEY);

async function main(verb, id) {
  const front = tls.createServer({ cert, key }, (socket) => {
    const behind = net.connect(Number(gateway.port), gateway.hostname);
    socket.pipe(behind).pipe(socket);
    for (const end of [socket, behind]) end.on('error', () => { socket.destroy(); behind.destroy(); });
  });
  await new Promise((done) => front.listen(0, '127.0.0.1', done));
  const agent = new https.Agent({ ca: cert, keepAlive: false });
  agent.defaultPort = front.address().port;
  https.globalAgent = agent;

  const client = new Client({
    domain: '127.0.0.1',
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
  front.close();
}

main(process.argv[2], process.argv[3]).catch((error) => {
  console.error(error);
  process.exit(1);
});
