//! The custom fields every account of the mock starts with: each type of §7 wherever §7 allows it. Ids are fixed, so
//! that tests can name them.

use std::collections::BTreeMap;

use super::fields::{Choice, Field, FieldBook, FieldGroup, Owner};
use super::kind::Kind;
use super::table::Table;

/// Owner, first id, and per field `type|name|code|choices`; a choice may be `CODE=value`.
const FIELDS: &[(Owner, u64, &[&str])] = &[
    (
        Owner::Card(Kind::Contacts),
        301,
        &[
            "multitext|Телефон|PHONE|WORK=WORK,WORKDD=WORKDD,MOB=MOB,FAX=FAX,HOME=HOME,OTHER=OTHER",
            "multitext|Email|EMAIL|WORK=WORK,PRIV=PRIV,OTHER=OTHER",
            "text|Должность|POSITION|",
            "multitext|Мгн. сообщения|IM|SKYPE=SKYPE,ICQ=ICQ,JABBER=JABBER,GTALK=GTALK,MSN=MSN,OTHER=OTHER",
            "text|Nickname||",
            "textarea|About||",
            "numeric|Shoe size||",
            "monetary|Credit limit||",
            "checkbox|Newsletter||",
            "url|Profile||",
            "date|First visit||",
            "date_time|Last call||",
            "birthday|День рождения||",
            "select|Язык||Русский,English,Deutsch",
            "radiobutton|Size||S,M,L,XL",
            "multiselect|Интересы||Спорт,Музыка,Travel,Cooking",
            "streetaddress|Home address||",
            "smart_address|Delivery address||",
            "legal_entity|Юр. лицо||",
            "file|Passport scan||",
        ],
    ),
    (
        Owner::Card(Kind::Companies),
        401,
        &[
            "multitext|Телефон|PHONE|WORK=WORK,WORKDD=WORKDD,MOB=MOB,FAX=FAX,HOME=HOME,OTHER=OTHER",
            "multitext|Email|EMAIL|WORK=WORK,PRIV=PRIV,OTHER=OTHER",
            "url|Web|WEB|",
            "textarea|Адрес|ADDRESS|",
            "text|Brand||",
            "numeric|Employees||",
            "monetary|Turnover||",
            "checkbox|Partner||",
            "date|Contract date||",
            "date_time|Next meeting||",
            "birthday|Founded||",
            "select|Industry||Retail,Строительство,IT,Logistics",
            "radiobutton|Tier||A,B,C",
            "multiselect|Каналы||Сайт,Звонок,Выставка",
            "streetaddress|Street||",
            "smart_address|Office||",
            "legal_entity|Реквизиты||",
            "file|Contract||",
        ],
    ),
    (
        Owner::Card(Kind::Customers),
        501,
        &[
            "text|Card number||",
            "textarea|Wishes||",
            "numeric|Visits||",
            "monetary|Deposit||",
            "checkbox|VIP||",
            "url|Cabinet||",
            "date|Card issued||",
            "date_time|Last visit||",
            "select|Favorite shop||Пермь,Москва,Kazan",
            "radiobutton|Plan||Basic,Plus",
            "multiselect|Gifts||Book,Mug,Сертификат",
            "streetaddress|Delivery street||",
            "chained_list|Favorite product||",
            "file|Agreement||",
        ],
    ),
    (Owner::Segments, 561, &["text|Segment note||", "numeric|Discount||", "checkbox|Seasonal||"]),
    (
        Owner::Card(Kind::Leads),
        640,
        &[
            "text|City||",
            "textarea|Requirements||",
            "numeric|Square meters||",
            "monetary|Prepayment||",
            "checkbox|Urgent||",
            "url|Project page||",
            "date|Measure date||",
            "date_time|Delivery time||",
            "birthday|Anniversary||",
            "select|Product line||Window,Door,Балкон",
            "radiobutton|Delivery||Pickup,Courier",
            "multiselect|Опции||Сетка,Подоконник,Blinds",
            "streetaddress|Object street||",
            "smart_address|Object address||",
            "legal_entity|Payer||",
            "tracking_data|utm_source|UTM_SOURCE|",
            "tracking_data|utm_campaign|UTM_CAMPAIGN|",
            "chained_list|Configuration||",
            "file|Drawing||",
            "numeric|Margin|COMPUTED|",
        ],
    ),
    (
        Owner::Catalog(4100),
        701,
        &[
            "text|SKU|SKU|",
            "price|Price|PRICE|",
            "category|Group|GROUP|Hardware,Glass,Profiles",
            "textarea|Description|DESCRIPTION|",
            "numeric|Weight||",
            "checkbox|Fragile||",
            "linked_entity|Vendor contact||",
            "file|Photo||",
        ],
    ),
    (Owner::Catalog(4101), 721, &["text|SKU|SKU|", "price|Price|PRICE|", "category|Group|GROUP|Services,Goods"]),
    (
        Owner::Catalog(4102),
        741,
        &[
            "select|Status|BILL_STATUS|CREATED=Created,PAID=Paid",
            "payer|Payer|PAYER|",
            "items|Items|ITEMS|",
            "supplier|Supplier|SUPPLIER|",
            "linked_entity|Customer||",
            "date|Paid at||",
            "textarea|Comment|BILL_COMMENT|",
        ],
    ),
    (Owner::Catalog(4103), 761, &["text|VAT number||", "streetaddress|Address||"]),
];

