use crate::commands::list::named_time;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open};
use backup_repository::WriterSpec;
use clap::Args;
use jiff::{Span, Zoned};
use serde_json::json;
use std::time::SystemTime;

/// Make a credential that backs up and reads nothing, and print it
///
/// It is stored nowhere else: put it where the host that shall use it, and nobody else, can read it, and give it
/// there with --identity. Members of a domain deduplicate against each other, and must trust each other for that.
#[derive(Debug, Args)]
pub(crate) struct Writer {
    /// Which names its snapshots may have: * stands for any characters, ? for one; may be given several times
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    names: Vec<String>,

    /// The domain in which it deduplicates; made if there is none of this name
    #[arg(long, value_name = "NAME", default_value = "default")]
    domain: String,

    /// When it ends: 2027-11-20, "2027-11-20 09:00", or in how long: 90d, 1y
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<SystemTime>,
}

impl Writer {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let mut spec = WriterSpec::default().with_names(self.names).with_domain(self.domain);
        spec.until = self.until;
        let credential = open(&context.settings, &chosen(context)?).await?.add_writer(&spec).await?;
        let (id, text) = (credential.id()?, credential.to_text()?);
        let screen = context.screen();
        if screen.is_json() {
            return screen
                .json(&json!({
                    "writer": id.to_string(),
                    "names": spec.names,
                    "domain": spec.domain,
                    "credential": text.expose_str()?,
                }))
                .map(|()| Exit::Done);
        }
        let mut out = screen.out();
        out.bytes(text.expose())?;
        out.done()?;
        screen.note(format_args!("certified the writer {id}; its credential is stored nowhere else"));
        Ok(Exit::Done)
    }
}

fn until(text: &str) -> Result<SystemTime, String> {
    let now = Zoned::now();
    let later = || now.checked_add(text.parse::<Span>().ok()?).ok().map(|time| time.timestamp());
    named_time(text, &now).or_else(later).filter(|time| *time > now.timestamp()).map(SystemTime::from).ok_or_else(
        || "give a date or time to come (2027-11-20, \"2027-11-20 09:00\"), or in how long (90d, 1y)".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::until;

    #[test]
    fn an_end_lies_ahead() {
        for good in ["90d", "1y", "2999-01-01", "2999-01-01 09:00"] {
            assert!(until(good).is_ok(), "{good}");
        }
        for bad in ["", "soon", "2020-01-01", "-5d", "0d"] {
            assert!(until(bad).is_err(), "{bad}");
        }
    }
}
