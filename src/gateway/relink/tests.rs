use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder as ReadDeflate, GzDecoder as ReadGzip, ZlibDecoder as ReadZlib};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body::Frame;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;

const CODINGS: [&str; 6] = ["plain", "gzip", "zlib", "raw", "br", "zstd"];

const PAGE: &str = r#"{"_links":{"next":{"href":"https:\/\/acme.example\/api?page=2"}},"a":"https://acme.example/b"}"#;
const TOLD: &str = r#"{"_links":{"next":{"href":"http:\/\/gate\/api?page=2"}},"a":"http://gate/b"}"#;

/// In another way than the gateway packs, where there is one.
fn pack(coding: &str, text: &str) -> Vec<u8> {
    let level = Compression::best();
    let mut out = Vec::new();
    match coding {
        "gzip" => GzEncoder::new(&mut out, level).write_all(text.as_bytes()).unwrap(),
        "zlib" => ZlibEncoder::new(&mut out, level).write_all(text.as_bytes()).unwrap(),
        "raw" => DeflateEncoder::new(&mut out, level).write_all(text.as_bytes()).unwrap(),
        "br" => brotli::CompressorWriter::new(&mut out, 4096, 9, 22).write_all(text.as_bytes()).unwrap(),
        "zstd" => out = zstd::encode_all(text.as_bytes(), 9).unwrap(),
        _ => out = text.as_bytes().to_vec(),
    }
    out
}