pub fn fields() -> FieldBook {
    let mut book = FieldBook { fields: Table::starting_at(301), groups: groups(), next_enum: 7001 };
    for (owner, first, lines) in FIELDS {
        for (id, line) in (*first..).zip(*lines) {
            let field = field(*owner, id, line, &mut book.next_enum);
            book.fields.put(id, field);
        }
    }
    book
}

fn field(owner: Owner, id: u64, line: &str, next_enum: &mut u64) -> Field {
    let mut parts = line.split('|');
    let mut part = || parts.next().unwrap_or_default();
    let (field_type, name, code, choices) = (part(), part(), part(), part());
    let mut enums = Vec::new();
    for (index, choice) in choices.split(',').filter(|choice| !choice.is_empty()).enumerate() {
        let (code, value) = choice.split_once('=').map_or((None, choice), |(code, value)| (Some(code), value));
        enums.push(Choice {
            id: *next_enum,
            value: value.to_owned(),
            code: code.map(str::to_owned),
            sort: sort_of(index),
            parent: None,
        });
        *next_enum += 1;
    }
    let computed = code == "COMPUTED";
    Field {
        owner,
        name: name.to_owned(),
        code: (!code.is_empty() && !computed).then(|| code.to_owned()),
        value_type: field_type.to_owned(),
        sort: i64::try_from(id).unwrap_or(500),
        computed,
        predefined: matches!(code, "PHONE" | "EMAIL" | "POSITION" | "IM" | "WEB" | "ADDRESS"),
        api_only: false,
        required: false,
        group: None,
        currency: (field_type == "monetary").then(|| "RUB".to_owned()),
        enums,
        rest: BTreeMap::new(),
    }
}

/// amoCRM numbers the sort of choices 500, 501, …
pub fn sort_of(index: usize) -> i64 {
    500 + i64::try_from(index).unwrap_or(0)
}

fn groups() -> Vec<FieldGroup> {
    let predefined = |kind: Kind, id: &str, name: &str, sort: i64| FieldGroup {
        id: id.to_owned(),
        owner: Owner::Card(kind),
        name: name.to_owned(),
        sort,
        predefined: true,
    };
    let mut groups: Vec<FieldGroup> =
        Kind::CARDS.into_iter().map(|kind| predefined(kind, "default", "Основное", 0)).collect();
    groups.push(predefined(Kind::Leads, "statistic", "Статистика", 1));
    groups
}
