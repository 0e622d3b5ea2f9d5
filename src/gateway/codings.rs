//! The codings of an answer's body, each as two writers: one unpacks into the next, one packs into memory.
//!
//! None of them holds more than its own window: 32 KiB for deflate, at most 16 MiB for br and 8 MiB for zstd.

use std::io::{self, Write};

use brotli::{CompressorWriter, DecompressorWriter};
use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder, GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder};
use http::{HeaderMap, header};
use zstd::stream::{raw, zio};
use zstd::zstd_safe::DParameter;

/// What is written at a time by those that let us choose.
const BUFFER: usize = 16 << 10;
/// Windows larger than 8 MiB are for files, and not for answers (RFC 9659).
const ZSTD_WINDOW: u32 = 23;
/// Answers are packed again while somebody waits: quick, and with a window of 256 KiB.
const BROTLI: (u32, u32) = (3, 18);

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// `None`: not one that can be unpacked here, or several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Some(Self::Identity) };
        if values.next().is_some() {
            return None;
        }
        match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Unpacks what is written and writes it into its sink.
pub(super) trait Unpack<S>: Write + Send {
    fn sink(&mut self) -> &mut S;
    /// Fails if more should have come.
    fn end(&mut self) -> io::Result<()>;
}

/// Packs what is written.
pub(super) trait Pack: Write + Send {
    /// What has come out and was not taken yet.
    fn out(&mut self) -> &mut Vec<u8>;
    fn end(&mut self) -> io::Result<()>;
}

macro_rules! flate {
    ($($unpacks:ident, $packs:ident;)*) => {$(
        impl<S: Write + Send> Unpack<S> for $unpacks<S> {
            fn sink(&mut self) -> &mut S {
                self.get_mut()
            }
            fn end(&mut self) -> io::Result<()> {
                self.try_finish()
            }
        }

        impl Pack for $packs<Vec<u8>> {
            fn out(&mut self) -> &mut Vec<u8> {
                self.get_mut()
            }
            fn end(&mut self) -> io::Result<()> {
                self.try_finish()
            }
        }
    )*};
}

flate! {
    MultiGzDecoder, GzEncoder;
    ZlibDecoder, ZlibEncoder;
    DeflateDecoder, DeflateEncoder;
}

impl<S: Write + Send> Unpack<S> for DecompressorWriter<S> {
    fn sink(&mut self) -> &mut S {
        self.get_mut()
    }
    fn end(&mut self) -> io::Result<()> {
        self.close()
    }
}

/// brotli's writer ends only by giving up its sink.
enum BrotliPack {
    Open(Box<CompressorWriter<Vec<u8>>>),
    Ended(Vec<u8>),
}

impl Write for BrotliPack {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(inner) => inner.write(bytes),
            Self::Ended(_) => Ok(0),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(inner) => inner.flush(),
            Self::Ended(_) => Ok(()),
        }
    }
}

impl Pack for BrotliPack {
    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Open(inner) => inner.get_mut(),
            Self::Ended(out) => out,
        }
    }
    fn end(&mut self) -> io::Result<()> {
        if let Self::Open(inner) = std::mem::replace(self, Self::Ended(Vec::new())) {
            *self = Self::Ended(inner.into_inner());
        }
        Ok(())
    }
}

impl<S: Write + Send> Unpack<S> for zio::Writer<S, raw::Decoder<'static>> {
    fn sink(&mut self) -> &mut S {
        self.writer_mut()
    }
    fn end(&mut self) -> io::Result<()> {
        self.finish()
    }
}

impl Pack for zio::Writer<Vec<u8>, raw::Encoder<'static>> {
    fn out(&mut self) -> &mut Vec<u8> {
        self.writer_mut()
    }
    fn end(&mut self) -> io::Result<()> {
        self.finish()
    }
}

/// Takes everything and keeps nothing.
struct Nothing(Vec<u8>);

impl Write for Nothing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pack for Nothing {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For a body of which nobody wants the bytes.
pub(super) fn nothing() -> Box<dyn Pack> {
    Box::new(Nothing(Vec::new()))
}

/// Packs as a body in this coding that begins with `begin` is packed.
pub(super) fn packer(coding: Coding, begin: &[u8]) -> io::Result<Box<dyn Pack>> {
    let level = Compression::fast();
    Ok(match coding {
        Coding::Identity => nothing(),
        Coding::Gzip => Box::new(GzEncoder::new(Vec::new(), level)),
        Coding::Deflate if is_zlib(begin) => Box::new(ZlibEncoder::new(Vec::new(), level)),
        Coding::Deflate => Box::new(DeflateEncoder::new(Vec::new(), level)),
        Coding::Brotli => {
            let (quality, window) = BROTLI;
            Box::new(BrotliPack::Open(Box::new(CompressorWriter::new(Vec::new(), BUFFER, quality, window))))
        }
        Coding::Zstd => Box::new(zio::Writer::new(Vec::new(), raw::Encoder::new(1)?)),
    })
}

/// Unpacks a body in this coding that begins with `begin`.
pub(super) fn unpacker<S>(coding: Coding, begin: &[u8], sink: S) -> io::Result<Box<dyn Unpack<S>>>
where
    S: Write + Send + 'static,
{
    Ok(match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(sink)),
        Coding::Deflate if is_zlib(begin) => Box::new(ZlibDecoder::new(sink)),
        Coding::Identity | Coding::Deflate => Box::new(DeflateDecoder::new(sink)),
        Coding::Brotli => Box::new(DecompressorWriter::new(sink, BUFFER)),
        Coding::Zstd => {
            let mut decoder = raw::Decoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
            Box::new(zio::Writer::new(sink, decoder))
        }
    })
}

/// `deflate` means zlib, and some servers send it bare.
fn is_zlib(begin: &[u8]) -> bool {
    begin.first().is_some_and(|first| {
        first & 0x0f == 8 && begin.get(1).is_none_or(|b| (u16::from(*first) << 8 | u16::from(*b)) % 31 == 0)
    })
}
