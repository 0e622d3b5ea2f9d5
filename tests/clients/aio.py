"""aioamocrm from PyPI (asyncio, httpx), unmodified, doing its ordinary work through the gateway.

It takes a subdomain or a base URL, and refuses links that lead to another scheme, host or port than its own. MODE says how
its requests come to the gateway:
  plain  its base URL is the gateway's, over http
  tls    the CRM's name and port lead to the gateway, as a hosts entry would do; SSL_CERT_FILE names the private CA
  proxy  HTTPS_PROXY and SSL_CERT_FILE, and nothing else
Prints one JSON object; the test reads it.
"""

import asyncio
import json
import os
import socket
import sys

from aioamocrm import AmoCRMClient, LongLivedToken

MODE = os.environ["MODE"]
GATEWAY = os.environ["GATEWAY"]


def hosts_entry():
    """acme.amocrm.ru:443 is the gateway, for this process: a hosts entry and a port below 1024 without being root."""
    host, port = GATEWAY.rsplit("/", 1)[1].rsplit(":", 1)
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def resolve_here(name, *args, **kwargs):
        return resolve(host if name in ("acme.amocrm.ru", b"acme.amocrm.ru") else name, *args, **kwargs)

    def connect_here(self, address):
        return connect(self, (host, int(port)) if address[:2] == (host, 443) else address)

    socket.getaddrinfo, socket.socket.connect = resolve_here, connect_here


async def ordinary_work(amo):
    company = await amo.companies.create([{"name": "asyncio Works"}])
    contact = await amo.contacts.create([{"name": "Глеб Обёртов"}])
    leads = await amo.leads.create([{"name": f"Deal {number} made by a library", "price": 4400} for number in range(5)])
    await amo.contacts.update([{"id": contact[0].id, "name": "Глеб Обёртович"}])
    # Page by page, by the links in the answers.
    listed = [lead.id async for lead in amo.leads.iterate(limit=2)]
    return {
        "company": company[0].id,
        "contact": contact[0].id,
        "lead": leads[0].id,
        "name": (await amo.contacts.get(contact[0].id)).name,
        "leads_listed": len(listed),
    }


async def delete(amo, contact):
    """As the CRM's own page does it, over the library's own session: it has no call for it."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "X-Requested-With": "XMLHttpRequest"}
    url = f"{amo.base_url}/ajax/contacts/multiple/delete/"
    answer = await amo.http.post(url, data={"ID[]": [contact]}, headers=headers)
    return {"status": answer.status_code, "body": answer.json(), "undo": answer.headers.get("Undo-Id")}


async def main():
    where = {"base_url": GATEWAY} if MODE == "plain" else {"subdomain": "acme"}
    async with AmoCRMClient(auth=LongLivedToken(os.environ["TOKEN"]), **where) as amo:
        if sys.argv[1] == "work":
            result = await ordinary_work(amo)
        elif sys.argv[1] == "delete":
            result = await delete(amo, int(sys.argv[2]))
        else:
            contact = await amo.contacts.get(int(sys.argv[2]))
            result = {"id": contact.id, "name": contact.name}
    print(json.dumps(result, ensure_ascii=False))


if MODE == "tls":
    hosts_entry()
asyncio.run(main())
