use crate::connections::place::{Place, read, read_exactly, script};
use crate::suite::{broken, ensure, expect_kind};
use backup_core::{CommandSpec, ErrorKind, ExitStatus, Process, Reader, Result};

pub(super) async fn exit_status_is_told(place: &Place) -> Result<()> {
    for code in [0, 1, 7, 126, 127, 255] {
        let exit = place.session.run(script(&format!("exit {code}"))).await?.wait().await?;
        ensure!(exit.status == ExitStatus::Code(code), "exit {code} is told as {}", exit.status);
        ensure!(exit.status.success() == (code == 0), "exit {code} counts as success or not");
    }
    Ok(())
}

pub(super) async fn signals_are_no_exit_codes(place: &Place) -> Result<()> {
    for signal in [9, 15] {
        let exit = place.session.run(script(&format!("kill -{signal} $$"))).await?.wait().await?;
        ensure!(exit.status == ExitStatus::Signal(signal), "signal {signal} is told as {}", exit.status);
    }
    Ok(())
}

pub(super) async fn status_can_be_asked_twice(place: &Place) -> Result<()> {
    let mut process = place.session.run(script("echo why >&2; exit 3")).await?;
    let (first, second) = (process.wait().await?, process.wait().await?);
    ensure!(first == second && first.stderr_tail == "why", "{first:?} and then {second:?}");
    Ok(())
}

pub(super) async fn missing_program_is_not_found(place: &Place) -> Result<()> {
    for program in ["no-such-program-anywhere", "/no/such/program"] {
        expect_kind(ErrorKind::NotFound, program, place.session.run(CommandSpec::new(program)).await.map(drop))?;
    }
    Ok(())
}

/// A shell whose child holds all of its pipes and outlives it by far.
const LEAVES_A_CHILD: &str = "sleep 1000 & echo started; echo bye >&2; exit 4";

pub(super) async fn wait_does_not_wait_for_grandchildren(place: &Place) -> Result<()> {
    let mut process = place.session.run(script(LEAVES_A_CHILD)).await?;
    let exit = process.wait().await?;
    ensure!(exit.status == ExitStatus::Code(4) && exit.stderr_tail == "bye", "{exit:?}");
    Ok(())
}

pub(super) async fn kill_ends_grandchildren(place: &Place) -> Result<()> {
    let (mut process, output) = family(place).await?;
    process.kill().await?;
    let exit = process.wait().await?;
    ensure!(!exit.status.success(), "a killed program counts as {}", exit.status);
    all_gone(output).await
}

pub(super) async fn drop_ends_grandchildren(place: &Place) -> Result<()> {
    let (process, output) = family(place).await?;
    drop(process);
    all_gone(output).await?;

    let mut leader_is_over = place.session.run(script(LEAVES_A_CHILD)).await?;
    let mut output = leader_is_over.stdout().ok_or_else(|| broken("no standard output".into()))?;
    read_exactly(&mut output, b"started\n").await?;
    leader_is_over.wait().await?;
    drop(leader_is_over);
    all_gone(output).await
}

/// A program with a child and a grandchild, all writing to the output given.
async fn family(place: &Place) -> Result<(Box<dyn Process>, Reader)> {
    let family = script("sh -c 'sleep 1000 & echo started; wait' & wait");
    let mut process = place.session.run(family).await?;
    let mut output = process.stdout().ok_or_else(|| broken("no standard output".into()))?;
    read_exactly(&mut output, b"started\n").await?;
    Ok((process, output))
}

/// The output ends once the last process that holds it is gone. A survivor makes the case hang.
async fn all_gone(output: Reader) -> Result<()> {
    let rest = read(output).await?;
    ensure!(rest.is_empty(), "somebody still wrote {} bytes", rest.len());
    Ok(())
}
