//! Jobs, against a CRM that fails when told to.
//!
//! | file | idea |
//! | --- | --- |
//! | `whole` | what comes back, with everything that hangs on it |
//! | `once` | at most one copy, whatever happens |
//! | `steered` | pause, resume, cancel, retry, shutdown |

mod once;
mod steered;
mod whole;
