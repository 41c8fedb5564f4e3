use crate::{Error, ErrorKind, Result};
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// The longest name a template may give, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// A pattern for the names of backups: text with `{name}`, `{source}`, `{host}`, `{tag}` (all tags, joined by `-`),
/// `{seq}` and `{date:FORMAT}`, where FORMAT is strftime's (`{date}` alone is `%Y%m%d`). `{{` and `}}` stand for braces.
///
/// What the values hold besides letters, digits, `.`, `_` and `-` becomes `_`, so a name is safe as a file name and as
/// an object key.
///
/// ```
/// # use backup_core::{NameTemplate, NameValues};
/// # use std::time::{Duration, SystemTime};
/// let template: NameTemplate = "{name}_{date:%Y%m%d}".parse()?;
/// // 2026-11-20 23:30 UTC is already the 21st two hours to the east.
/// let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_217_400);
/// let values = NameValues::new("shop", started).with_utc_offset_seconds(7200);
/// assert_eq!(template.render(&values)?, "shop_20261121");
/// # Ok::<_, backup_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Source,
    Host,
    Tag,
    Seq,
    Date(String),
}

/// What a [`NameTemplate`] is filled with.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct NameValues {
    /// The series.
    pub name: String,
    /// The kind or name of the source.
    pub source: String,
    /// The host.
    pub host: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Number of this backup among those of the same name otherwise, from 1.
    pub seq: u64,
    /// When the capture started.
    pub started: SystemTime,
    /// What to add to UTC at that instant, in seconds: the date in a name is a local one, and which zone is local the
    /// caller knows.
    pub utc_offset_seconds: i32,
}

impl NameValues {
    /// Values with a name and a time; the rest is empty, number 1, UTC.
    pub fn new(name: impl Into<String>, started: SystemTime) -> Self {
        NameValues {
            name: name.into(),
            source: String::new(),
            host: String::new(),
            tags: Vec::new(),
            seq: 1,
            started,
            utc_offset_seconds: 0,
        }
    }

    /// Sets the offset.
    #[must_use]
    pub fn with_utc_offset_seconds(mut self, seconds: i32) -> Self {
        self.utc_offset_seconds = seconds;
        self
    }
}

fn wrong(why: impl Into<std::borrow::Cow<'static, str>>, template: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, why).context("template", template)
}

impl FromStr for NameTemplate {
    type Err = Error;

    fn from_str(template: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.next_if_eq(&c).is_some() => text.push(c),
                '}' => return Err(wrong("a template has a } without a {", template)),
                '{' => {
                    let field: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(field_part(&field).ok_or_else(|| wrong("a template has an unknown field", template))?);
                }
                other => text.push(other),
            }
        }
        // `take_while` swallows a missing brace; the braces tell.
        if template.matches('{').count() != template.matches('}').count() {
            return Err(wrong("a template has a { without a }", template));
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let parsed = NameTemplate(parts);
        // An unknown conversion shows now, not on the night of the first backup.
        parsed.render(&NameValues::new("name", SystemTime::UNIX_EPOCH)).map_err(|e| e.context("template", template))?;
        Ok(parsed)
    }
}

fn field_part(field: &str) -> Option<Part> {
    Some(match field.split_once(':') {
        Some(("date", format)) if !format.is_empty() => Part::Date(format.to_owned()),
        Some(_) => return None,
        None => match field {
            "name" => Part::Name,
            "source" => Part::Source,
            "host" => Part::Host,
            "tag" => Part::Tag,
            "seq" => Part::Seq,
            "date" => Part::Date("%Y%m%d".into()),
            _ => return None,
        },
    })
}

impl NameTemplate {
    /// Whether names differ by number: where they do not, two backups of a day can come to the same name.
    pub fn has_seq(&self) -> bool {
        self.0.contains(&Part::Seq)
    }

