"""amocrm-api from PyPI, unmodified, doing its ordinary work through the gateway.

Its host is hard-coded: https://SUBDOMAIN.amocrm.ru. MODE says how its requests come to the gateway:
  plain  the session it is given sends that host's requests to the gateway over http
  tls    the name leads to the gateway, as a hosts entry would do; REQUESTS_CA_BUNDLE names the private CA
  proxy  HTTPS_PROXY and REQUESTS_CA_BUNDLE, and nothing else
Prints one JSON object; the test reads it.
"""

import json
import os
import socket
import sys

import requests
from amocrm.v2 import Company, Contact, Lead, tokens
from amocrm.v2 import interaction

MODE = os.environ["MODE"]
GATEWAY = os.environ["GATEWAY"]
TOKEN = os.environ["TOKEN"]
HOST = "https://acme.amocrm.ru"


class ToGateway(requests.adapters.HTTPAdapter):
    """Sends what is meant for the CRM's host to the gateway."""

    def send(self, request, **kwargs):
        request.url = GATEWAY + request.url[len(HOST):]
        return super().send(request, **kwargs)


def hosts_entry():
    """The name and its port lead to the gateway, for this process: a hosts entry without being root."""
    host, port = GATEWAY.rsplit("/", 1)[1].rsplit(":", 1)
    resolve = socket.getaddrinfo

    def resolve_here(name, service, *args, **kwargs):
        if name == "acme.amocrm.ru":
            return resolve(host, int(port), *args, **kwargs)
        return resolve(name, service, *args, **kwargs)

    socket.getaddrinfo = resolve_here


if MODE == "plain":
    interaction._session.mount(HOST, ToGateway())
elif MODE == "tls":
    hosts_entry()
storage = tokens.MemoryTokensStorage()
storage.save_tokens(TOKEN, "unused")
tokens.default_token_manager(
    client_id="id", client_secret="secret", subdomain="acme", redirect_url="https://undo.example/cb", storage=storage
)


def ordinary_work():
    """Creates, reads, edits, lists and links."""
    company = Company.objects.create({"name": "PyPI Works"})
    contact = Contact.objects.create({"name": "Вера Питонова", "first_name": "Вера", "last_name": "Питонова"})
    lead = Lead.objects.create({"name": "A deal made by a library", "price": 4200})
    found = Contact.objects.get(object_id=contact["id"]) if isinstance(contact, dict) else contact
    found.name = "Вера Питоновна"
    found.save()
    listed = sum(1 for _ in Lead.objects.all())
    return {
        "company": id_of(company),
        "contact": id_of(contact),
        "lead": id_of(lead),
        "name": Contact.objects.get(object_id=id_of(contact)).name,
        "leads_listed": listed,
    }


def id_of(created):
    return created["id"] if isinstance(created, dict) else created.id


def delete(contact):
    """As the CRM's own page does it: the library has no call for it."""
    headers = interaction.BaseInteraction().get_headers()
    headers["X-Requested-With"] = "XMLHttpRequest"
    answer = interaction._session.post(f"{HOST}/ajax/contacts/multiple/delete/", data={"ID[]": [contact]}, headers=headers)
    return {"status": answer.status_code, "body": answer.json(), "undo": answer.headers.get("Undo-Id")}


def main():
    if sys.argv[1] == "work":
        print(json.dumps(ordinary_work(), ensure_ascii=False))
    elif sys.argv[1] == "delete":
        print(json.dumps(delete(int(sys.argv[2])), ensure_ascii=False))
    elif sys.argv[1] == "read":
        contact = Contact.objects.get(object_id=int(sys.argv[2]))
        print(json.dumps({"id": contact.id, "name": contact.name}, ensure_ascii=False))


main()
