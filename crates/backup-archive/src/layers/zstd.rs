use super::BuiltIn;
use super::frames::{self, Compress, Expand, FrameLengths, Step};
use backup_core::{Error, ErrorKind, Layer, Reader, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use zstd::bulk::Compressor;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::{CParameter, compress_bound};

/// What `zstd` takes without being asked: 128 MiB of memory.
const WINDOW_LOG_MAX: u32 = 27;

/// zstd, a frame for each 4 MiB, with checksums.
#[derive(Clone, Debug)]
pub struct Zstd {
    level: i32,
    lengths: Option<FrameLengths>,
}

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "zstd",
    extension: "zst",
    make: |record, _| Ok(Arc::new(Zstd::new(frames::level(record, zstd::DEFAULT_COMPRESSION_LEVEL)?))),
    expand: Some(|| Ok(Box::new(Expander::new()?))),
};

impl Zstd {
    /// At this level, from -7 (fast) to 22 (small); levels beyond are taken as the nearest.
    pub fn new(level: i32) -> Self {
        Zstd { level: level.clamp(-7, 22), lengths: None }
    }

    /// Notes the lengths of the frames of the one stream that is encoded.
    pub(crate) fn with_frames(mut self, lengths: FrameLengths) -> Self {
        self.lengths = Some(lengths);
        self
    }
}

impl Layer for Zstd {
    fn name(&self) -> &'static str {
        BUILT_IN.name
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("level".to_owned(), self.level.to_string())])
    }

    fn encode(&self, plain: Reader) -> Result<Reader> {
        let level = self.level;
        Ok(frames::encode(plain, self.lengths.clone(), move || compressor(level)))
    }

    fn decode(&self, encoded: Reader) -> Result<Reader> {
        Ok(frames::decode(encoded, Box::new(Expander::new()?)))
    }
}

fn compressor(level: i32) -> Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level).map_err(failed)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
    Ok(compressor)
}

impl Compress for Compressor<'static> {
    fn compress(&mut self, plain: &[u8], frame: &mut Vec<u8>) -> Result<()> {
        frame.reserve_exact(compress_bound(plain.len()));
        self.compress_to_buffer(plain, frame).map(|_| ()).map_err(failed)
    }
}

struct Expander(Decoder<'static>);

impl Expander {
    fn new() -> Result<Self> {
        let mut decoder = Decoder::new().map_err(failed)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(failed)?;
        Ok(Expander(decoder))
    }
}

impl Expand for Expander {
    fn expand(&mut self, stored: &[u8], plain: &mut Vec<u8>) -> Result<Step> {
        let mut input = InBuffer::around(stored);
        let written = plain.len();
        let mut output = OutBuffer::around_pos(plain, written);
        let missing = self
            .0
            .run(&mut input, &mut output)
            .map_err(|e| Error::new(ErrorKind::Damaged, "a zstd stream is damaged").source(e))?;
        Ok(Step { used: input.pos(), ended: missing == 0 })
    }
}

fn failed(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "zstd failed").source(e)
}
