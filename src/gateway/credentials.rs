//! Who may use the forward proxy: `Proxy-Authorization: Basic`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use super::refusal::because;
use crate::domain::delete::Refusal;

/// Names with their passwords, as hashes: comparing those tells nothing about how much was right.
#[derive(Clone, Debug)]
pub struct Credentials(Vec<blake3::Hash>);

impl Credentials {
    /// Of `name:password`, one a line; empty lines and those with `#` in front do not count.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut known = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((name, password)) if !name.is_empty() && password.len() >= 8 => {
                    known.push(blake3::hash(line.as_bytes()));
                }
                _ => {
                    return Err(format!(
                        "line {}: has to be name:password, with a password of 8 characters or more",
                        number + 1
                    ));
                }
            }
        }
        if known.is_empty() { Err("it names nobody".to_owned()) } else { Ok(Self(known)) }
    }

    /// Whether a request bears one of them.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut values = headers.get_all(header::PROXY_AUTHORIZATION).iter();
        let borne = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(basic),
            _ => None,
        };
        let known = borne.is_some_and(|borne| {
            let borne = blake3::hash(&borne);
            self.0.contains(&borne)
        });
        if known {
            return Ok(());
        }
        let detail = "this forward proxy asks for a name and a password";
        Err(because(
            407,
            "proxy_unauthorized",
            detail,
            "write them into the proxy's address: http://name:password@host:port",
        ))
    }
}

fn basic(value: &str) -> Option<Vec<u8>> {
    let (scheme, text) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(text.trim()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_with_its_password_and_nothing_else() {
        let known = Credentials::read("# who may\n\nanna:long-enough\nboris:with:colon-too\n").unwrap();
        let admitted = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::PROXY_AUTHORIZATION, value.parse().unwrap());
            }
            known.admit(&headers).is_ok()
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert!(admitted(&[&basic("anna:long-enough")]));
        assert!(admitted(&[&basic("anna:long-enough").replace("Basic", "bAsIc")]));
        assert!(admitted(&[&basic("boris:with:colon-too")]));
        for wrong in ["anna:long-enougH", "anna:", "anna", "", "boris:long-enough", "anna:long-enough ", "# who may"] {
            assert!(!admitted(&[&basic(wrong)]), "{wrong}");
        }
        assert!(!admitted(&[]));
        assert!(!admitted(&[&basic("anna:long-enough"), &basic("anna:long-enough")]));
        assert!(!admitted(&["Bearer anna:long-enough", "Basic", "Basic !!!"]));
        for bad in ["", "# nobody", "anna", "anna:short", ":long-enough-without-a-name"] {
            assert!(Credentials::read(bad).is_err(), "{bad}");
        }
    }
}
