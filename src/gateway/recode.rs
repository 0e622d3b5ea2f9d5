//! A body whose links are rewritten as it streams by: unpacked, rewritten, packed again, never held.
//!
//! In memory are the windows of the coding, what may become an address with the next piece, and what was packed and not
//! taken yet. A body that unpacks to more than anybody would send ([`FREE`], [`RATIO`]) is given up.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};

use super::codings::{self, Coding, Pack, Unpack};
use super::links::{Address, Rewriter};
use crate::crm::upstream::flow::{BodyError, Flow};

/// A body may unpack to so many bytes, whatever its length.
const FREE: u64 = 1 << 20;
/// And to so many more for each of its own. Far above what pages of JSON need; a bomb of gzip reaches 1,000, one of br far more.
const RATIO: u64 = 250;
/// So many packed bytes are looked at between two looks at other connections.
const BITE: usize = 8 << 10;

/// Rewrites what was unpacked and packs it again.
struct Between {
    rewriter: Rewriter,
    pack: Box<dyn Pack>,
    unpacked: u64,
    allowed: u64,
}

impl Write for Between {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unpacked += bytes.len() as u64;
        if self.unpacked > self.allowed {
            metrics::counter!("crm_undo_gateway_cut_total", "limit" => "bomb").increment(1);
            return Err(io::Error::other("the answer unpacks to far more than its own length"));
        }
        let rewritten = self.rewriter.push(Bytes::copy_from_slice(bytes));
        self.pack.write_all(&rewritten)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes a body in pieces and gives it back in pieces.
pub(super) struct Recoder {
    coding: Coding,
    state: State,
    /// Whether the bytes are wanted, or only the news whether there was anything to rewrite.
    looks: bool,
    /// Whether something may be waiting in the coding for more to come.
    waits: bool,
}

enum State {
    /// As long as nothing has come, and for bodies that are not coded.
    Plain(Rewriter),
    Coded(Box<dyn Unpack<Between>>),
    Ended {
        changed: bool,
    },
}

impl Recoder {
    pub(super) fn new(coding: Coding, rewriter: Rewriter) -> Self {
        Self { coding, state: State::Plain(rewriter), looks: false, waits: false }
    }

    /// The next piece.
    pub(super) fn push(&mut self, piece: Bytes) -> io::Result<Bytes> {
        if piece.is_empty() {
            return Ok(piece);
        }
        if self.coding != Coding::Identity
            && let State::Plain(_) = self.state
        {
            self.begin(&piece)?;
        }
        match &mut self.state {
            State::Plain(rewriter) => Ok(rewriter.push(piece)),
            State::Coded(unpack) => {
                let sink = unpack.sink();
                sink.allowed += piece.len() as u64 * RATIO;
                unpack.write_all(&piece)?;
                self.waits = true;
                Ok(taken(&mut **unpack))
            }
            State::Ended { .. } => Ok(Bytes::new()),
        }
    }

    fn begin(&mut self, piece: &[u8]) -> io::Result<()> {
        let State::Plain(rewriter) = std::mem::replace(&mut self.state, State::Ended { changed: false }) else {
            return Ok(());
        };
        let pack = if self.looks { codings::nothing() } else { codings::packer(self.coding, piece)? };
        let between = Between { rewriter, pack, unpacked: 0, allowed: FREE };
        self.state = State::Coded(codings::unpacker(self.coding, piece, between)?);
        Ok(())
    }

    /// What waits in the coding: when the CRM pauses, its reader has what was sent so far.
    fn flush(&mut self) -> io::Result<Bytes> {
        if !std::mem::take(&mut self.waits) {
            return Ok(Bytes::new());
        }
        let State::Coded(unpack) = &mut self.state else { return Ok(Bytes::new()) };
        unpack.flush()?;
        unpack.sink().pack.flush()?;
        Ok(taken(&mut **unpack))
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        let (left, changed) = match &mut self.state {
            State::Plain(rewriter) => (rewriter.finish(), rewriter.changed()),
            State::Coded(unpack) => {
                unpack.end()?;
                let sink = unpack.sink();
                let held = sink.rewriter.finish();
                sink.pack.write_all(&held)?;
                sink.pack.end()?;
                let changed = sink.rewriter.changed();
                (taken(&mut **unpack), changed)
            }
            State::Ended { changed } => (Bytes::new(), *changed),
        };
        self.state = State::Ended { changed };
        Ok(left)
    }

    fn changed(&self) -> bool {
        matches!(self.state, State::Ended { changed: true })
    }

    fn unpacked(&mut self) -> u64 {
        match &mut self.state {
            State::Coded(unpack) => unpack.sink().unpacked,
            _ => 0,
        }
    }
}

fn taken(unpack: &mut dyn Unpack<Between>) -> Bytes {
    Bytes::from(std::mem::take(unpack.sink().pack.out()))
}

/// A short body at once. `None`: it stays as it came, because there is nothing to change, or because it is not what it
/// says it is, or a bomb; then that is the CRM's own doing.
pub(super) fn whole(coding: Coding, address: &Arc<Address>, other: &str, bytes: &Bytes) -> Option<Bytes> {
    let run = |looks: bool| -> io::Result<(Bytes, bool)> {
        let mut recoder = Recoder { looks, ..Recoder::new(coding, Rewriter::new(Arc::clone(address), other)) };
        let begin = recoder.push(bytes.clone())?;
        let end = recoder.finish()?;
        Ok((if end.is_empty() { begin } else { [begin, end].concat().into() }, recoder.changed()))
    };
    // Packing is what costs: first only a look, whether it is worth it.
    if coding != Coding::Identity && !run(true).is_ok_and(|(_, changed)| changed) {
        return None;
    }
    run(false).ok().filter(|(_, changed)| *changed).map(|(bytes, _)| bytes)
}

/// A long body on its way.
pub(super) struct Relinked {
    body: Flow,
    recoder: Recoder,
    /// What has come and was not looked at yet.
    come: Bytes,
    over: bool,
}

impl Relinked {
    pub(super) fn new(body: Flow, recoder: Recoder) -> Self {
        Self { body, recoder, come: Bytes::new(), over: false }
    }

    /// The next bite of what has come.
    fn bite(&mut self) -> io::Result<Bytes> {
        let length = if self.recoder.coding == Coding::Identity { self.come.len() } else { self.come.len().min(BITE) };
        let bite = self.come.slice(..length);
        self.come.advance(length);
        self.recoder.push(bite)
    }
}

impl Body for Relinked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let before = this.recoder.unpacked();
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            let out = if this.come.is_empty() {
                match Pin::new(&mut this.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(data) = frame.into_data() {
                            this.come = data;
                        }
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => {
                        this.over = true;
                        this.recoder.finish()
                    }
                    Poll::Pending => match this.recoder.flush() {
                        Ok(waited) if waited.is_empty() => return Poll::Pending,
                        waited => waited,
                    },
                }
            } else if this.recoder.unpacked() - before > FREE {
                // What blows up has others wait no longer than what does not.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                this.bite()
            };
            match out {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Err(error) => {
                    tracing::debug!(%error, "gateway: an answer could not be rewritten and was cut");
                    this.over = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}
