use super::BuiltIn;
use super::frames::{self, Compress, Expand, FrameLengths, Step};
use backup_core::{Error, ErrorKind, Layer, Reader, Result};
use flate2::{Compress as Deflate, Compression, Decompress as Inflate, FlushCompress, FlushDecompress, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 32 KiB, the largest.
const WINDOW_BITS: u8 = 15;

/// gzip, a member for each 4 MiB: slower and larger than zstd, and everywhere.
#[derive(Clone, Debug)]
pub struct Gzip {
    level: u32,
    lengths: Option<FrameLengths>,
}

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "gzip",
    extension: "gz",
    make: |record, _| Ok(Arc::new(Gzip::new(frames::level(record, 6)?))),
    expand: Some(|| Ok(Box::new(Expander::new()))),
};

impl Gzip {
    /// At this level, from 0 (not compressed) to 9 (small); higher ones are taken as 9.
    pub fn new(level: u32) -> Self {
        Gzip { level: level.min(9), lengths: None }
    }

    /// Notes the lengths of the members of the one stream that is encoded.
    pub(crate) fn with_frames(mut self, lengths: FrameLengths) -> Self {
        self.lengths = Some(lengths);
        self
    }
}

impl Layer for Gzip {
    fn name(&self) -> &'static str {
        BUILT_IN.name
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("level".to_owned(), self.level.to_string())])
    }

    fn encode(&self, plain: Reader) -> Result<Reader> {
        let level = Compression::new(self.level);
        Ok(frames::encode(plain, self.lengths.clone(), move || Ok(Deflate::new_gzip(level, WINDOW_BITS))))
    }

    fn decode(&self, encoded: Reader) -> Result<Reader> {
        Ok(frames::decode(encoded, Box::new(Expander::new())))
    }
}

impl Compress for Deflate {
    fn compress(&mut self, plain: &[u8], frame: &mut Vec<u8>) -> Result<()> {
        self.reset();
        loop {
            // What does not compress becomes a little longer.
            frame.reserve((plain.len() / 2).max(1 << 10));
            let used = usize::try_from(self.total_in()).unwrap_or(usize::MAX);
            let rest = plain.get(used..).unwrap_or_default();
            let status = self
                .compress_vec(rest, frame, FlushCompress::Finish)
                .map_err(|e| Error::new(ErrorKind::Internal, "gzip failed").source(e))?;
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

struct Expander {
    inflate: Inflate,
    ended: bool,
}

impl Expander {
    fn new() -> Self {
        Expander { inflate: Inflate::new_gzip(WINDOW_BITS), ended: false }
    }
}

impl Expand for Expander {
    fn expand(&mut self, stored: &[u8], plain: &mut Vec<u8>) -> Result<Step> {
        if self.ended {
            *self = Expander::new();
        }
        let before = self.inflate.total_in();
        let status = self
            .inflate
            .decompress_vec(stored, plain, FlushDecompress::None)
            .map_err(|e| Error::new(ErrorKind::Damaged, "a gzip stream is damaged").source(e))?;
        let used = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
        self.ended = status == Status::StreamEnd;
        Ok(Step { used, ended: self.ended })
    }
}
