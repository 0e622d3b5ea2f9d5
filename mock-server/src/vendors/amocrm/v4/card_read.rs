//! `GET` of cards: lists and single ones.

use http::StatusCode;
use serde_json::Value;

use super::card_filter::CardFilter;
use super::card_show::{show, show_deleted};
use crate::answer::Answer;
use crate::vendors::amocrm::Cx;
use crate::vendors::amocrm::hal::nothing;
use crate::world::kind::{Kind, Ref};

pub fn list(cx: &mut Cx, kind: Kind) -> Answer {
    let deleted = kind != Kind::Customers && cx.request.query.asks_with("only_deleted");
    let ids = cx.ordered(|cx| CardFilter::read(cx.world, kind, &cx.request.query).ordered(&cx.request.query));
    cx.page(kind.word(), &ids, |cx, id| -> Option<Value> {
        let of = kind.of(id);
        let card = cx.world.card(of)?;
        Some(if deleted { show_deleted(cx, of, card) } else { show(cx, of, card) })
    })
}

/// 204 for what is not there and for what is in the bin (§1.5, §4).
pub fn one(cx: &mut Cx, of: Ref) -> Answer {
    match cx.world.alive(of) {
        Some(card) => Answer::hal(StatusCode::OK, &show(cx, of, card)),
        None => nothing(),
    }
}
