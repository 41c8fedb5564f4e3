use super::super::tests::{KEY, RECIPIENT, keys, read, sample, steps, whole};
use super::*;
use payload::TAG_BYTES;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::ops::Range;
use std::str::FromStr;
use std::time::Instant;

const LENGTHS: &[usize] =
    &[0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 16 * CHUNK_BYTES - 1, 16 * CHUNK_BYTES, 17 * CHUNK_BYTES];

/// As the age crate alone encrypts.
fn crate_encrypt(recipient: &dyn age::Recipient, plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    let mut writer =
        age::Encryptor::with_recipients([recipient].into_iter()).unwrap().wrap_output(&mut stored).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap();
    stored
}

/// As the age crate alone decrypts.
fn crate_decrypt(identity: &dyn age::Identity, stored: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut reader = age::Decryptor::new_buffered(stored).unwrap().decrypt([identity].into_iter()).unwrap();
    reader.read_to_end(&mut plain).unwrap();
    plain
}

fn key(text: &str) -> AgeIdentities {
    AgeIdentities::new().with_key(&Secret::new(text)).unwrap()
}

async fn kind(identities: AgeIdentities, stored: &[u8]) -> ErrorKind {
    read(Age::from_identities(identities).decode(whole(stored))).await.unwrap_err().kind()
}

#[tokio::test]
async fn the_age_crate_reads_ours_and_we_read_its() {
    let identity = age::x25519::Identity::from_str(KEY).unwrap();
    for len in LENGTHS {
        let plain = sample(*len);
        let ours = read(Age::to([RECIPIENT]).unwrap().encode(whole(&plain))).await.unwrap();
        assert!(crate_decrypt(&identity, &ours) == plain, "{len}");
        let theirs = crate_encrypt(&identity.to_public(), &plain);
        assert!(read(Age::from_identities(key(KEY)).decode(steps(&theirs, 777))).await.unwrap() == plain, "{len}");
    }
}

#[tokio::test]
async fn every_recipient_opens_it() {
    let (ed25519, rsa) = (include_str!("testdata/open.pub"), include_str!("testdata/rsa.pub"));
    let stored = read(Age::to([RECIPIENT, ed25519, rsa]).unwrap().encode(whole(b"hello"))).await.unwrap();
    let stranger = age::x25519::Identity::generate().to_string();
    let stranger = age::secrecy::ExposeSecret::expose_secret(&stranger);
    for text in [
        format!("# created: today\n{stranger}\n\n  {KEY}\n"),
        include_str!("testdata/open").to_owned(),
        include_str!("testdata/rsa").to_owned(),
    ] {
        assert_eq!(read(Age::from_identities(key(&text)).decode(whole(&stored))).await.unwrap(), b"hello");
    }
    assert_eq!(kind(key(stranger), &stored).await, ErrorKind::AccessDenied);
    assert_eq!(kind(AgeIdentities::new(), &stored).await, ErrorKind::AccessDenied);
}

#[tokio::test]
async fn a_passphrase_opens_among_others() {
    let right = Secret::new("correct horse");
    let age = Age::with_passphrase(&right).unwrap();
    let stored = read(age.encode(whole(b"hello"))).await.unwrap();
    assert_eq!(read(age.decode(whole(&stored))).await.unwrap(), b"hello");
    let wrong = key(KEY).with_passphrase(&Secret::new("wrong")).unwrap();
    let error = read(Age::from_identities(wrong.clone()).decode(whole(&stored))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.full_message().contains("the passphrase it was made with"), "{error}");
    let both = wrong.with_passphrase(&right).unwrap();
    assert_eq!(read(Age::from_identities(both).decode(whole(&stored))).await.unwrap(), b"hello");

    let text = age::secrecy::SecretString::from("correct horse");
    assert_eq!(crate_decrypt(&age::scrypt::Identity::new(text.clone()), &stored), b"hello");
    let mut recipient = age::scrypt::Recipient::new(text);
    recipient.set_work_factor(10);
    let theirs = crate_encrypt(&recipient, b"hello");
    assert_eq!(read(age.decode(whole(&theirs))).await.unwrap(), b"hello");
    // Whoever asks for 2 GiB and seconds is refused before it begins.
    let costly = String::from_utf8_lossy(&theirs[..100]).replace(" 10\n", " 21\n").into_bytes();
    let costly = [&costly[..], &theirs[100..]].concat();
    assert_ne!(costly, theirs);
    let error = read(age.decode(whole(&costly))).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AccessDenied && error.to_string().contains("more work"), "{error}");
}

