//! `crm-undo seal`: a token from stdin, sealed on stdout.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use secrecy::SecretString;

use super::Exit;
use super::client::{Outcome, Trouble};

/// No token is longer.
const LONGEST: u64 = 64 << 10;

pub(super) fn run(config: Option<&Path>) -> Outcome {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprintln!("paste the token, then Enter and Ctrl-D");
    }
    let mut token = String::new();
    stdin
        .by_ref()
        .take(LONGEST)
        .read_to_string(&mut token)
        .map_err(|error| Trouble::new(Exit::Usage, format!("the token cannot be read from stdin: {error}")))?;
    let sealed = crate::app::seal(config, &SecretString::from(token)).map_err(|failure| {
        let exit = if failure.usage { Exit::Usage } else { Exit::Failed };
        let trouble = Trouble::new(exit, failure.message);
        match failure.hint {
            Some(hint) => trouble.hint(hint),
            None => trouble,
        }
    })?;
    println!("{sealed}");
    Ok(Exit::Ok)
}
