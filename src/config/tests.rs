use std::io::Write;

use rstest::rstest;

use super::*;

fn loaded(text: &str) -> Result<Config, BadConfig> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    load(Some(file.path()))
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = loaded("").expect("defaults are whole");
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.console.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.policy.retention_days, 90);
    assert!(config.connections.is_empty());
}

#[test]
fn the_example_of_the_default_file_is_one() {
    let example: String = DEFAULTS
        .lines()
        .skip_while(|line| !line.starts_with("# [[connections]]"))
        .take_while(|line| *line != "#")
        .map(|line| line.trim_start_matches("# ").replace("token_env = \"ACME_TOKEN\"", "token = \"t\"") + "\n")
        .collect();
    let config = loaded(&example).expect("the example");
    assert_eq!(config.connections[0].name, "acme");
    assert_eq!(config.connections[0].requests_per_second, 7);
}

#[rstest]
#[case("data_dirr = \"x\"", "unknown field")]
#[case("[gateway]\nlisten = \"nowhere\"", "gateway.listen")]
#[case("[gateway]\nanswer_idle_seconds = 0", "gateway.answer_idle_seconds")]
#[case("[backup]\nto = \"gs://bucket\"", "backup.to")]
#[case("[[connections]]\nname = \"a\"\nvendor = \"amocrm\"", "upstream")]
#[case("[[connections]]\nname = \"a\"\nvendor = \"siebel\"\nupstream = \"https://a.example\"", "known are: amocrm")]
#[case("[[connections]]\nname = \"a\"\nvendor = \"amocrm\"\nupstream = \"ftp://a.example\"", "http or https")]
#[case(
    "[[connections]]\nname = \"a\"\nvendor = \"amocrm\"\nupstream = \"https://a.example\"\ntoken_env = \"NOT_SET_ANYWHERE\"",
    "NOT_SET_ANYWHERE is not set"
)]
#[case(
    "[[connections]]\nname = \"a\"\nvendor = \"amocrm\"\nupstream = \"https://a.example\"\nhosts = [\"a\"]\n[[connections]]\nname = \"b\"\nvendor = \"amocrm\"\nupstream = \"https://A.example/\"\nhosts = [\"b\"]",
    "is the account of connection \"a\" already"
)]
#[case("this is not toml", "the configuration|expected")]
fn what_is_wrong_is_said(#[case] text: &str, #[case] expected: &str) {
    let error = loaded(text).expect_err("it is wrong").to_string();
    assert!(expected.split('|').any(|word| error.contains(word)), "{error}");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let one = "[[connections]]\nname = \"a\"\nvendor = \"amocrm\"\nupstream = \"https://a.example\"\n";
    let error = loaded(&format!("[policy]\nretention_days = 0\n{one}{one}")).expect_err("it is wrong");
    assert!(error.0.len() >= 4, "{error}");
}

#[test]
fn a_wrong_token_is_never_shown() {
    let text = "[[connections]]\nname = \"a\"\nvendor = \"amocrm\"\nupstream = \"https://a.example\"\ntoken = ";
    for secret in ["[\"s3cr3t-of-acme\"]", "\"s3cr3t-of-acme with spaces\""] {
        let error = loaded(&format!("{text}{secret}")).expect_err("it is wrong").to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_to_be_missing() {
    let error = load(Some(Path::new("/nowhere/crm-undo.toml"))).expect_err("no file").to_string();
    assert!(error.contains("/nowhere/crm-undo.toml") && error.contains("--config"), "{error}");
}
