//! `GET /api/v4/account` (§2.14).

use http::StatusCode;
use serde_json::json;

use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::no_method;
use crate::world::ACCOUNT_ID;
use crate::world::base::OPENED_AT;

pub fn answer(cx: &mut Cx) -> Answer {
    if cx.request.method != http::Method::GET {
        return no_method();
    }
    let asks = |word: &str| cx.request.query.asks_with(word);
    let mut body = json!({
        "id": ACCOUNT_ID,
        "name": "Acme",
        "subdomain": "acme",
        "created_at": OPENED_AT,
        "created_by": 0,
        "updated_at": OPENED_AT,
        "updated_by": 0,
        "current_user_id": cx.world.actor.user,
        "country": "RU",
        "currency": "RUB",
        "currency_symbol": "₽",
        "customers_mode": cx.world.customers_mode.word(),
        "is_unsorted_on": true,
        "mobile_feature_version": 0,
        "is_loss_reason_enabled": true,
        "is_helpbot_enabled": false,
        "is_technical_account": false,
        "contact_name_display_order": 1,
        "_links": cx.self_link("/api/v4/account"),
        "_embedded": {},
    });
    if asks("amojo_id") {
        body["amojo_id"] = json!("f3c1b7a0-0000-4000-8000-000031337000");
    }
    if asks("uuid") {
        body["uuid"] = json!("8a4b6d3e-0000-4000-8000-000031337000");
    }
    if asks("version") {
        body["version"] = json!(12);
    }
    if asks("is_api_filter_enabled") {
        body["is_api_filter_enabled"] = json!(cx.world.switches.on("paid_filters"));
    }
    if asks("drive_url") {
        body["drive_url"] = json!(cx.request.base());
    }
    if asks("users_groups") {
        body["_embedded"]["users_groups"] = json!([{"id": 0, "name": "Отдел продаж", "uuid": null}]);
    }
    if asks("task_types") {
        body["_embedded"]["task_types"] = json!([
            {"id": 1, "name": "Связаться", "color": null, "icon_id": null, "code": "FOLLOW_UP"},
            {"id": 2, "name": "Встреча", "color": null, "icon_id": null, "code": "MEETING"},
            {"id": 3, "name": "Send offer", "color": "ed6b00", "icon_id": 7, "code": null},
        ]);
    }
    if asks("amojo_rights") {
        body["_embedded"]["amojo_rights"] = json!({"can_direct": true, "can_create_groups": true});
    }
    if asks("entity_names") {
        body["_embedded"]["entity_names"] = json!({"leads": {"ru": {"singular_form": {"dative": "сделке"}}}});
    }
    if asks("datetime_settings") {
        body["_embedded"]["datetime_settings"] = json!({
            "date_pattern": "d.m.Y H:i", "short_date_pattern": "d.m.Y", "short_time_pattern": "H:i",
            "date_format": "d.m.Y", "time_format": "H:i:s", "timezone": "Europe/Moscow", "timezone_offset": "+03:00",
        });
    }
    if asks("invoices_settings") {
        body["_embedded"]["invoices_settings"] = json!({"lang": "ru", "currency": "RUB"});
    }
    Answer::hal(StatusCode::OK, &body)
}
