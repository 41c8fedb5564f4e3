use super::*;
use crate::index::PIECE_BYTES;
use backup_core::{Error, ErrorKind, Layers, Reader, Secret};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

pub(super) const KEY: &str = "AGE-SECRET-KEY-15Q7ZYLVHM7CZECVNHXKE9RQQPD6X6SGSYEHEQFHK2MD2MWNCPN2SK7YT4Z";
pub(super) const RECIPIENT: &str = "age1kwpl4kevae0gr0e9zclrj0kkvgp2txfueu2gx0d8guzdxypcn49sruwcdq";

pub(super) fn keys() -> Keys {
    Keys::new().with_age(AgeIdentities::new().with_key(&Secret::new(KEY)).unwrap())
}

fn zstd_3() -> Arc<dyn Layer> {
    Arc::new(Zstd::new(3))
}

fn gzip_1() -> Arc<dyn Layer> {
    Arc::new(Gzip::new(1))
}

fn age_to() -> Arc<dyn Layer> {
    Arc::new(Age::to([RECIPIENT]).unwrap())
}

/// Gives at most `step` bytes at once, and an error in place of the end if there is one.
pub(super) struct Steps {
    rest: Cursor<Vec<u8>>,
    step: usize,
    error: Option<Error>,
}

impl AsyncRead for Steps {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let step = self.step.min(out.remaining());
        let at = self.rest.position() as usize;
        let rest = &self.rest.get_ref()[at..];
        let part = rest[..step.min(rest.len())].to_vec();
        if part.is_empty() {
            return Poll::Ready(self.error.take().map_or(Ok(()), |e| Err(e.into())));
        }
        out.put_slice(&part);
        self.rest.set_position((at + part.len()) as u64);
        Poll::Ready(Ok(()))
    }
}

pub(super) fn steps(bytes: &[u8], step: usize) -> Reader {
    Box::new(Steps { rest: Cursor::new(bytes.to_vec()), step, error: None })
}

pub(super) fn whole(bytes: &[u8]) -> Reader {
    steps(bytes, usize::MAX)
}

/// All bytes up to a clean end.
pub(super) async fn read(reader: Result<Reader>) -> Result<Vec<u8>> {
    let (mut bytes, mut reader) = (Vec::new(), reader?);
    match reader.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(e) => {
            assert!(reader.read_to_end(&mut bytes).await.is_err(), "an end behind an error");
            Err(Error::io("cannot read", e))
        }
    }
}

