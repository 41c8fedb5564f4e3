use crate::connections::place::{Place, pattern, read, script};
use crate::suite::{broken, ensure};
use backup_core::{CommandSpec, Error, ExitStatus, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(super) async fn input_is_empty_unless_asked_for(place: &Place) -> Result<()> {
    let mut process = place.session.run(CommandSpec::new("cat")).await?;
    ensure!(process.stdin().is_none(), "a program has an input that nobody asked for");
    let exit = process.wait().await?;
    ensure!(exit.status == ExitStatus::Code(0), "{exit:?}");
    Ok(())
}

pub(super) async fn input_and_output_flow_together(place: &Place) -> Result<()> {
    let sent = pattern(3_000_000);
    let mut process = place.session.run(CommandSpec::new("cat").with_stdin()).await?;
    let mut input = process.stdin().ok_or_else(|| broken("no standard input".into()))?;
    let output = process.stdout().ok_or_else(|| broken("no standard output".into()))?;
    ensure!(process.stdin().is_none() && process.stdout().is_none(), "a pipe can be taken twice");
    let write = async {
        input.write_all(&sent).await?;
        input.shutdown().await?;
        drop(input);
        Ok(())
    };
    let (written, received) = tokio::join!(write, read(output));
    written.map_err(|e: std::io::Error| Error::io("cannot write", e))?;
    ensure!(received? == sent, "other bytes came back");
    ensure!(process.wait().await?.status.success(), "cat failed");
    Ok(())
}

pub(super) async fn large_output_waits_for_a_slow_reader(place: &Place) -> Result<()> {
    const BYTES: usize = 20_000_000;
    let mut process = place.session.run(script(&format!("yes 0123456 | head -c {BYTES}"))).await?;
    let mut output = process.stdout().ok_or_else(|| broken("no standard output".into()))?;
    let (mut total, mut piece) = (0, vec![0; 1]);
    loop {
        // From one byte to ever larger pieces, with other work in between.
        let read = output.read(&mut piece).await.map_err(|e| Error::io("cannot read", e))?;
        if read == 0 {
            break;
        }
        let wrong = piece.iter().take(read).zip(total..).find(|(byte, at)| **byte != expected(*at));
        ensure!(wrong.is_none(), "a wrong byte: {wrong:?}");
        total += read;
        piece.resize((piece.len() + 1).min(9973), 0);
        tokio::task::yield_now().await;
    }
    ensure!(total == BYTES, "{total} bytes came");
    ensure!(process.wait().await?.status.success(), "it failed");
    Ok(())
}

fn expected(at: usize) -> u8 {
    *b"0123456\n".get(at % 8).unwrap_or(&0)
}

pub(super) async fn output_nobody_takes_is_thrown_away(place: &Place) -> Result<()> {
    let exit = place.session.run(script("head -c 3000000 /dev/zero && exit 5")).await?.wait().await?;
    ensure!(exit.status == ExitStatus::Code(5), "{exit:?}");
    Ok(())
}

pub(super) async fn error_output_never_blocks(place: &Place) -> Result<()> {
    let command = script("head -c 3000000 /dev/zero >&2; echo; echo the last line >&2; echo out; exit 6");
    let mut process = place.session.run(command).await?;
    let output = process.stdout().ok_or_else(|| broken("no standard output".into()))?;
    ensure!(read(output).await? == b"\nout\n", "the standard output is wrong");
    let exit = process.wait().await?;
    ensure!(exit.status == ExitStatus::Code(6), "{}", exit.status);
    ensure!(exit.stderr_tail.ends_with("the last line"), "the end of the standard error is missing");
    ensure!(exit.stderr_tail.len() <= 8 * 1024, "{} bytes were kept", exit.stderr_tail.len());
    Ok(())
}

pub(super) async fn error_output_is_cut_to_whole_lines(place: &Place) -> Result<()> {
    let command = script("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
    let exit = place.session.run(command).await?.wait().await?;
    let lines: Vec<&str> = exit.stderr_tail.lines().collect();
    ensure!(lines.len() > 100 && lines.len() < 3000, "{} lines were kept", lines.len());
    for (line, number) in lines.iter().rev().zip((0..3000).rev()) {
        ensure!(*line == format!("line {number}"), "{line} stands for line {number}");
    }
    Ok(())
}
