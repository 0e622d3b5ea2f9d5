//! Tokens that lie sealed in the configuration, and sealing them.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Failure, archive_options};
use crate::archive::pocket::{Pocket, is_sealed};
use crate::config::{self, Config, Connection};

/// `crm-undo seal`: the token as it may stand in `token`, `token_file` or `token_env`. Makes the archive's key if there
/// is no archive yet.
pub fn seal(file: Option<&Path>, token: &SecretString) -> Result<String, Failure> {
    let token = SecretString::from(token.expose_secret().trim());
    if is_sealed(token.expose_secret()) {
        return Err(Failure::usage("this token is sealed already").hint("give the token itself on stdin"));
    }
    if let Err(why) = config::is_token(token.expose_secret()) {
        return Err(Failure::usage(why).hint("crm-undo seal < file-with-the-token"));
    }
    // Unchecked: the file may name the sealed token that is only now being made.
    let config = config::read(file).map_err(Failure::usage)?;
    let sealed = Pocket::open_or_create(&archive_options(&config)).and_then(|pocket| pocket.seal(&token));
    sealed.map_err(|error| Failure::new(error).hint("archive.key_file names the key that the archive was made with"))
}

/// A connection's own token, opened if it is sealed. The text of an error never holds the token.
pub(super) fn token(config: &Config, connection: &Connection) -> Result<Option<SecretString>, String> {
    connection.token()?.map(|token| opened(config, token)).transpose()
}

/// A secret of the configuration, opened if it is sealed.
pub(super) fn opened(config: &Config, token: SecretString) -> Result<SecretString, String> {
    if !is_sealed(token.expose_secret()) {
        return Ok(token);
    }
    let again = "seal it again with `crm-undo seal`, or bring back the key it was sealed with";
    let pocket = Pocket::open(&archive_options(config)).map_err(|error| format!("its token is sealed, and {error}"))?;
    let opened = pocket.unseal(token.expose_secret()).map_err(|error| format!("its sealed token: {error}; {again}"))?;
    config::is_token(opened.expose_secret())?;
    Ok(opened)
}
