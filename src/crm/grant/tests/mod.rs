//! The refresher in a simulated world: a CRM whose refresh tokens are good once, a vault that fails, a clock that is
//! tokio's, and a process that dies at any of six points.
//!
//! | file | idea |
//! | --- | --- |
//! | `model` | that world |
//! | `schedules` | random lives in it, and what must hold at every moment |
//! | `cases` | single promises |

mod cases;
mod model;
mod schedules;
