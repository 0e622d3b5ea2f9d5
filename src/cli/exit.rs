//! What a command's exit code says. Scripts rely on these numbers.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok,
    /// It failed.
    Failed,
    /// Nothing was done: there was nothing to do, or a person said no.
    Nothing,
    /// Some of it was done.
    Partial,
    /// It was asked in a way it cannot understand, or is configured wrongly.
    Usage,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Nothing => 2,
            Self::Partial => 3,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