#[tokio::test]
async fn ssh_keys_with_a_passphrase_open() {
    let locked = Secret::new(include_str!("testdata/locked"));
    let stored = read(Age::to([include_str!("testdata/locked.pub")]).unwrap().encode(whole(b"hello"))).await.unwrap();
    let opened = AgeIdentities::new().with_locked_key(&locked, &Secret::new("correct horse")).unwrap();
    assert_eq!(read(Age::from_identities(opened).decode(whole(&stored))).await.unwrap(), b"hello");
    let kind = |result: Result<AgeIdentities>| result.unwrap_err().kind();
    let none = AgeIdentities::new;
    assert_eq!(kind(none().with_locked_key(&locked, &Secret::new("wrong"))), ErrorKind::AccessDenied);
    assert_eq!(kind(none().with_key(&locked)), ErrorKind::InvalidInput);
    assert_eq!(kind(none().with_key(&Secret::new(include_str!("testdata/ecdsa")))), ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_key_is_refused_and_not_shown() {
    let secret = KEY.replace("SK7YT4Z", "SK7YT4Q");
    for text in [secret.as_str(), "", "# nothing", "-----BEGIN OPENSSH PRIVATE KEY-----\nqqq"] {
        let error = AgeIdentities::new().with_key(&Secret::new(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.full_message().contains("15Q7ZYL"), "{error}");
    }
    assert!(Age::with_passphrase(&Secret::new("")).is_err());
    assert!(Age::to(["age1qqq"]).is_err() && Age::to(["ssh-dss AAAA"]).is_err() && Age::to([""; 0]).is_err());
    let shown = format!("{:?}", Age { recipients: Recipients::default(), identities: key(KEY) });
    assert_eq!(shown, "Age { recipients: Recipients(0), identities: AgeIdentities(1) }");
}

#[tokio::test]
async fn chunks_changed_cut_swapped_or_added_show() {
    let plain = sample(3 * CHUNK_BYTES);
    let stored = read(Age::to([RECIPIENT]).unwrap().encode(whole(&plain))).await.unwrap();
    let head = stored.len() - 3 * SEALED_BYTES;
    let chunk = |number: usize| &stored[head + number * SEALED_BYTES..head + (number + 1) * SEALED_BYTES];
    let head = &stored[..head];
    let orders: [&[&[u8]]; 7] = [
        &[],
        &[chunk(0)],
        &[chunk(0), chunk(1)],
        &[chunk(1), chunk(0), chunk(2)],
        &[chunk(0), chunk(2)],
        &[chunk(0), chunk(1), chunk(2), chunk(2)],
        &[chunk(0), chunk(1), chunk(2), &chunk(2)[..16]],
    ];
    for parts in orders {
        let wrong = [head, &parts.concat()].concat();
        assert_eq!(kind(key(KEY), &wrong).await, ErrorKind::Damaged);
    }
    for at in [0, 1, SEALED_BYTES - 1, SEALED_BYTES, 3 * SEALED_BYTES - 1] {
        let mut wrong = stored.clone();
        wrong[head.len() + at] ^= 1;
        assert_eq!(kind(key(KEY), &wrong).await, ErrorKind::Damaged);
        assert_eq!(kind(key(KEY), &stored[..head.len() + at]).await, ErrorKind::Damaged);
    }
    // A whole chunk, then an empty last one: others may write that, the format forbids it.
    let mut rest = Vec::new();
    let (payload, file_head) = {
        let (file_head, payload) = header::write(&Recipients::parse([RECIPIENT]).unwrap()).unwrap();
        (payload, file_head)
    };
    payload.seal(0, false, &plain[..CHUNK_BYTES], &mut rest).unwrap();
    payload.seal(1, true, b"", &mut rest).unwrap();
    assert_eq!(kind(key(KEY), &[file_head, rest].concat()).await, ErrorKind::Damaged);
}

#[tokio::test]
async fn what_is_no_age_file_or_has_a_huge_header_is_refused_early() {
    let endless = |start: &str| [start.as_bytes(), &b"-> X25519 x\n".repeat(100_000)].concat();
    assert_eq!(kind(key(KEY), &endless("age-encryption.org/v1\n")).await, ErrorKind::Damaged);
    let long = endless("age-encryption.org/v1\n");
    assert!(AgeKey::open(&long[..256 << 10], &key(KEY)).unwrap().is_none());
    assert!(AgeKey::open(&long[..(256 << 10) + 1], &key(KEY)).is_err());
    assert_eq!(kind(key(KEY), b"age-encryption.org").await, ErrorKind::Damaged);
    assert_eq!(kind(key(KEY), b"").await, ErrorKind::Damaged);
    assert_eq!(kind(key(KEY), &endless("-----BEGIN AGE ENCRYPTED FILE-----\n")).await, ErrorKind::Damaged);
    let later = b"age-encryption.org/v2\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef";
    assert_eq!(kind(key(KEY), later).await, ErrorKind::Unsupported);
    let many = vec![RECIPIENT; 5000];
    let error = read(Age::to(many).unwrap().encode(whole(b""))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

fn part(key: &AgeKey, stored: &[u8], plain: Range<u64>) -> Result<Vec<u8>> {
    let len = stored.len() as u64;
    let range = key.stored_range(plain.clone(), len)?;
    key.decrypt(&stored[range.start as usize..range.end as usize], plain, len)
}

#[test]
fn the_key_comes_from_no_more_than_the_head() {
    let identity = age::x25519::Identity::from_str(KEY).unwrap();
    let stored = crate_encrypt(&identity.to_public(), b"hello");
    let head = stored.len() - 5 - TAG_BYTES;
    for len in 0..head {
        assert!(AgeKey::open(&stored[..len], &key(KEY)).unwrap().is_none(), "{len}");
    }
    for len in head..=stored.len() {
        assert_eq!(
            AgeKey::open(&stored[..len], &key(KEY)).unwrap().unwrap().plain_len(stored.len() as u64).unwrap(),
            5
        );
    }
    let opened = AgeKey::open(&stored, &key(KEY)).unwrap().unwrap();
    let damaged = |len: usize| opened.plain_len(len as u64).is_err();
    assert!((0..head + TAG_BYTES).all(damaged) && !damaged(head + TAG_BYTES));
    let second = head + SEALED_BYTES;
    assert!(!damaged(second) && (second + 1..=second + TAG_BYTES).all(damaged) && !damaged(second + TAG_BYTES + 1));
    let stranger = age::x25519::Identity::generate().to_string();
    let stranger = key(age::secrecy::ExposeSecret::expose_secret(&stranger));
    assert_eq!(AgeKey::open(&stored, &stranger).map(drop).unwrap_err().kind(), ErrorKind::AccessDenied);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_are_as_the_whole(
        chunks in 0..4usize,
        by in -2i64..3,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let plain = sample((chunks * CHUNK_BYTES).saturating_add_signed(by as isize));
        let identity = age::x25519::Identity::from_str(KEY).unwrap();
        let mut stored = crate_encrypt(&identity.to_public(), &plain);
        let opened = AgeKey::open(&stored, &key(KEY)).unwrap().unwrap();
        let len = stored.len() as u64;
        prop_assert_eq!(opened.plain_len(len).unwrap(), plain.len() as u64);
        let (a, b) = (from.index(plain.len() + 1), to.index(plain.len() + 1));
        let (from, to) = (a.min(b), a.max(b));
        let range = from as u64..to as u64;
        prop_assert!(part(&opened, &stored, range.clone()).unwrap() == plain[from..to]);
        let beyond = opened.stored_range(range.start..plain.len() as u64 + 1, len);
        prop_assert_eq!(beyond.unwrap_err().kind(), ErrorKind::InvalidInput);

        let needed = opened.stored_range(range.clone(), len).unwrap();
        prop_assert!(needed.end - needed.start <= ((to - from) + 2 * SEALED_BYTES + TAG_BYTES * chunks) as u64);
        if from < to {
            stored[needed.start as usize] ^= 1;
            prop_assert_eq!(part(&opened, &stored, range.clone()).unwrap_err().kind(), ErrorKind::Damaged);
            let short = &stored[needed.start as usize + 1..needed.end as usize];
            prop_assert_eq!(opened.decrypt(short, range, len).unwrap_err().kind(), ErrorKind::Damaged);
        }
    }
}

/// `cargo test --release -p backup-archive -- --ignored --nocapture throughput`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn throughput() {
    let plain = sample(256 << 20);
    let identity = age::x25519::Identity::from_str(KEY).unwrap();
    let say = |what: &str, began: Instant| {
        println!("{what}: {:.0} MB/s", plain.len() as f64 / 1e6 / began.elapsed().as_secs_f64())
    };
    let drain = |reader: Result<Reader>| async {
        let mut sink = tokio::io::sink();
        tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(1 << 20, reader.unwrap()), &mut sink)
            .await
            .unwrap()
    };
    for _ in 0..2 {
        let input: Reader = Box::new(Cursor::new(plain.clone()));
        let began = Instant::now();
        drain(Age::to([RECIPIENT]).unwrap().encode(input)).await;
        say("ours, encode", began);
        let began = Instant::now();
        let stored = crate_encrypt(&identity.to_public(), &plain);
        say("age crate, encode", began);
        let input: Reader = Box::new(Cursor::new(stored.clone()));
        let began = Instant::now();
        let len = drain(Age::from_identities(keys().age).decode(input)).await;
        say("ours, decode", began);
        assert_eq!(len as usize, plain.len());
        let began = Instant::now();
        assert!(crate_decrypt(&identity, &stored).len() == plain.len());
        say("age crate, decode", began);
    }
}
