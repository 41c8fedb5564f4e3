use crate::connections::place::{Place, read, read_exactly, script};
use crate::suite::{broken, ensure};
use backup_core::Result;

pub(super) async fn clean_ends_what_still_runs(place: &Place) -> Result<()> {
    let mut process = place.session.run(script("sh -c 'sleep 1000 & echo started; wait' & wait")).await?;
    let mut output = process.stdout().ok_or_else(|| broken("no standard output".into()))?;
    read_exactly(&mut output, b"started\n").await?;
    place.session.clean().await?;
    ensure!(read(output).await?.is_empty(), "somebody still writes");
    match process.wait().await {
        Ok(exit) => ensure!(!exit.status.success(), "a program that was ended counts as {}", exit.status),
        Err(_the_connection_is_gone) => {}
    }
    Ok(())
}

pub(super) async fn clean_can_be_called_again(place: &Place) -> Result<()> {
    place.session.clean().await?;
    place.session.clean().await
}

pub(super) async fn closed_sessions_refuse(place: &Place) -> Result<()> {
    place.session.clean().await?;
    ensure!(place.session.run(script("exit 0")).await.is_err(), "a closed session runs programs");
    ensure!(place.session.pull(b"/etc/passwd").await.is_err(), "a closed session reads files");
    let pushed = place.session.push(&place.path("file"), Box::new(&b"x"[..])).await;
    ensure!(pushed.is_err(), "a closed session writes files");
    Ok(())
}

pub(super) async fn reach_is_told(place: &Place) -> Result<()> {
    let reach = place.session.reach();
    ensure!(reach == place.reach, "the session says {reach:?}");
    Ok(())
}
