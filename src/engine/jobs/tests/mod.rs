//! Jobs, against a CRM that fails when told to.
//!
//! | file | idea |
//! | --- | --- |
//! | `whole` | what comes back, with everything that hangs on it |
//! | `once` | at most one copy, whatever happens |
//! | `chance` | the same, with faults and crashes by chance |
//! | `mock` | a real connector against the bundled mock |
//! | `steered` | pause, resume, cancel, retry, shutdown |

mod chance;
mod mock;
mod once;
mod steered;
mod whole;
