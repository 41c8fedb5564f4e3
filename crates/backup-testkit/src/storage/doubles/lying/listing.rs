use super::{Lie, Lying};
use backup_core::{Error, ErrorKind, Key, MAX_PAGE, Page, Result, StorageExt};

impl Lying {
    pub(super) async fn page(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let mut after = after.cloned();
        match (self.lie, &after) {
            (Lie::ListingByFolder, _) => {
                let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
                return self.inner.list(&folder, after.as_ref()).await;
            }
            (Lie::ListingOfDotsFails, _) if prefix.contains("..") => {
                return Err(Error::new(ErrorKind::InvalidInput, "not a valid prefix").context("prefix", prefix));
            }
            (Lie::ListingByComponent, _) => return self.by_component(prefix, after.as_ref()).await,
            (Lie::ListingAfterMissingStartsOver, Some(key)) if self.inner.stat(key).await.is_err() => after = None,
            _ => {}
        }
        let mut page = self.inner.list(prefix, after.as_ref()).await?;
        match self.lie {
            Lie::ListingForgets if page.more => {
                // The next page begins behind the last that is shown, so one in the middle is forgotten for good.
                page.objects.remove(page.objects.len() / 2);
            }
            Lie::ListingRepeats => {
                if let Some(last) = after.filter(|last| last.as_str().starts_with(prefix))
                    && let Ok(meta) = self.inner.stat(&last).await
                {
                    page.objects.insert(0, (last, meta));
                    page.more |= page.objects.len() > MAX_PAGE;
                    page.objects.truncate(MAX_PAGE);
                }
            }
            Lie::ListingEndsEarly => page.more = false,
            Lie::ListingLags => {
                let newest = self.memory().newest.clone();
                page.objects.retain(|(key, _)| Some(key) != newest.as_ref());
            }
            _ => {}
        }
        for (_, meta) in &mut page.objects {
            *meta = self.meta(meta.clone());
        }
        Ok(page)
    }

    /// All on one page, in the order of a walk that sorts the names in each folder.
    async fn by_component(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let mut objects = self.inner.list_all(prefix).await?;
        objects.retain(|(key, _)| after.is_none_or(|after| key > after));
        objects.sort_by(|(a, _), (b, _)| a.as_str().split('/').cmp(b.as_str().split('/')));
        let more = objects.len() > MAX_PAGE;
        objects.truncate(MAX_PAGE);
        Ok(Page { objects, more })
    }
}