    /// The name.
    ///
    /// # Errors
    /// `InvalidInput` when it comes out empty, longer than 200 bytes, beginning with a dot, or when the time or its
    /// offset is beyond the calendar.
    pub fn render(&self, values: &NameValues) -> Result<String> {
        let mut name = String::new();
        for part in &self.0 {
            let part = match part {
                Part::Text(text) => text.clone(),
                Part::Name => safe(&values.name),
                Part::Source => safe(&values.source),
                Part::Host => safe(&values.host),
                Part::Tag => safe(&values.tags.join("-")),
                Part::Seq => values.seq.to_string(),
                Part::Date(format) => safe(&date(format, values)?),
            };
            name.push_str(&part);
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with('.') || name.contains(is_unsafe_text) {
            return Err(Error::new(ErrorKind::InvalidInput, "a template gives no usable name").context("name", name));
        }
        Ok(name)
    }
}

/// The template's own text may hold more than values may, but nothing that is special in a file name or key.
fn is_unsafe_text(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\\')
}

fn safe(value: &str) -> String {
    value.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect()
}

fn date(format: &str, values: &NameValues) -> Result<String> {
    let wrong = |e: jiff::Error| Error::new(ErrorKind::InvalidInput, "a date cannot be put into a name").source(e);
    let started = Timestamp::try_from(values.started).map_err(wrong)?;
    let offset = Offset::from_seconds(values.utc_offset_seconds).map_err(wrong)?;
    strtime::format(format, &Zoned::new(started, TimeZone::fixed(offset))).map_err(wrong)
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Name => f.write_str("{name}"),
            Part::Source => f.write_str("{source}"),
            Part::Host => f.write_str("{host}"),
            Part::Tag => f.write_str("{tag}"),
            Part::Seq => f.write_str("{seq}"),
            Part::Date(format) => write!(f, "{{date:{format}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn values() -> NameValues {
        let mut values = NameValues::new("shop/db", SystemTime::UNIX_EPOCH + Duration::from_secs(86_399));
        values.host = "db1.example".into();
        values.source = "mysql".into();
        values.tags = vec!["nightly".into(), "a b".into()];
        values.seq = 7;
        values
    }

    fn render(template: &str) -> String {
        template.parse::<NameTemplate>().unwrap().render(&values()).unwrap()
    }

    #[test]
    fn every_field_is_filled_and_made_safe() {
        assert_eq!(render("{name}-{source}@{host}+{tag}.{seq}"), "shop_db-mysql@db1.example+nightly-a_b.7");
        assert_eq!(render("{{{name}}}"), "{shop_db}");
        assert_eq!(render("{date} {date:%H:%M:%S} {date:%G-W%V}"), "19700101 23_59_59 1970-W01");
    }

    #[test]
    fn the_date_is_the_callers_local_one() {
        let template: NameTemplate = "{date:%Y%m%d%z}".parse().unwrap();
        let name = |seconds| template.render(&values().with_utc_offset_seconds(seconds)).unwrap();
        assert_eq!([name(0), name(1), name(-86_399)], ["19700101_0000", "19700102_000001", "19700101-235959"]);
    }

    #[test]
    fn templates_go_both_ways() {
        for template in ["{name}_{date:%Y%m%d}", "{{x}}{seq}", "plain"] {
            assert_eq!(template.parse::<NameTemplate>().unwrap().to_string(), template);
        }
    }

    #[test]
    fn what_gives_no_name_is_refused() {
        for template in
            ["", "{nane}", "{name", "name}", "{date:%!}", "{date:}", "a/b", ".{name}", "{seq:3}", "{}", "\n"]
        {
            assert_eq!(template.parse::<NameTemplate>().unwrap_err().kind(), ErrorKind::InvalidInput, "{template}");
        }
        let template: NameTemplate = "{name}".parse().unwrap();
        for name in ["", "..", &"x".repeat(201)] {
            assert!(template.render(&NameValues::new(name, SystemTime::UNIX_EPOCH)).is_err(), "{name}");
        }
        assert!(template.render(&NameValues::new("x", SystemTime::UNIX_EPOCH)).is_ok());
        let far = NameValues::new("x", SystemTime::UNIX_EPOCH).with_utc_offset_seconds(i32::MAX);
        assert!("{date}".parse::<NameTemplate>().unwrap().render(&far).is_err());
    }
}
