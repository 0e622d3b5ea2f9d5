//! `METHOD target | body | what is made of it`. `S(word path)` is a part of the set-up, `remove`/`keep` are tags.

pub const ROWS: &str = r#"
# reads, sign-in, documented writes
GET /api/v4/leads?filter[id][]=5 | | stream
HEAD /api/v4/leads/5 | | stream
OPTIONS /ajax/leads/multiple/delete/ | | stream
GET /ajax/leads/multiple/loadmore/?skip_filter=Y | | stream
POST /oauth2/access_token | {"client_secret":"x"} | stream
POST /api/v4/leads | [{"name":"delete"}] | stream
POST /api/v4/leads/complex | [] | stream
POST /api/v4/contacts/5/notes | [] | stream
POST /api/v4/leads/5/link | [] | stream
POST /api/v4/tasks | [] | stream
PATCH /api/v4/tasks/5 | {} | stream
PATCH /api/v4/catalogs/4100/elements | [] | stream
POST /api/v4/users/deactivate | [] | stream
POST /ajax/leads/multiple/add/ | x=1 | stream
POST /ajax/leads/multiple/change_status/ | parties[id][]=5 | stream
POST /ajax/leads/multiple/loadmore/?skip_filter=Y | x=1 | stream
# writes whose path with DELETE destroys: read for a verb of their own
PUT /api/v4/leads/5/files | [] | no
PATCH /api/v4/customers/segments/5 | {"name":"delete"} | no
PATCH /api/v4/customers/segments/5 | {"_method":"DELETE"} | unreadable
PATCH /api/v4/customers/segments/5 | {"\u005f\u006dethod":"DELETE"} | unreadable
PATCH /api/v4/leads/pipelines/5 | %5fm%65thod=DELETE | unreadable
POST /api/v4/webhooks | {"settings":["delete_lead"]} | no
PATCH /api/v4/roles/5 | {"rights":{"leads":{"delete":"A"}}} | no
# deletes sent as reads
GET /AJAX/contacts/multiple/DELETE/?ID[]=5 | | refuse
GET /api/v2/customers?delete[]=5 | | refuse
GET /private/deals/delete.php?ID=5&ACTION=DELETE | | refuse
GET /ajax/leads/multiple/delete/?ID[]=5 | | refuse
GET /ajax/leads/multiple%7c/?ID[]=5 | | refuse
GET /api/v4/leads/%31?id=5 | | refuse
GET /api/v4/leads?id=5 | | stream
GET /ajax/v1/customers/set/?request[customers][delete][]=5 | | refuse
HEAD /contacts/detail/5?ACTION=DELETE | | refuse
# DELETE that nobody knows
DELETE /api/v4/leads/5001 | | refuse
DELETE /api/v4/contacts | [{"id":5}] | refuse
DELETE /api/v4/calls/555 | | refuse
DELETE /api/v4/leads/unsorted/98bc | | refuse
DELETE /api/v4/leads/pipelines/abc | | refuse
DELETE /api/v4/leads/5/notes/6 | | refuse
DELETE /api/v4/catalogs/1/elements/2 | | refuse
DELETE /api/v4/leads/5/files/7 | | refuse
DELETE / | | refuse
POST /api/v4/leads/5?_method=DELETE | | refuse
POST /api/v4/leads?_method=DELETE | [] | refuse
POST /ajax/Leads/multiple/delete/ | ID[]=5 | refuse
POST /AJAX/anything | x=1 | refuse
POST /Private/notes/edit2.php | ID=5&ACTION=NOTE_DELETE | refuse
PATCH /api/V4/leads | [] | refuse
# multiple/delete
POST /ajax/leads/multiple/delete/ | ID[]=5001&ID[]=5002 | amocrm.multiple_delete destroy leads/5001 leads/5002
POST /ajax/leads/multiple/delete | ID[]=5001 | amocrm.multiple_delete destroy leads/5001
POST /ajax/contacts/multiple/delete/ | ID=5 | amocrm.multiple_delete destroy contacts/5
POST /ajax/contacts/multiple/delete/ | {"x":"a\"b\\","ID":[5]} | amocrm.multiple_delete destroy contacts/5
POST /ajax/companies/multiple/delete/ | ID[0]=5&ID[1]=6 | amocrm.multiple_delete destroy companies/5 companies/6
POST /ajax/leads/multiple/delete/ | ID%5B%5D=5&ID%5b%5d=6 | amocrm.multiple_delete destroy leads/5 leads/6
POST /ajax/leads/multiple/delete/ | ACTION=DELETE&ID[]=5 | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/ | ID[]=5&ACTION=DELETE&ID[]=6 | amocrm.multiple_delete destroy leads/5 leads/6
POST /ajax/leads/multiple/delete/ | ID[]=6&ID[]=5&ID[]=6 | amocrm.multiple_delete destroy leads/6 leads/5
POST /ajax/leads/multiple/delete/ | ID[]=5&USER_LOGIN=a%40b.ru&USER_HASH=x | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/ | ID[0]=5&ID[]=6 | amocrm.multiple_delete destroy leads/5 leads/6
POST /ajax/leads/multiple/delete/ | {"ACTION":"DELETE","ID":5} | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/ | {"ID":[5,6]} | amocrm.multiple_delete destroy leads/5 leads/6
POST /ajax/leads/multiple/delete/ | {"ID":["5","6"]} | amocrm.multiple_delete destroy leads/5 leads/6
POST /ajax/leads/multiple/delete/ | {"\u0049D":[5]} | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/ | {"ID":[{"id":5}]} | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/ | | unreadable
POST /ajax/leads/multiple/delete/ | ID= | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=0 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=05 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=-5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5.0 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5e3 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5,6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=+5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=9223372036854775808 | unreadable
POST /ajax/leads/multiple/delete/ | ID=5&ID=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID=5&ID[]=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&ID=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&ID[0]=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&id[]=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&ids[]=6 | unreadable
POST /ajax/leads/multiple/delete/ | ID[a]=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[][]=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]x=5 | unreadable
POST /ajax/leads/multiple/delete/ | +ID[]=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID%00[]=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=%FF | unreadable
POST /ajax/leads/multiple/delete/ | ACTION=RESTORE&ID[]=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&request[customers][delete][]=6 | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5,"ID":6} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5,"\u0049D":6} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":[5],"x":{"a":1,"a":2}} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5 | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5.0} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":null} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":[]} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":true} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":[[5]]} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5,"x":"&ID=6&y="} | unreadable
POST /ajax/leads/multiple/delete/ | [5] | unreadable
POST /ajax/leads/multiple/delete/?ID[]=6 | ID[]=5 | unreadable
POST /ajax/leads/multiple/delete/?ACTION=X | ID[]=5 | unreadable
POST /ajax/tasks/multiple/delete/ | ID[]=5 | unreadable
POST /ajax/customers/multiple/delete/ | ID[]=5 | unreadable
# edit2.php
POST /private/notes/edit2.php | ID=8001&ACTION=TASK_DELETE | amocrm.task_delete destroy tasks/8001
POST /private/notes/edit2.php | ACTION=NOTE_DELETE&ID=9901 | amocrm.note_delete destroy notes/9901
POST /private/notes/edit2.php/ | ACTION=NOTE_DELETE&ID=9901 | amocrm.note_delete destroy notes/9901
POST /private/notes/edit2.php?parent_element_id=5&parent_element_type=2 | ID=9901&ACTION=NOTE_DELETE&ELEMENT_ID=5&ELEMENT_TYPE=2 | amocrm.note_delete destroy notes/9901
POST /private/notes/edit2.php | {"ACTION":"TASK_DELETE","ID":"8001"} | amocrm.task_delete destroy tasks/8001
POST /private/notes/edit2.php | ACTION=ADD_NOTE&BODY=please+delete+me | no
POST /private/notes/edit2.php | ACTION=EDIT_NOTE&ID=5 | no
POST /private/notes/edit2.php | ACTION=ADD_TASK | no
POST /private/notes/edit2.php | ACTION=EDIT_TASK&ID=5 | no
POST /private/notes/edit2.php | ACTION=COMPLETE_TASK&ID=5 | no
POST /private/notes/edit2.php | ACTION=PURGE&ID=5 | unreadable
POST /private/notes/edit2.php | ACTION=note_delete&ID=5 | unreadable
POST /private/notes/edit2.php | ID=5 | unreadable
POST /private/notes/edit2.php | ACTION=ADD_NOTE&action=NOTE_DELETE&ID=5 | unreadable
POST /private/notes/edit2.php | ACTION=ADD_NOTE&delete[]=5 | unreadable
POST /private/notes/edit2.php | ACTION=ADD_NOTE&ACTION=NOTE_DELETE&ID=5 | unreadable
POST /private/notes/edit2.php?ACTION=NOTE_DELETE | ACTION=ADD_NOTE&ID=5 | unreadable
# set/
POST /ajax/v1/customers/set/ | {"request":{"customers":{"delete":[1001]}}} | amocrm.customers_set destroy customers/1001
POST /ajax/v1/customers/set | request[customers][delete][]=1001&request[customers][delete][]=1002 | amocrm.customers_set destroy customers/1001 customers/1002
POST /ajax/v1/customers/set/ | {"request":{"customers":{"delete":[{"id":5}],"update":[{"id":6}]}}} | amocrm.customers_set destroy customers/5
POST /ajax/v1/customers/set/ | {"request":{"customers":{"add":[{"name":"A"}]}}} | no
POST /ajax/v1/customers/set/ | {"request":{"leads":{"delete":[5]}}} | unreadable
POST /ajax/v1/customers/set/ | {"request":{"customers":{"delete":[5]},"leads":{"delete":[6]}}} | unreadable
POST /ajax/v1/customers/set/ | {"request":{"customers":{"DELETE":[5]}}} | unreadable
POST /ajax/v1/customers/set/ | {"request":"{\"customers\":{\"delete\":[5]}}"} | unreadable
POST /ajax/v1/catalogs/set/ | request[catalogs][delete]=4100 | amocrm.catalogs_set catalogs S(catalogs /api/v4/catalogs/4100)
POST /ajax/v1/catalogs/set/ | request[catalogs][delete][0]=4100 | amocrm.catalogs_set catalogs S(catalogs /api/v4/catalogs/4100)
POST /ajax/v1/catalog_elements/set/ | request[catalog_elements][delete][]=77 | amocrm.catalog_elements_set destroy catalog_elements/77
POST /ajax/v1/catalog_elements/set/ | request%5Bcatalog_elements%5D%5Bdelete%5D%5B0%5D=77 | amocrm.catalog_elements_set destroy catalog_elements/77
POST /ajax/v1/catalog_elements/set/ | request[catalog_elements][delete]=77 | amocrm.catalog_elements_set destroy catalog_elements/77
POST /ajax/v1/notes/set/ | {"request":{"notes":{"delete":[{"id":"1"}]}}} | amocrm.notes_set destroy notes/1
POST /ajax/v1/users/set | request[users][delete][]=72 | amocrm.users_set users S(users /api/v4/users/72)
POST /ajax/v1/users/set | request[users][add][0][name]=A | no
POST /ajax/v1/links/set | {"request":{"links":{"unlink":[{"from":1}]}}} | unreadable
POST /ajax/v1/links/set | {"request":{"links":{"link":[{"from":1}]}}} | no
POST /ajax/v1/pipelines/delete | request[id]=900 | amocrm.pipelines_delete pipelines S(pipelines /api/v4/leads/pipelines/900)
POST /ajax/v1/pipelines/delete | {"request":{"id":"900"}} | amocrm.pipelines_delete pipelines S(pipelines /api/v4/leads/pipelines/900)
POST /ajax/v1/pipelines/delete | id=900 | unreadable
POST /ajax/v1/pipelines/delete | request[id][]=900&request[id][]=901 | unreadable
# bulk jobs
POST /ajax/v1/multiactions/set | request[multiactions][add][0][entity_type]=2&request[multiactions][add][0][multiaction_type]=4&request[multiactions][add][0][data][data][ACTION]=DELETE&request[multiactions][add][0][ids][]=5&request[multiactions][add][0][ids][]=6 | amocrm.multiactions destroy leads/5 leads/6
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":4,"ids":[5]}]}}} | amocrm.multiactions destroy contacts/5
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":3,"multiaction_type":"4","data":{"data":{"ACTION":"DELETE"},"ids":[5]}}]}}} | amocrm.multiactions destroy companies/5
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":17,"data":{"data":{"ACTION":"DELETE"}},"ids":[5]},{"entity_type":12,"multiaction_type":4,"ids":[6]}]}}} | amocrm.multiactions destroy contacts/5 customers/6
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":17,"ids":[5]}]}}} | unreadable
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":9,"ids":[5]}]}}} | unreadable
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":5,"multiaction_type":4,"ids":[5]}]}}} | unreadable
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":4}]}}} | unreadable
POST /ajax/v1/multiactions/set | {"request":{"multiactions":{"add":[{"entity_type":1,"multiaction_type":4,"ids":[5],"data":{"ids":[6]}}]}}} | unreadable
POST /ajax/v1/multiactions/set | {"request":{}} | unreadable
# deals, detail
POST /private/deals/delete.php | ID=5&ACTION=DELETE&pipeline=Y | amocrm.deals_delete destroy leads/5
POST /private/deals/delete.php | ID[]=5&ID[]=6&ACTION=DELETE | amocrm.deals_delete destroy leads/5 leads/6
POST /private/deals/delete.php | ID=5 | unreadable
POST /contacts/detail/2001 | {"ACTION":"DELETE","ID":2001} | amocrm.detail_delete destroy contacts/2001
POST /contacts/detail/2001/ | ACTION=DELETE&ID=2001 | amocrm.detail_delete destroy contacts/2001
POST /leads/detail/5001 | {"ACTION":"DELETE"} | amocrm.detail_delete destroy leads/5001
POST /companies/detail/3001 | {"ID":["3001"],"ACTION":"DELETE"} | amocrm.detail_delete destroy companies/3001
POST /contacts/detail/2001 | {"ACTION":"DELETE","ID":2002} | unreadable
POST /contacts/detail/2001 | {"ACTION":"DELETE","id":2002} | unreadable
POST /contacts/detail/2001 | {"ACTION":"SOFT_DELETE","ID":2001} | unreadable
POST /contacts/detail/2001 | {"action":"DELETE","ID":2001} | unreadable
POST /contacts/detail/2001 | {"NAME":"Anna"} | no
POST /customers/detail/5 | {"ACTION":"DELETE","ID":5} | unreadable
# v2
POST /api/v2/customers | {"delete":[1,2]} | amocrm.v2_customers destroy customers/1 customers/2
POST /api/v2/catalogs | {"delete":[4100]} | amocrm.v2_catalogs catalogs S(catalogs /api/v4/catalogs/4100)
POST /api/v2/catalog_elements | {"delete":["77"]} | amocrm.v2_catalog_elements destroy catalog_elements/77
POST /api/v2/transactions | {"delete":[{"id":3}]} | amocrm.v2_transactions destroy transactions/3
POST /api/v2/notes/ | {"delete":[{"id":1}]} | amocrm.v2_notes destroy notes/1
POST /api/v2/customers | delete[]=5 | amocrm.v2_customers destroy customers/5
POST /api/v2/customers | {"add":[{"name":"A"}]} | no
POST /api/v2/customers | {"delete":[{"id":1,"x":2}]} | unreadable
POST /api/v2/leads | {"delete":[5]} | unreadable
POST /api/v2/leads | {"update":[{"id":5,"unlink":{"contacts_id":[6]}}]} | unreadable
POST /api/v2/leads | {"add":[{"name":"A"}]} | no
# v4 cards
PATCH /api/v4/leads/5001 | {"name":"delete"} | no
PATCH /api/v4/leads/5001 | {"name":"x","is_deleted":false} | no
PATCH /api/v4/leads/5001 | {"tags_to_add":[{"name":"vip"}]} | no
PATCH /api/v4/leads/5001 | {"tags_to_delete":[]} | no
PATCH /api/v4/leads/5001 | {"is_deleted":true} | amocrm.patch_is_deleted destroy leads/5001
PATCH /api/v4/contacts | [{"id":5,"is_deleted":true},{"id":6,"name":"A"}] | amocrm.patch_is_deleted destroy contacts/5
PATCH /api/v4/leads/5001 | {"tags_to_delete":[{"id":11},{"name":"vip client"}]} | amocrm.patch_tags detach remove tags/leads-5001-11 tags/leads-5001-=vip%20client
PATCH /api/v4/leads/5001 | {"_embedded":{"tags":null}} | amocrm.patch_tags detach keep leads/5001:
PATCH /api/v4/leads | [{"id":5,"_embedded":{"tags":[{"id":1,"name":"a"}]}},{"id":6,"tags_to_delete":[{"id":2}]}] | amocrm.patch_tags detach remove tags/leads-6-2 keep leads/5:1
PATCH /api/v4/leads/5001 | {"id":5002,"tags_to_delete":[{"id":1}]} | unreadable
PATCH /api/v4/leads | [{"is_deleted":true}] | unreadable
PATCH /api/v4/leads | {"id":5,"is_deleted":true} | unreadable
PATCH /api/v4/leads | [{"id":5,"is_deleted":true},{"id":5}] | unreadable
PATCH /api/v4/leads/5 | {"is_deleted":true,"tags_to_delete":[{"id":1}]} | unreadable
PATCH /api/v4/leads/5 | {"is_deleted":"yes"} | unreadable
PATCH /api/v4/leads/5 | {"x":{"tags_to_delete":[{"id":1}]}} | unreadable
PATCH /api/v4/leads/5 | {"tags_to_delete":[{"color":"red"}]} | unreadable
PATCH /api/v4/leads/5 | {"tags_to_delete":"vip"} | unreadable
PATCH /api/v4/leads/5 | is_deleted=1 | unreadable
PATCH /api/v4/leads/5 | | no
# links
POST /api/v4/leads/5001/unlink | [{"to_entity_id":2001,"to_entity_type":"contacts"}] | amocrm.unlink detach links/leads-5001-contacts-2001
POST /api/v4/leads/5001/unlink/ | [{"to_entity_id":"77","to_entity_type":"catalog_elements","metadata":{"catalog_id":4100}}] | amocrm.unlink detach links/leads-5001-catalog_elements-77-4100
POST /api/v4/leads/unlink | [{"entity_id":5,"to_entity_id":6,"to_entity_type":"companies","metadata":null},{"entity_id":7,"to_entity_id":8,"to_entity_type":"contacts"}] | amocrm.unlink_mass detach links/leads-5-companies-6 links/leads-7-contacts-8
POST /api/v4/leads/5/unlink | [{"entity_id":6,"to_entity_id":1,"to_entity_type":"contacts"}] | unreadable
POST /api/v4/leads/unlink | [{"to_entity_id":1,"to_entity_type":"contacts"}] | unreadable
POST /api/v4/leads/5/unlink | {"to_entity_id":1,"to_entity_type":"contacts"} | unreadable
POST /api/v4/leads/5/unlink | [] | unreadable
POST /api/v4/leads/5/unlink | [{"to_entity_id":1}] | unreadable
POST /api/v4/leads/5/unlink | [{"to_entity_id":1,"to_entity_type":"moons"}] | unreadable
POST /api/v4/tasks/5/unlink | [{"to_entity_id":1,"to_entity_type":"contacts"}] | unreadable
# v4 deletes
DELETE /api/v4/customers/transactions/3 | | amocrm.v4_transaction destroy transactions/3
DELETE /api/v4/customers/segments/4 | [] | amocrm.v4_segment destroy segments/4
DELETE /api/v4/leads/custom_fields/640 | | amocrm.v4_custom_field custom_fields S(custom_fields /api/v4/leads/custom_fields/640)
DELETE /api/v4/customers/segments/custom_fields/6/ | | amocrm.v4_custom_field custom_fields S(custom_fields /api/v4/customers/segments/custom_fields/6)
DELETE /api/v4/catalogs/41/custom_fields/6 | | amocrm.v4_custom_field custom_fields S(custom_fields /api/v4/catalogs/41/custom_fields/6)
DELETE /api/v4/leads/custom_fields/640 | [{"id":641}] | unreadable
DELETE /api/v4/leads/custom_fields/groups/leads_27 | | amocrm.v4_field_group field_groups S(field_groups /api/v4/leads/custom_fields/groups/leads_27)
DELETE /api/v4/leads/pipelines/900 | | amocrm.v4_pipeline pipelines S(pipelines /api/v4/leads/pipelines/900)
DELETE /api/v4/leads/pipelines/900/statuses/32001 | | amocrm.v4_status statuses S(statuses /api/v4/leads/pipelines/900/statuses/32001)
DELETE /api/v4/leads/loss_reasons/31 | | amocrm.v4_loss_reason loss_reasons S(loss_reasons /api/v4/leads/loss_reasons/31)
DELETE /api/v4/customers/statuses/5 | | amocrm.v4_customer_status customer_statuses S(customer_statuses /api/v4/customers/statuses/5)
DELETE /api/v4/leads/unsorted/98bc/decline | {"user_id":71} | amocrm.v4_unsorted unsorted S(unsorted /api/v4/leads/unsorted/98bc)
DELETE /api/v4/leads/5/files | [{"file_uuid":"a"}] | amocrm.v4_entity_files entity_files
DELETE /v1.0/files | [{"uuid":"ab-1"},{"uuid":"ab-1"}] | amocrm.drive_files files S(files /v1.0/files/ab-1)
DELETE /v1.0/files | | unreadable
DELETE /v1.0/files | [{"uuid":"../x"}] | unreadable
DELETE /api/v4/sources/7 | | amocrm.v4_source sources S(sources /api/v4/sources/7)
DELETE /api/v4/sources | [{"id":7},{"id":8}] | amocrm.v4_sources sources S(sources /api/v4/sources/7) S(sources /api/v4/sources/8)
DELETE /api/v4/webhooks | {"destination":"https://x"} | amocrm.v4_webhook webhooks
DELETE /api/v4/roles/3 | | amocrm.v4_role roles S(roles /api/v4/roles/3)
DELETE /api/v4/widgets/abc | | amocrm.v4_widget widgets S(widgets /api/v4/widgets/abc)
DELETE /api/v4/chats/templates/3 | | amocrm.v4_chat_template chat_templates S(chat_templates /api/v4/chats/templates/3)
DELETE /api/v4/chats/templates | [{"id":3}] | amocrm.v4_chat_templates chat_templates
# paths nobody knows
POST /api/v4/moons | [{"name":"x"}] | no
POST /api/v4/moons | [{"delete":[5]}] | unreadable
PATCH /api/v4/moons/5 | {"is_deleted":true} | unreadable
POST /api/v4/moons/delete | | unreadable
POST /api/v4/leads/5001/unsubscribe | | no
POST /ajax/v3/anything | a=1 | no
POST /ajax/v3/anything | a=DELETE | unreadable
POST /ajax/v3/anything?ACTION=DELETE | a=1 | unreadable
POST /ajax/v3/anything | a={"delete":[1]} | unreadable
POST /ajax/merge/contacts/save | id[]=1&id[]=2 | unreadable
POST /private/anything | {"_method":"PATCH"} | unreadable
POST /private/anything | {"x": | unreadable
# what somebody on the way may drop or turn
GET /ajax/contacts/multiple/delete/%7c5 | | refuse
GET /ajax/contacts/multiple/delete.x/5 | | stream
POST /ajax/v1%7c/unheard/of | a=1 | refuse
POST /ajax/v1./unheard/of | a=1 | refuse
POST /ajax/v1/unheard.php | a=1 | no
PUT /api/v4/customers/trAnsactions/5 | a=1 | refuse
POST /ajax/v2/multiactions/set | a=1 | unreadable
POST /ajax/leads/multiple/delete/?lang=ru&_=17%20 | ID=5 | amocrm.multiple_delete destroy leads/5
POST /ajax/leads/multiple/delete/?x%5B%5D=5 | ID=5 | unreadable
POST /ajax/leads/multiple/delete/?x=1%26y=6 | ID=5 | unreadable
POST /ajax/leads/multiple/delete/ | ID[]=5&ID+[]=6 | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5,"x":{"y":1,"Y":2}} | unreadable
POST /ajax/leads/multiple/delete/ | {"ID":5,"x":[{"y z":1}]} | unreadable
"#;
