use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::crm::amocrm::AmoCrm;
use crate::crm::amocrm::dialect::signatures::SIGNATURES;
use crate::crm::{Dialect, Head};
use crate::domain::delete::{DeleteIntent, Effect, Refusal, Selection, Verdict};
use crate::domain::record::RecordRef;

fn intent(route: &'static str, records: &str) -> DeleteIntent {
    let ids = records.split_whitespace().map(|record| record.parse().expect("a record")).collect();
    DeleteIntent { route, effect: Effect::Destroy, selection: Selection::Ids(ids) }
}

/// `claimed`, `denied`, `unclear`, or the records that were refused.
fn said(route: &'static str, records: &str, status: u16, body: &str) -> String {
    let status = StatusCode::from_u16(status).expect("a status");
    match AmoCrm.settle(&intent(route, records), status, body.as_bytes()) {
        Verdict::Claimed => "claimed".to_owned(),
        Verdict::Denied(_) => "denied".to_owned(),
        Verdict::Unclear(_) => "unclear".to_owned(),
        Verdict::Mixed(refused) => refused.iter().map(|(record, _)| record.to_string()).collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn answers_are_read_as_probed() {
    let fail = r#"{"status":"fail","errors":["Недостаточно прав для удаления сделки"],"message":"Недостаточно прав для удаления"}"#;
    let set = |errors: &str| format!(r#"{{"response":{{"customers":{{"delete":{{"errors":{errors}}}}}}}}}"#);
    let cases: &[(&'static str, &str, u16, String, &str)] = &[
        (
            "amocrm.multiple_delete",
            "leads/5",
            200,
            r#"{"status":"success","message":"Удаление прошло успешно для 1 сделки"}"#.into(),
            "claimed",
        ),
        ("amocrm.multiple_delete", "leads/5", 200, fail.into(), "denied"),
        (
            "amocrm.multiple_delete",
            "leads/5",
            200,
            r#"{"status":"fail","errors":["Insufficient rights to delete"]}"#.into(),
            "denied",
        ),
        ("amocrm.multiple_delete", "leads/5", 200, "<html>".into(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 200, String::new(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 200, r#"{"ok":1}"#.into(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 204, String::new(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 302, String::new(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 500, "{}".into(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 504, "<html>".into(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 429, "<html>".into(), "denied"),
        ("amocrm.multiple_delete", "leads/5", 403, "<html>".into(), "unclear"),
        ("amocrm.multiple_delete", "leads/5", 401, r#"{"title":"Unauthorized"}"#.into(), "denied"),
        ("amocrm.multiple_delete", "leads/5", 402, r#"{"title":"Pay"}"#.into(), "denied"),
        ("amocrm.task_delete", "tasks/5", 200, r#"{"status":"ok","id":5}"#.into(), "claimed"),
        ("amocrm.task_delete", "tasks/5", 400, r#"{"status":"fail","id":5}"#.into(), "denied"),
        ("amocrm.note_delete", "notes/5", 200, r#"{"status":"ok","id":5}"#.into(), "claimed"),
        ("amocrm.note_delete", "notes/5", 200, r#"{"status":"no note","id":5}"#.into(), "denied"),
        ("amocrm.customers_set", "customers/5 customers/6", 200, set("[]"), "claimed"),
        ("amocrm.customers_set", "customers/5 customers/6", 200, set(r#"[{"id":6,"code":404}]"#), "customers/6"),
        (
            "amocrm.customers_set",
            "customers/5 customers/6",
            200,
            set(r#"[{"id":"6","code":404},{"id":5}]"#),
            "customers/6 customers/5",
        ),
        ("amocrm.customers_set", "customers/5 customers/6", 200, set(r#"{"6":{"code":244}}"#), "customers/6"),
        ("amocrm.customers_set", "customers/5", 200, set(r#"[{"code":404}]"#), "customers/5"),
        ("amocrm.customers_set", "customers/5 customers/6", 200, set(r#"[{"code":404}]"#), "unclear"),
        ("amocrm.customers_set", "customers/5", 200, r#"{"response":{}}"#.into(), "unclear"),
        (
            "amocrm.customers_set",
            "customers/5",
            200,
            r#"{"response":{"error":"Код ошибки 244","error_code":"244"}}"#.into(),
            "denied",
        ),
        (
            "amocrm.catalogs_set",
            "catalogs/%2Fapi%2Fv4%2Fcatalogs%2F4100",
            200,
            r#"{"response":{"catalogs":{"delete":{"catalogs":[],"errors":[{"id":4100,"code":404}]}}}}"#.into(),
            "catalogs/%2Fapi%2Fv4%2Fcatalogs%2F4100",
        ),
        ("amocrm.pipelines_delete", "pipelines/9", 200, r#"{"response":{"9":true,"server_time":1}}"#.into(), "claimed"),
        (
            "amocrm.pipelines_delete",
            "pipelines/9",
            200,
            r#"{"response":{"error":"Код ошибки 222","error_code":"222"}}"#.into(),
            "denied",
        ),
        (
            "amocrm.multiactions",
            "leads/5",
            200,
            r#"{"response":{"multiactions":{"add":[{"id":1}]}}}"#.into(),
            "unclear",
        ),
        (
            "amocrm.v2_customers",
            "customers/5 customers/6",
            200,
            r#"{"_embedded":{"items":[{"id":5}],"errors":{"delete":[{"id":6,"code":404}]}}}"#.into(),
            "customers/6",
        ),
        ("amocrm.v2_customers", "customers/5", 200, r#"{"_embedded":{"items":[{"id":5}]}}"#.into(), "claimed"),
        ("amocrm.v4_transaction", "transactions/5", 204, String::new(), "claimed"),
        ("amocrm.v4_transaction", "transactions/5", 404, r#"{"title":"Not Found"}"#.into(), "denied"),
        ("amocrm.v4_transaction", "transactions/5", 405, String::new(), "denied"),
        (
            "amocrm.v4_pipeline",
            "pipelines/9",
            400,
            r#"{"validation-errors":[{"errors":[{"code":"NotSupportedChoice","path":"id"}]}]}"#.into(),
            "denied",
        ),
        ("amocrm.v4_pipeline", "pipelines/9", 422, r#"{"title":"Unprocessable Entity"}"#.into(), "denied"),
        ("amocrm.v4_entity_files", "", 202, String::new(), "claimed"),
        ("amocrm.v4_unsorted", "unsorted/x", 200, r#"{"uid":"x"}"#.into(), "claimed"),
        ("amocrm.unlink", "links/leads-1-contacts-2", 204, String::new(), "claimed"),
        ("amocrm.patch_is_deleted", "leads/5", 200, r#"{"_embedded":{"leads":[{"id":5}]}}"#.into(), "claimed"),
        ("amocrm.patch_is_deleted", "leads/5 leads/6", 400, r#"{"title":"Bad Request"}"#.into(), "unclear"),
    ];
    for (route, records, status, body, expected) in cases {
        assert_eq!(said(route, records, *status, body), *expected, "{route} {status} {body}");
    }
}

#[test]
fn gone_is_worded_as_the_route_words_it_and_never_claims_success() {
    for signature in SIGNATURES {
        let records = if signature.route == "amocrm.note_delete" { "notes/5" } else { "leads/5" };
        let answer = AmoCrm.gone(&intent(signature.route, records));
        let body = String::from_utf8(answer.body().to_vec()).expect("UTF-8");
        let verdict = said(signature.route, records, answer.status().as_u16(), &body);
        let expected = if signature.route.starts_with("amocrm.unlink") { "claimed" } else { "denied" };
        assert!(verdict == expected || verdict == "leads/5", "{} {body}: {verdict}", signature.route);
    }
    let gone = |route, records| {
        let answer = AmoCrm.gone(&intent(route, records));
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).expect("UTF-8"))
    };
    assert_eq!(gone("amocrm.task_delete", "tasks/8"), (400, r#"{"status":"fail","id":8}"#.to_owned()));
    assert_eq!(gone("amocrm.note_delete", "notes/8"), (200, r#"{"status":"no note","id":8}"#.to_owned()));
    assert!(gone("amocrm.multiple_delete", "companies/8").1.contains("Недостаточно прав для удаления контакта"));
    assert!(gone("amocrm.multiple_delete", "leads/8").1.contains("Недостаточно прав для удаления сделки"));
    assert!(gone("amocrm.customers_set", "customers/8").1.contains(r#""code":404"#));
    assert_eq!(gone("amocrm.v4_pipeline", "pipelines/9").0, 400);
    assert_eq!(gone("amocrm.v4_source", "sources/9").0, 404);
}

#[test]
fn refusals_speak_as_the_route_does() {
    let refusal = Refusal {
        status: 409,
        code: "incomplete_snapshot",
        detail: "leads/5: not whole".into(),
        hint: "send it again".into(),
        retry_after: Some(7),
    };
    let headers = HeaderMap::new();
    for (path, content_type, pointer) in [
        ("/api/v4/leads/5", "application/problem+json", "/detail"),
        ("/anything", "application/problem+json", "/detail"),
        ("/ajax/leads/multiple/delete/", "application/json", "/errors/0"),
        ("/private/notes/edit2.php", "application/json", "/message"),
        ("/contacts/detail/5", "application/json", "/errors/0"),
        ("/ajax/v1/customers/set/", "application/json", "/response/error"),
    ] {
        let answer = AmoCrm.refuse(&Head { method: &Method::POST, path, query: None, headers: &headers }, &refusal);
        assert_eq!(answer.status(), 409, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type, "{path}");
        assert_eq!(answer.headers()[header::RETRY_AFTER], "7", "{path}");
        let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
        assert_eq!(body.pointer(pointer), Some(&Value::from("leads/5: not whole")), "{path}");
        assert_eq!(body["code"], "incomplete_snapshot", "{path}");
        assert_eq!(body["hint"], "send it again", "{path}");
    }
}

#[test]
fn reasons_hold_no_text_of_the_crm() {
    let body = r#"{"status":"fail","errors":["Anna Serova, +79990000001"]}"#;
    let verdict = AmoCrm.settle(&intent("amocrm.multiple_delete", "leads/5"), StatusCode::OK, body.as_bytes());
    assert!(!format!("{verdict:?}").contains("Anna"), "{verdict:?}");
    let record = RecordRef::new("leads", 5);
    assert!(!format!("{verdict:?}").contains(&record.to_string()));
}
