use crate::connections::place::{Place, script};
use crate::suite::{ensure, expect_kind};
use backup_core::{CommandSpec, ErrorKind, Result, Secret};

/// Words that a shell, a quoting rule or an encoding would change.
const ODD: &[&[u8]] = &[
    b"",
    b" ",
    b"two words",
    b"'",
    b"\"",
    b"it's \"both\"",
    b"\\",
    b"\\n",
    b"new\nline",
    b"\n",
    b"tab\tand\rreturn",
    b"$HOME ${HOME} $(id) `id`",
    b"*",
    b"; exit 9",
    b"a && b || c | d > e < f &",
    b"-n",
    b"--",
    b"!history #comment ~ {a,b}",
    b"%s %d",
    "grüße 世界".as_bytes(),
    b"\xff\xfe not utf-8 \x80",
    b"\x01\x7f\x1b[0m",
];

pub(super) async fn words_arrive_as_they_are(place: &Place) -> Result<()> {
    let print = script("for word; do printf '%s\\0' \"$word\"; done");
    let output = place.succeed(ODD.iter().fold(print, |print, word| print.arg(*word))).await?;
    let expected: Vec<u8> = ODD.iter().flat_map(|word| [*word, b"\0"].concat()).collect();
    ensure!(output == expected, "the words arrived as {:?}", String::from_utf8_lossy(&output));

    let long = vec![b'x'; 100_000];
    let output = place.succeed(script("printf %s \"$1\"").arg(long.clone())).await?;
    ensure!(output == long, "a long word arrived with {} bytes", output.len());
    Ok(())
}

pub(super) async fn program_names_are_no_shell_words(place: &Place) -> Result<()> {
    let path = place.path("a program's \"name\"; $x\n");
    place.session.push(&path, Box::new(&b"#!/bin/sh\nprintf %s \"$1\"\n"[..])).await?;
    place.succeed(CommandSpec::new("chmod").arg("700").arg("--").arg(path.clone())).await?;
    let output = place.succeed(CommandSpec::new(path).arg("ran")).await?;
    ensure!(output == b"ran", "it printed {:?}", String::from_utf8_lossy(&output));
    Ok(())
}

pub(super) async fn zero_bytes_are_refused(place: &Place) -> Result<()> {
    let (program, argument) = (CommandSpec::new("ec\0ho"), CommandSpec::new("echo").arg("a\0b"));
    for command in [program, argument] {
        expect_kind(ErrorKind::InvalidInput, "a zero byte in a word", place.session.run(command).await.map(drop))?;
    }
    Ok(())
}

pub(super) async fn environment_arrives_as_it_is(place: &Place) -> Result<()> {
    for value in ODD {
        let command = script("printf %s \"$ODD_VALUE\"").env("ODD_VALUE", Secret::new(*value));
        let output = place.succeed(command).await?;
        ensure!(
            output == *value,
            "{:?} arrived as {:?}",
            String::from_utf8_lossy(value),
            String::from_utf8_lossy(&output)
        );
    }
    Ok(())
}

pub(super) async fn odd_environment_names_are_refused(place: &Place) -> Result<()> {
    for name in ["", "A=B", "A\0B"] {
        let command = script("exit 0").env(name, Secret::new("value"));
        expect_kind(ErrorKind::InvalidInput, "such a name", place.session.run(command).await.map(drop))?;
    }
    Ok(())
}

pub(super) async fn directory_is_where_it_runs(place: &Place) -> Result<()> {
    let mut command = script("printf x > here");
    command.directory = Some(place.folder.clone());
    place.succeed(command).await?;
    ensure!(place.content("here").await? == b"x", "the file is elsewhere");
    Ok(())
}
