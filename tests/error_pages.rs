//! Every error code has a page in `docs/errors/`, and every page is about a code that exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The ways in which the sources spell a code: an answer with its status, a refusal, an error of the engine.
const SPELLED: &str = r#"(?x)
    (?: StatusCode::[A-Z_]+ ,\s* | \bcode:\s | \bcode\s=\s | unavailable\(\s* | refusal\(\s*\w+,\s* | because\(\s*\w+,\s* | unsafe_to_delete\(\s* )
    "([a-z][a-z_]+)"
"#;

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("src is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            // Tests at the end of a file may invent codes.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push(code.to_owned());
        }
    }
}

fn codes() -> BTreeSet<String> {
    let spelled = Regex::new(SPELLED).expect("it is a regular expression");
    let mut texts = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut texts);
    let found = texts.iter().flat_map(|text| spelled.captures_iter(text)).map(|found| found[1].to_owned());
    found.collect()
}

fn pages() -> BTreeSet<String> {
    let files = fs::read_dir(Path::new(ROOT).join("docs/errors")).expect("docs/errors").flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "README.md").map(|name| name.trim_end_matches(".md").to_owned()).collect()
}

#[test]
fn every_code_has_a_page() {
    let codes = codes();
    // The expression finds each of the spellings.
    for known in [
        "plan_changed",
        "forbidden",
        "archive_unusable",
        "snapshot_failed",
        "incomplete_snapshot",
        "not_found",
        "bad_path",
    ] {
        assert!(codes.contains(known), "{known} was not found in the sources");
    }
    let pages = pages();
    let missing: Vec<&String> = codes.difference(&pages).collect();
    assert!(missing.is_empty(), "no page in docs/errors for {missing:?}");
}

#[test]
fn every_page_is_about_a_code_and_listed() {
    let codes = codes();
    let orphans: Vec<String> = pages().into_iter().filter(|page| !codes.contains(page)).collect();
    assert!(orphans.is_empty(), "nothing in src has the code {orphans:?}");
    let list = fs::read_to_string(Path::new(ROOT).join("docs/errors/README.md")).expect("the list");
    for page in pages() {
        assert!(list.contains(&format!("({page}.md)")), "{page} is not in docs/errors/README.md");
    }
}

#[test]
fn every_page_says_what_it_means_why_and_what_to_do() {
    for page in pages() {
        let text = fs::read_to_string(Path::new(ROOT).join(format!("docs/errors/{page}.md"))).expect("a page");
        assert!(text.starts_with(&format!("# `{page}`\n")), "{page}: the heading is its code");
        let prose = text.lines().skip(3).collect::<Vec<_>>().join(" ");
        let sentences = prose.matches(". ").count() + usize::from(prose.trim_end().ends_with('.'));
        assert!(sentences >= 5, "{page} has only {sentences} sentences");
    }
}