fn unpack(coding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => ReadGzip::new(bytes).read_to_string(&mut text).unwrap(),
        "zlib" => ReadZlib::new(bytes).read_to_string(&mut text).unwrap(),
        "raw" => ReadDeflate::new(bytes).read_to_string(&mut text).unwrap(),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text).unwrap(),
        "zstd" => return String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap(),
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
    for coding in CODINGS {
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
async fn a_second_etag_stays() {
    let mut answered = answer("identity", Flow::whole(PAGE.into()));
    answered.headers_mut().append("etag", HeaderValue::from_static("plain"));
    let (headers, _) = told(answered).await;
    let tags: Vec<_> = headers.get_all("etag").iter().collect();
    assert_eq!(tags, ["W/\"abc\"", "plain"]);
}

#[tokio::test]
async fn what_needs_no_change_passes_byte_for_byte() {
    let other = PAGE.replace("acme", "other");
    for coding in CODINGS {
        let packed = pack(coding, &other);
        let (headers, body) = told(answer(coding, Flow::whole(packed.clone().into()))).await;
        assert_eq!(body, packed, "{coding}");
        assert_eq!(headers["etag"], "\"abc\"");
    }
    for (kind, coding) in [
        ("text/html", None),
        ("application/json", Some("compress")),
        ("application/json", Some("gzip, br")),
        ("application/jsonp", None),
    ] {
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
    for coding in ["gzip", "zlib", "br", "zstd"] {
        let (_, body) = told(answer(coding, Flow::whole("no such coding".into()))).await;
        assert_eq!(body, b"no such coding", "{coding}");
    }
    let address = Arc::new(Address::new("https://acme.example"));
    for coding in &CODINGS[1..] {
        let packed = pack(coding, PAGE);
        let cut = in_pieces(&packed[..packed.len() - 9], 10);
        let response = relink(answer(coding, cut), &address, "http://gate", true).await.unwrap();
        assert!(response.into_body().collect().await.is_err(), "{coding}: a cut answer must not look whole");
    }
}

/// JSON that is almost nothing but spaces.
fn bomb(coding: &str, megabytes: usize) -> Vec<u8> {
    let spaces = " ".repeat(megabytes << 20);
    pack(coding, &format!("{{\"a\":\"https://acme.example/x\"{spaces}}}"))
}

#[tokio::test]
async fn a_bomb_passes_when_it_is_short_and_is_cut_when_it_streams() {
    let address = Arc::new(Address::new("https://acme.example"));
    for coding in &CODINGS[1..] {
        let packed = bomb(coding, 48);
        // Short, and its length is known: as it came.
        if packed.len() <= 64 << 10 {
            let (_, body) = told(answer(coding, Flow::whole(packed.clone().into()))).await;
            assert!(body == packed, "{coding}");
        }
        let begun = std::time::Instant::now();
        let response = relink(answer(coding, in_pieces(&packed, 1000)), &address, "http://gate", true).await.unwrap();
        let mut body = response.into_body();
        let (mut came, mut largest) = (0, 0);
        let broke = loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    came += frame.data_ref().unwrap().len();
                    largest = largest.max(frame.data_ref().unwrap().len());
                }
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broke, "{coding}: {came} of {} bytes", packed.len());
        assert!(largest < 1 << 20, "{coding}: {largest} bytes were held");
        assert!(begun.elapsed().as_secs() < 20, "{coding}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn what_the_crm_has_sent_is_not_kept_until_more_comes() {
    let address = Arc::new(Address::new("https://acme.example"));
    for coding in CODINGS {
        let (tell, told) = futures::channel::mpsc::unbounded::<Result<Frame<Bytes>, flow::BodyError>>();
        let body = Flow::boxed(http_body_util::StreamBody::new(told));
        let mut body = relink(answer(coding, body), &address, "http://gate", true).await.unwrap().into_body();
        // Flushed, as a server does that streams.
        let mut out = Vec::new();
        let begun = "[{\"href\":\"https://acme.example/1\"}\n";
        match coding {
            "gzip" => {
                let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
                packer.write_all(begun.as_bytes()).unwrap();
                packer.flush().unwrap();
                out.extend_from_slice(packer.get_ref());
            }
            "br" => {
                let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 18);
                packer.write_all(begun.as_bytes()).unwrap();
                packer.flush().unwrap();
                out.extend_from_slice(packer.get_ref());
            }
            "plain" => out.extend_from_slice(begun.as_bytes()),
            _ => continue,
        }
        tell.unbounded_send(Ok(Frame::data(out.into()))).unwrap();
        let mut came = Vec::new();
        while !lenient(coding, &came).contains("http://gate/1\"}") {
            let wait = tokio::time::timeout(std::time::Duration::from_secs(5), body.frame());
            let frame = wait.await.unwrap_or_else(|_| panic!("{coding}: it waits for more")).unwrap().unwrap();
            came.extend_from_slice(frame.data_ref().unwrap());
        }
    }
}

/// What can be read of a body that is not over.
fn lenient(coding: &str, bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let _ = match coding {
        "gzip" => ReadGzip::new(bytes).read_to_end(&mut text),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut text),
        _ => {
            text = bytes.to_vec();
            Ok(0)
        }
    };
    String::from_utf8_lossy(&text).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_of_any_coding_comes_out_as_the_whole_does(
        words in proptest::collection::vec(
            prop_oneof![
                Just("\"https://acme.example".to_owned()), Just("\"https:\\/\\/acme.example".to_owned()),
                Just("\"https://acme.exa".to_owned()), Just(":".to_owned()), Just("/".to_owned()),
                Just("\"".to_owned()), Just("\\".to_owned()), "[a-z:/{,]{0,5}".prop_map(|s| s),
                "[a-zA-Z0-9 ]{200,900}".prop_map(|s| s),
            ], 0..30),
        cuts in proptest::collection::vec(1usize..300, 1..20),
        coding in 0..CODINGS.len(),
    ) {
        let coding = CODINGS[coding];
        let text = words.concat();
        let mut rewriter = Rewriter::new(Arc::new(Address::new("https://acme.example")), "http://gate");
        let mut wanted = rewriter.push(Bytes::from(text.clone())).to_vec();
        wanted.extend_from_slice(&rewriter.finish());
        let packed = pack(coding, &text);
        let mut pieces = Vec::new();
        let mut rest = &packed[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            pieces.push(Ok(Frame::data(Bytes::copy_from_slice(piece))));
            rest = left;
        }
        let body = Flow::boxed(http_body_util::StreamBody::new(futures::stream::iter(pieces)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, body) = runtime.block_on(told(answer(coding, body)));
        if text.is_empty() && body.is_empty() { return Ok(()) }
        prop_assert_eq!(unpack(coding, &body), String::from_utf8(wanted).unwrap());
    }
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