/// Bytes that compress to about a half.
pub(super) fn sample(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8 & 0x0f
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn lengths() -> impl Strategy<Value = usize> {
    let border = prop_oneof![Just(0usize), Just(64 << 10), Just(1 << 20), Just(PIECE_BYTES), Just(2 * PIECE_BYTES)];
    (border, -3i64..4).prop_map(|(border, by)| border.saturating_add_signed(by as isize))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_of_layers_comes_back(
        order in prop::collection::vec(0..3, 0..=3),
        len in prop_oneof![lengths(), 0..200_000usize],
        step in prop_oneof![1..100usize, 1000..100_000usize, Just(usize::MAX)],
    ) {
        let layer = |number: &i32| [zstd_3, gzip_1, age_to][*number as usize]();
        let layers = order.iter().fold(Layers::new(), |layers, number| layers.then(layer(number)));
        let plain = sample(len);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let again = runtime.block_on(async {
            let stored = read(layers.encode(steps(&plain, step))).await.unwrap();
            let again = Layers::from_records(&layers.records(), |record| make(record, &keys())).unwrap();
            read(again.decode(steps(&stored, step))).await.unwrap()
        });
        prop_assert!(again == plain);
    }
}

#[tokio::test]
async fn every_changed_byte_and_every_cut_shows() {
    for layer in [zstd_3(), gzip_1(), age_to()] {
        let decoder = make(&LayerRecord::new(layer.name(), layer.parameters()), &keys()).unwrap();
        let plain = sample(100);
        let stored = read(layer.encode(whole(&plain))).await.unwrap();
        let kind = |result: Result<Vec<u8>>| match result {
            // Not all that stands in the headers of zstd and gzip matters.
            Ok(bytes) if bytes == plain && layer.name() != "age" => None,
            Ok(bytes) => panic!("{} decoded to {bytes:?}", layer.name()),
            Err(e) => Some(e.kind()),
        };
        let allowed = [None, Some(ErrorKind::Damaged), Some(ErrorKind::AccessDenied), Some(ErrorKind::Unsupported)];
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 1 << (at % 8);
            let kind = kind(read(decoder.decode(whole(&changed))).await);
            let is_header = layer.name() == "age" && at < stored.len() - 116;
            assert!(allowed[..if is_header { 4 } else { 2 }].contains(&kind), "{} {at}: {kind:?}", layer.name());
            let cut = read(decoder.decode(whole(&stored[..at]))).await;
            assert_eq!(cut.unwrap_err().kind(), ErrorKind::Damaged, "{} cut at {at}", layer.name());
        }
        let longer = [stored.as_slice(), &[0]].concat();
        assert_eq!(read(decoder.decode(whole(&longer))).await.unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[tokio::test]
async fn errors_pass_both_ways() {
    for layer in [zstd_3(), gzip_1(), age_to()] {
        let decoder = make(&LayerRecord::new(layer.name(), layer.parameters()), &keys()).unwrap();
        let plain = sample(PIECE_BYTES);
        let stored = read(layer.encode(whole(&plain))).await.unwrap();
        let failing = |bytes: &[u8]| -> Reader {
            let error = Some(Error::new(ErrorKind::ProducerFailed, "it failed"));
            Box::new(Steps { rest: Cursor::new(bytes.to_vec()), step: 100_000, error })
        };
        assert_eq!(read(layer.encode(failing(&plain))).await.unwrap_err().kind(), ErrorKind::ProducerFailed);
        assert_eq!(read(decoder.decode(failing(&stored))).await.unwrap_err().kind(), ErrorKind::ProducerFailed);
    }
}

#[tokio::test]
async fn each_piece_is_a_frame_whose_length_is_noted() {
    for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 1] {
        let plain = sample(len);
        let (zstd, gzip) = (FrameLengths::default(), FrameLengths::default());
        let layers: [(Arc<dyn Layer>, _); 2] = [
            (Arc::new(Zstd::new(1).with_frames(zstd.clone())), zstd),
            (Arc::new(Gzip::new(1).with_frames(gzip.clone())), gzip),
        ];
        for (layer, lengths) in layers {
            let record = LayerRecord::new(layer.name(), BTreeMap::new());
            let stored = read(layer.encode(whole(&plain))).await.unwrap();
            let lengths = lengths.take();
            assert_eq!(lengths.len(), len.div_ceil(PIECE_BYTES).max(1));
            let (mut rest, mut again) = (stored.as_slice(), Vec::new());
            for length in &lengths {
                let (frame, behind) = rest.split_at(*length as usize);
                let missing = (len - again.len()).min(PIECE_BYTES);
                again.extend(decode_frame(&record, frame, missing).unwrap());
                rest = behind;
                if missing > 0 {
                    assert_eq!(decode_frame(&record, frame, missing - 1).unwrap_err().kind(), ErrorKind::Damaged);
                }
                for wrong in [&frame[..frame.len() - 1], &[frame, &[0]].concat(), &[frame, frame].concat(), &[]] {
                    assert_eq!(decode_frame(&record, wrong, missing).unwrap_err().kind(), ErrorKind::Damaged);
                }
            }
            assert!(rest.is_empty() && again == plain);
        }
    }
}

/// What the manifest's lengths are for.
#[tokio::test]
async fn a_cut_between_frames_does_not_show_here() {
    let plain = sample(PIECE_BYTES + 10);
    let lengths = FrameLengths::default();
    let stored = read(Zstd::new(1).with_frames(lengths.clone()).encode(whole(&plain))).await.unwrap();
    let first = &stored[..lengths.take()[0] as usize];
    assert!(read(Zstd::new(1).decode(whole(first))).await.unwrap() == plain[..PIECE_BYTES]);
}

#[tokio::test]
async fn frames_of_others_are_read() {
    let plain = sample(3_000_000);
    let mut long = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    long.write_all(&plain).unwrap();
    let long = long.finish().unwrap();
    let skippable = [&0x184D_2A53_u32.to_le_bytes()[..], &5u32.to_le_bytes(), b"hello"].concat();
    let stored = [&skippable[..], &long, &skippable, &long, &skippable].concat();
    for step in [1 << 10, usize::MAX] {
        assert!(read(Zstd::new(1).decode(steps(&stored, step))).await.unwrap() == [&plain[..], &plain].concat());
    }

    // What comes last fills a block of output and more.
    for len in [1 << 20, (1 << 20) + 1, (1 << 20) + 150] {
        let plain = [sample(100), vec![0; len]];
        let zstd = plain.each_ref().map(|plain| ::zstd::bulk::compress(plain, 1).unwrap()).concat();
        assert!(read(Zstd::new(1).decode(whole(&zstd))).await.unwrap() == plain.concat());
        let gzip = run("gzip", &["-c"], &plain.concat());
        assert!(read(Gzip::new(1).decode(whole(&gzip))).await.unwrap() == plain.concat());
    }

    let member = |name: &str| {
        let mut member = flate2::GzBuilder::new().filename(name).comment("by hand").mtime(7).extra(vec![1; 9]);
        let mut out = std::mem::take(&mut member).write(Vec::new(), flate2::Compression::fast());
        out.write_all(&plain).unwrap();
        out.finish().unwrap()
    };
    let stored = [member("a"), member("b")].concat();
    for step in [1 << 10, usize::MAX] {
        assert!(read(Gzip::new(1).decode(steps(&stored, step))).await.unwrap() == [&plain[..], &plain].concat());
    }
}

#[tokio::test]
async fn a_window_beyond_the_bound_is_refused() {
    let mut wide = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(28).unwrap();
    wide.write_all(&sample(100)).unwrap();
    let wide = wide.finish().unwrap();
    assert_eq!(read(Zstd::new(1).decode(whole(&wide))).await.unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_frame_that_holds_more_than_a_piece_is_refused() {
    let bomb = ::zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    let record = LayerRecord::new("zstd", BTreeMap::new());
    assert_eq!(decode_frame(&record, &bomb, PIECE_BYTES).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn records_make_layers() {
    let record = |name: &str, level: &str| LayerRecord::new(name, BTreeMap::from([("level".into(), level.into())]));
    let kind = |record: &LayerRecord| make(record, &keys()).map(drop).map_err(|e| e.kind());
    assert_eq!(make(&record("zstd", "-3"), &keys()).unwrap().parameters()["level"], "-3");
    assert_eq!(make(&record("gzip", "9"), &keys()).unwrap().parameters()["level"], "9");
    assert_eq!(kind(&record("zstd", "high")), Err(ErrorKind::Damaged));
    assert_eq!(kind(&record("gzip", "-1")), Err(ErrorKind::Damaged));
    assert_eq!(kind(&record("rot13", "1")), Err(ErrorKind::Unsupported));
    assert_eq!(kind(&LayerRecord::new("zstd", BTreeMap::from([("later".into(), "x".into())]))), Ok(()));
    let extensions = ["zstd", "gzip", "age"].map(|name| extension(&record(name, "1")).unwrap());
    assert_eq!(extensions, ["zst", "gz", "age"]);
    assert_eq!(["zstd", "gzip", "age"].map(|name| has_frames(&record(name, "1"))), [true, true, false]);
}

/// The output of a program that reads `input`.
pub(super) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program} does not run ({e}); `cargo xtask test` installs it"));
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_programs_read_what_we_write_and_we_read_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity.txt");
    std::fs::write(&identity, KEY).unwrap();
    let identity = identity.to_str().unwrap();
    for len in [0, 1, 65_536, PIECE_BYTES + 5] {
        let plain = sample(len);
        for (layer, program, decode, encode) in [
            (zstd_3(), "zstd", vec!["-dc"], vec!["-c"]),
            (gzip_1(), "gzip", vec!["-dc"], vec!["-c"]),
            (age_to(), "age", vec!["-d", "-i", identity], vec!["-r", RECIPIENT]),
        ] {
            let stored = read(layer.encode(whole(&plain))).await.unwrap();
            assert!(run(program, &decode, &stored) == plain, "{program} reads {len} bytes");
            let decoder = make(&LayerRecord::new(layer.name(), layer.parameters()), &keys()).unwrap();
            let theirs = run(program, &encode, &plain);
            assert!(read(decoder.decode(whole(&theirs))).await.unwrap() == plain, "{len} bytes of {program}");
        }
    }
}
