use crate::storage::subject::Subject;
use crate::suite::{broken, ensure};
use backup_core::Result;

/// Neither the storage's texts nor its errors show what it was set up with.
pub(super) async fn secrets_stay_hidden(subject: &Subject) -> Result<()> {
    let canary = subject.canary.as_deref().filter(|canary| canary.len() >= 8);
    let canary =
        canary.ok_or_else(|| broken("the secret to look for is too short to be told from other text".into()))?;
    let storage = &subject.storage;
    subject.put("a", "x").await?;
    let missing = subject.key("missing")?;
    let texts = [
        ("the location", storage.location()),
        ("Debug", format!("{storage:?} {storage:#?}")),
        ("the capabilities", format!("{:?}", storage.capabilities())),
        ("an error of get", format!("{:?}", storage.get(&missing, None).await.map(drop))),
        ("an error of stat", format!("{:?}", storage.stat(&missing).await)),
        ("an error of put", format!("{:?}", subject.put("a", "y").await)),
        ("a listing", format!("{:?}", storage.list(&subject.prefix, None).await)),
        ("delete", format!("{:?}", storage.delete(&[missing]).await)),
    ];
    for (what, text) in texts {
        ensure!(!text.contains(canary), "{what} shows the secret");
    }
    Ok(())
}
