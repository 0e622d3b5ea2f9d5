use std::io::Read;

use flate2::read::{DeflateDecoder as ReadDeflate, GzDecoder as ReadGzip, ZlibDecoder as ReadZlib};
use http_body_util::BodyExt;

use super::*;

const PAGE: &str = r#"{"_links":{"next":{"href":"https:\/\/acme.example\/api?page=2"}},"a":"https://acme.example/b"}"#;
const TOLD: &str = r#"{"_links":{"next":{"href":"http:\/\/gate\/api?page=2"}},"a":"http://gate/b"}"#;

fn pack(coding: &str, text: &str) -> Vec<u8> {
    let level = Compression::default();
    let mut pack = match coding {
        "gzip" => Pack::Gzip(GzEncoder::new(Vec::new(), level)),
        "zlib" => Pack::Zlib(ZlibEncoder::new(Vec::new(), level)),
        "raw" => Pack::Raw(DeflateEncoder::new(Vec::new(), level)),
        _ => return text.as_bytes().to_vec(),
    };
    pack.write(text.as_bytes()).unwrap();
    pack.finish().unwrap().to_vec()
}

fn unpack(coding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => ReadGzip::new(bytes).read_to_string(&mut text).unwrap(),
        "zlib" => ReadZlib::new(bytes).read_to_string(&mut text).unwrap(),
        "raw" => ReadDeflate::new(bytes).read_to_string(&mut text).unwrap(),
        _ => return String::from_utf8(bytes.to_vec()).unwrap(),
    };
    text
}

fn answer(coding: &str, body: Flow) -> Response<Flow> {
    let mut response = Response::builder().header("content-type", "application/hal+json; charset=utf-8");
    response = response.header("etag", "\"abc\"");
    match coding {
        "plain" => {}
        "zlib" | "raw" => response = response.header("content-encoding", "deflate"),
        other => response = response.header("content-encoding", other),
    }
    response.body(body).unwrap()
}

async fn told(response: Response<Flow>) -> (HeaderMap, Vec<u8>) {
    let address = Arc::new(Address::new("https://acme.example"));
    let (head, body) = relink(response, &address, "http://gate", true).await.unwrap().into_parts();
    (head.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

fn in_pieces(bytes: &[u8], size: usize) -> Flow {
    let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    Flow::boxed(http_body_util::StreamBody::new(futures::stream::iter(pieces)))
}

#[tokio::test]
async fn links_lead_back_in_every_coding_short_and_streamed() {
    for coding in ["plain", "gzip", "zlib", "raw"] {
        let packed = pack(coding, PAGE);
        let (headers, body) = told(answer(coding, Flow::whole(packed.clone().into()))).await;
        assert_eq!(unpack(coding, &body), TOLD, "{coding}");
        assert_eq!(headers["content-length"], body.len().to_string(), "{coding}");
        assert_eq!(headers["etag"], "W/\"abc\"");
        for size in [1, 7, 1000] {
            let (headers, body) = told(answer(coding, in_pieces(&packed, size))).await;
            assert_eq!(unpack(coding, &body), TOLD, "{coding} in pieces of {size}");
            assert!(headers.get("content-length").is_none());
        }
    }
}

#[tokio::test]
async fn what_needs_no_change_passes_byte_for_byte() {
    let other = PAGE.replace("acme", "other");
    for coding in ["plain", "gzip", "zlib", "raw"] {
        let packed = pack(coding, &other);
        let (headers, body) = told(answer(coding, Flow::whole(packed.clone().into()))).await;
        assert_eq!(body, packed, "{coding}");
        assert_eq!(headers["etag"], "\"abc\"");
    }
    for (kind, coding) in [("text/html", None), ("application/json", Some("br")), ("application/jsonp", None)] {
        let mut response = Response::builder().header("content-type", kind);
        if let Some(coding) = coding {
            response = response.header("content-encoding", coding);
        }
        let (_, body) = told(response.body(Flow::whole(PAGE.into())).unwrap()).await;
        assert_eq!(body, PAGE.as_bytes(), "{kind}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_passes_or_breaks_off() {
    let (_, body) = told(answer("gzip", Flow::whole("no gzip".into()))).await;
    assert_eq!(body, b"no gzip");
    let address = Arc::new(Address::new("https://acme.example"));
    let packed = pack("gzip", PAGE);
    let cut = in_pieces(&packed[..packed.len() - 9], 10);
    let response = relink(answer("gzip", cut), &address, "http://gate", true).await.unwrap();
    assert!(response.into_body().collect().await.is_err(), "a cut answer must not look whole");
}

#[test]
fn only_codings_that_can_be_read_are_asked_for() {
    for (asked, kept) in [
        ("gzip, deflate, br", "gzip, deflate"),
        ("gzip;q=1.0, *;q=0.5", "gzip;q=1.0"),
        ("br", "identity"),
        ("gzip,deflate", "gzip,deflate"),
        ("zstd, GZIP", "GZIP"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(asked).unwrap());
        accept_what_can_be_read(&mut headers);
        assert_eq!(headers[header::ACCEPT_ENCODING], kept, "{asked}");
    }
    let mut none = HeaderMap::new();
    accept_what_can_be_read(&mut none);
    assert!(none.is_empty());
}

#[tokio::test]
async fn location_and_link_lead_back() {
    let response = Response::builder()
        .status(302)
        .header("location", "https://acme.example/next")
        .header("link", "<https://acme.example/a>; rel=\"next\"")
        .body(Flow::empty())
        .unwrap();
    let (headers, _) = told(response).await;
    assert_eq!(headers["location"], "http://gate/next");
    assert_eq!(headers["link"], "<http://gate/a>; rel=\"next\"");
}
