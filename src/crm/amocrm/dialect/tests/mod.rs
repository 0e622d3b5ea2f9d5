//! | file | idea |
//! | --- | --- |
//! | [`table`] | requests and what is made of them, one a line |
//! | [`rows`] | the lines |
//! | [`random`] | properties |
//! | [`answers`] | settle, gone, refuse |
//! | [`naming`] | names and renaming |

mod answers;
mod naming;
mod random;
mod rows;
mod table;
