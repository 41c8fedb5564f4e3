use super::*;
use std::time::Instant;
#[test]
fn measure() {
    let n: usize = 1_000_000;
    let mut rng = 12345u64;
    let mut next = move || { rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17; rng };
    let words = ["report", "invoice", "photo", "summary", "budget", "main", "index", "config", "parser", "handler", "notes", "draft"];
    let mut listing = Vec::new();
    let mut ns = 1_760_000_000_000_000_000u64;
    let mut dir = 0;
    while listing.len() < n {
        let d = [format!("home"), format!("ann"), format!("project-{:03}", dir / 1000), format!("{}-{:04}", words[dir % 12], dir)];
        dir += 1;
        let mut names: Vec<String> = (0..60).map(|_| format!("{}_{}{}.{}", words[next() as usize % 12], words[next() as usize % 12], next() % 1000, ["txt", "rs", "json"][next() as usize % 3])).collect();
        names.sort(); names.dedup();
        for name in names {
            ns += next() % 120_000;
            let mut e = Entry::new(TreePath::from_components(d.iter().map(|s| s.as_bytes()).chain([name.as_bytes()])).unwrap(), EntryKind::File);
            e.metadata = Metadata { mode: Some(0o644), uid: Some(1000), gid: Some(1000), user: Some(b"ann".to_vec()), group: Some(b"ann".to_vec()), mtime: Some(Timestamp { seconds: (ns / 1_000_000_000) as i64, nanoseconds: (ns % 1_000_000_000) as u32 }), xattrs: Default::default() };
            e.size_bytes = Some(200 + next() % 8000);
            let mut id = [0; 20];
            for c in id.chunks_mut(8) { c.copy_from_slice(&next().to_le_bytes()[..c.len()]); }
            listing.push(Found { entry: e, content: Content::Ids(vec![ChunkId(id)]) });
        }
    }
    listing.truncate(n);
    listing.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    for _ in 0..3 {
        let t = Instant::now();
        let mut bodies = Vec::with_capacity(n * 64); let mut ends = Vec::with_capacity(n);
        for f in &listing { encode_body(&f.entry, &f.content, &mut bodies).unwrap(); ends.push(bodies.len()); }
        println!("encode_body {:?} ({} bytes each)", t.elapsed(), bodies.len() / n);
        let t = Instant::now();
        let mut blocks = Vec::new();
        let mut sink = |b: Vec<u8>| { let mut id = [0; 20]; id[..8].copy_from_slice(&(blocks.len() as u64).to_le_bytes()); blocks.push(Bytes::from(b)); Ok(ChunkId(id)) };
        let mut tree = TreeBuilder::new(key());
        let mut at = 0;
        for (f, end) in listing.iter().zip(&ends) { tree.push(&f.entry.path, &bodies[at..*end], &mut sink).unwrap(); at = *end; }
        let root = tree.finish(&mut sink).unwrap();
        println!("push+cut {:?}, {} blocks, {} bytes plain each", t.elapsed(), blocks.len(), blocks.iter().map(|b| b.len()).sum::<usize>() / n);
        let get = |id: ChunkId| Ok(blocks[u64::from_le_bytes(id.0[..8].try_into().unwrap()) as usize].clone());
        let t = Instant::now();
        let mut walk = Walk::new(root, Ranges::all()); let mut out = Vec::new(); let mut count = 0;
        loop { match walk.advance(&mut out, 4096) { Step::Need(id) => walk.provide(&get(id).unwrap()), Step::Full => { count += out.len(); out.clear() } Step::Done => break, Step::Lost(d) => panic!("{d:?}") } }
        count += out.len();
        println!("walk {:?} {count}", t.elapsed());
        let t = Instant::now();
        let mut refs = 0;
        for b in &blocks { references(b, &mut |_| refs += 1).unwrap(); }
        println!("references {:?} {refs}", t.elapsed());
        let t = Instant::now();
        for i in 0..1000 { assert_eq!(Walk::new(root, Ranges::exactly(&listing[i * 997].entry.path)).collect(get).unwrap().len(), 1); }
        println!("find {:?} each", t.elapsed() / 1000);
        let mut seg = Vec::new(); let mut total = 0;
        for b in &blocks { if !seg.is_empty() && seg.len() + b.len() > 131072 { total += zstd::bulk::compress(&seg, 3).unwrap().len(); seg.clear(); } seg.extend_from_slice(b); }
        total += zstd::bulk::compress(&seg, 3).unwrap().len();
        println!("zstd3 {:.2} beside the id", (total as f64) / n as f64 - 20.0);
    }
}
